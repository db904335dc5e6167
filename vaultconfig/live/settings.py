"""LiveSettings: settings that are always fresh, and whoever reads them never waits."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
import threading
from collections.abc import Callable, Collection
from functools import wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeAlias, TypeVar, overload

from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError, SettingsExpiredError, VaultConfigError
from vaultconfig.live.change import Change
from vaultconfig.live.listeners import Listeners
from vaultconfig.live.loader import Loader
from vaultconfig.live.processes import follow, others_use
from vaultconfig.live.refresher import Health, Outcome, Refresher, Seams
from vaultconfig.live.watcher import Watcher
from vaultconfig.live.worker import Worker

T = TypeVar("T", bound=BaseSettings)
P = ParamSpec("P")
R = TypeVar("R")
Listener = TypeVar("Listener", bound=Callable[..., object])
Exceptions: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
Translation: TypeAlias = Callable[["LiveSettings[Any]", VaultConfigError], VaultConfigError]


class LiveSettings(Generic[T]):
    """Settings of one class that follow the vault: through rotations, outages and forks.

    Making one does no I/O, so it may stand at the top of a module. `start` loads; from then on
    `current` is a plain read, and a thread of ours keeps it fresh. A forked child goes on with
    what its parent had read, and begins to refresh it when it first reads it.

    Args:
        settings_cls: The settings class.
        seams: What tests replace.
        arguments: Keywords for ``settings_cls()``, the same each time.
    """

    def __init__(
        self, settings_cls: type[T], seams: Seams | None = None, /, **arguments: Any
    ) -> None:
        self._settings_cls = settings_cls
        self._seams = seams or Seams()
        self._clock = self._seams.clock
        self._loader = Loader(settings_cls, arguments, clock=self._clock)
        self._listeners = Listeners[T]()
        self._refresher = Refresher(self._loader, self._seams)
        self._is_closed = False
        self._translation: Translation | None = None
        self._rest()
        follow(self)

    def _rest(self) -> None:
        """Have no thread; `current` takes the long way, where it starts one."""
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._watcher: Watcher | None = None
        self._settings: T | None = None
        self._readable_until = -math.inf

    def __repr__(self) -> str:
        return f"LiveSettings({self._settings_cls.__name__})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def current(self) -> T:
        """The settings as they are now: a snapshot, which never changes.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
            SettingsExpiredError: They are older than ``max_stale`` allows.
        """
        if self._clock() < self._readable_until:
            return self._settings  # type: ignore[return-value]  # set before it can be read
        return self._current()

    def start(self) -> None:
        """Load the settings, and keep them fresh from now on; does nothing where that is so.

        After `close` they are loaded anew, from wherever the environment now says.

        Raises:
            VaultConfigError: They can't be had; nothing has been started.
            pydantic.ValidationError: The values do not fit.
        """
        self.load()
        with self._lock:
            self._wake_up()

    def load(self) -> None:
        """Load the settings now, and begin to refresh them when `current` is first read.

        For modules that are imported before a fork, or by commands that never read.

        Raises:
            VaultConfigError: They can't be had.
            pydantic.ValidationError: The values do not fit.
        """
        with self._lock:
            if self._is_closed or not self._refresher.is_loaded:
                refresher = Refresher(self._loader, self._seams)
                refresher.load()
                self._refresher, self._readable_until = refresher, -math.inf
                self._listeners.tell_fixed(refresher.snapshot.settings)
            self._is_closed = False

    def close(self) -> None:
        """End the refreshing; what was read last can be read until it expires."""
        with self._lock:
            self._is_closed = True
            threads = [thread for thread in (self._watcher, self._worker) if thread is not None]
            self._worker = self._watcher = None
        for thread in threads:
            thread.end()
        vault = self._refresher.vault
        if threads and vault is not None and not others_use(vault):
            vault.close()  # which ends the requests under way, too
        for thread in threads:
            thread.join(1.0)

    def refresh(self) -> None:
        """Read everything from the vault, now, in one round trip.

        Raises:
            VaultConfigError: What failed; the last good settings stay.
            pydantic.ValidationError: The new values do not fit; the old ones stay.
        """
        self._require_loaded()
        outcome = self._refresher.refresh()
        self._publish(outcome)
        if isinstance(outcome.error, VaultConfigError):
            raise copy.copy(outcome.error)  # several threads may be told of the same one
        if outcome.error is not None:
            raise outcome.error

    def health(self) -> Health:
        """Return how fresh the settings are; never a value.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
        """
        self._require_loaded()
        return self._refresher.health()

    def on_change(
        self, listener: Callable[[Change[T]], object], *, fields: Collection[str] | None = None
    ) -> None:
        """Call *listener* once for each change, in the thread that found it.

        Args:
            listener: Is given a `Change`. What it raises is reported, and harms nothing.
            fields: Names, dotted where they are nested; a change of something inside or around
                one concerns it. None is every field.

        Raises:
            ConfigurationError: There is no such field.
        """
        known = self._settings_cls.model_fields
        unknown = [name for name in fields or () if name.partition(".")[0] not in known]
        if unknown:
            raise ConfigurationError(
                f"{self._settings_cls.__name__} has no field {unknown[0]!r}:"
                f" it has {', '.join(known)}"
            )
        self._listeners.on_change(listener, fields)

    def on_error(self, listener: Callable[[Exception], object]) -> None:
        """Call *listener* with whatever goes wrong: a refresh, or another listener."""
        self._listeners.on_error(listener)

    @overload
    def retry_once(self, call: Callable[[], R], /, *, on: Exceptions) -> R: ...

    @overload
    def retry_once(self, /, *, on: Exceptions) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def retry_once(self, call: Callable[[], Any] | None = None, /, *, on: Exceptions) -> Any:
        """Call *call*; where it raises *on* and a refresh finds a change, call it once more.

        Without *call* it is a decorator. Functions and coroutine functions alike.

        Args:
            call: Such as a function that connects with the password of `current`.
            on: What is raised when a login is refused.
        """
        if call is None:
            return lambda function: self._retrying(function, on)
        return self._retrying(call, on)()

    async def dependency(self) -> T:
        """Return `current`, for ``Depends``: a coroutine, so that FastAPI needs no thread for it.

        Raises:
            ConfigurationError: They have not been loaded.
            SettingsExpiredError: They are too old; 503, where `vaultconfig.fastapi` serves them.
        """
        return self.current

    def translate_errors(self, translation: Translation) -> None:
        """Have what `current` and `health` raise put in the terms of a framework.

        Args:
            translation: Is given these settings and the error, and returns one of the same type
                or a subclass.
        """
        self._translation = translation

    def uses(self, vault: object) -> bool:
        """Whether requests to *vault* are made for these settings."""
        return self._worker is not None and self._refresher.vault is vault

    def after_fork(self) -> None:
        """Begin anew in a forked child; called by the hook of the process."""
        self._refresher = self._refresher.in_child()
        self._rest()

    def _current(self) -> T:
        self._require_loaded()
        with self._lock:
            if not self._is_closed:
                self._wake_up()
            self._expose()
        if self._clock() < self._readable_until and self._settings is not None:
            return self._settings
        health = self._refresher.health()
        raise self._translated(
            SettingsExpiredError(
                f"the settings are {health.age:.0f} s old, more than max_stale allows:"
                f" {health.last_error or 'they were not refreshed'}"
            )
        )

    def _wake_up(self) -> None:
        if self._worker is None and self._refresher.vault is not None:
            self._worker = Worker(self._step, name="vaultconfig-refresh")
            self._watcher = Watcher(self._refresher, self._worker, self._seams)
        self._expose()

    def _expose(self) -> None:
        """Have `current` read the newest snapshot: first the settings, then until when."""
        self._settings = self._refresher.snapshot.settings
        self._readable_until = self._refresher.expires_at

    def _step(self) -> float:
        outcome = self._refresher.step()
        self._publish(outcome)
        return max(0.0, self._refresher.next_at() - self._clock())

    def _publish(self, outcome: Outcome[T]) -> None:
        with self._lock:
            self._expose()
        self._listeners.tell(outcome, self._refresher.health())

    def _require_loaded(self) -> None:
        if not self._refresher.is_loaded:
            raise self._translated(
                ConfigurationError(
                    f"the live settings of {self._settings_cls.__name__} have not been loaded:"
                    " call start() first"
                )
            )

    def _translated(self, error: VaultConfigError) -> VaultConfigError:
        return error if self._translation is None else self._translation(self, error)

    def _retrying(self, call: Callable[P, Any], on: Exceptions) -> Callable[P, Any]:
        if inspect.iscoroutinefunction(call):

            @wraps(call)
            async def retrying_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                before = self.current
                try:
                    return await call(*args, **kwargs)
                except on:
                    if not await asyncio.to_thread(self._has_changed_since, before):
                        raise
                return await call(*args, **kwargs)

            return retrying_async

        @wraps(call)
        def retrying(*args: P.args, **kwargs: P.kwargs) -> Any:
            before = self.current
            try:
                return call(*args, **kwargs)
            except on:
                if not self._has_changed_since(before):
                    raise
            return call(*args, **kwargs)

        return retrying

    def _has_changed_since(self, before: T) -> bool:
        if self._refresher.snapshot.settings is before:
            outcome = self._refresher.refresh()
            self._publish(outcome)
        return self._refresher.snapshot.settings is not before
