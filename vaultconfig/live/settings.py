"""LiveSettings: settings that are always fresh, and whoever reads them never waits."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeAlias, TypeVar, overload

from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError, SettingsExpiredError, VaultConfigError
from vaultconfig.live.change import Change, changed_fields, unknown_part
from vaultconfig.live.health import Health
from vaultconfig.live.listeners import Listeners
from vaultconfig.live.loader import Loader
from vaultconfig.live.processes import follow, others_use
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.retrying import Exceptions, retrying
from vaultconfig.live.watcher import Watcher
from vaultconfig.live.worker import Worker

T = TypeVar("T", bound=BaseSettings)
P = ParamSpec("P")
R = TypeVar("R")
Translation: TypeAlias = Callable[["LiveSettings[Any]", VaultConfigError], VaultConfigError]

_LONGEST_CLOSE = 0.9  # seconds


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
        if not isinstance(settings_cls, type):
            name = type(settings_cls).__name__
            raise ConfigurationError(
                f"LiveSettings takes the class, not an instance: give it {name}"
            )
        self._settings_cls = settings_cls
        self._seams = seams or Seams()
        self._clock = self._seams.clock
        self._loader = Loader(settings_cls, arguments, clock=self._clock)
        self._listeners = Listeners[T]()
        self._refresher = Refresher(self._loader, self._seams)
        self._translation: Translation | None = None
        self._rest()
        follow(self)

    def _rest(self) -> None:
        """Have no thread; `current` takes the long way, where it starts one."""
        self._loading = threading.Lock()
        self._lock = threading.RLock()  # a signal handler may read while its thread holds it
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
        self._wake_up()

    def load(self) -> T:
        """Load the settings now, and begin to refresh them when `current` is first read.

        For modules that are imported before a fork, or by commands that never read. Where they
        are loaded already, the newest are returned, whatever their age.

        Raises:
            VaultConfigError: They can't be had.
            pydantic.ValidationError: The values do not fit.
        """
        with self._loading:
            if self._refresher.is_ended or not self._refresher.is_loaded:
                refresher = Refresher(self._loader, self._seams)
                refresher.load()
                self._refresher, self._readable_until = refresher, -math.inf
                self._listeners.tell_loaded(refresher.snapshot.settings)
            return self._refresher.snapshot.settings

    def close(self) -> None:
        """End the refreshing; what was read last can be read until it expires.

        It takes less than a second, also while the vault keeps a request waiting.
        """
        until = time.monotonic() + _LONGEST_CLOSE
        with self._lock:
            self._refresher.is_ended = True
            threads = [thread for thread in (self._watcher, self._worker) if thread is not None]
            self._worker = self._watcher = None
        for thread in threads:
            thread.end()
        vault = self._refresher.vault
        if vault is not None and not others_use(vault):
            vault.close()  # which ends the requests under way, too
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def refresh(self) -> None:
        """Read everything from the vault, now, in one round trip.

        Raises:
            VaultConfigError: What failed; the last good settings stay.
            pydantic.ValidationError: The new values do not fit; the old ones stay.
        """
        self._require_loaded()
        error = self._refresher.refresh()
        self._publish()
        if isinstance(error, VaultConfigError):
            raise copy.copy(error)  # several threads may be told of the same one
        if error is not None:
            raise error.with_traceback(None)

    def health(self) -> Health:
        """Return how fresh the settings are; never a value. It counts as a read.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
        """
        self._require_loaded()
        self._wake_up()
        return self._refresher.health()

    def catch_up(self, before: T) -> T:
        """Return newer settings than *before*, for which the vault is asked where need be.

        For what has found *before* outdated. It starts no thread and raises nothing: in an
        outage, and while the vault had nothing new lately, *before* is what you get.
        """
        self._require_loaded()
        self._refresher.catch_up(before)
        self._publish()
        return self._refresher.snapshot.settings

    def on_change(
        self, listener: Callable[[Change[T]], object], *, fields: Collection[str] | None = None
    ) -> None:
        """Call *listener* once for each change, one after the other, in a thread of ours mostly.

        Args:
            listener: Is given a `Change`. What it raises is reported, and harms nothing.
            fields: Names, dotted where they are nested; a change of something inside or around
                one concerns it. None is every field.

        Raises:
            ConfigurationError: There is no such field.
        """
        for name in fields or ():
            unknown = unknown_part(self._settings_cls, name)
            if unknown is not None:
                model, part = unknown
                known = ", ".join(model.model_fields)
                raise ConfigurationError(f"{model.__name__} has no field {part!r}: it has {known}")
        self._listeners.on_change(listener, fields)

    def on_error(self, listener: Callable[[Exception], object]) -> None:
        """Call *listener* with whatever goes wrong: a refresh, or a listener of changes."""
        self._listeners.on_error(listener)

    @overload
    def retry_once(self, call: Callable[[], R], /, *, on: Exceptions) -> R: ...

    @overload
    def retry_once(self, /, *, on: Exceptions) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def retry_once(self, call: Callable[[], Any] | None = None, /, *, on: Exceptions) -> Any:
        """Call *call*; where it raises *on* and a refresh finds a change, call it once more.

        Without *call* it is a decorator. Functions and coroutine functions alike. Where the
        refresh fails too, what *call* raised is what you get. In an outage the vault is not
        asked, and less and less often while nothing has changed.

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
        self._listeners.after_fork()
        self._rest()

    def _current(self) -> T:
        self._require_loaded()
        self._wake_up()
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
        """Have threads where there is something to refresh, and `current` take the short way."""
        with self._lock:
            refresher = self._refresher
            if self._worker is None and refresher.vault is not None and not refresher.is_ended:
                self._worker = Worker(self._step, name="vaultconfig-refresh")
                self._watcher = Watcher(refresher, self._worker, self._seams)
            self._expose()

    def _expose(self) -> None:
        """Have `current` read the newest snapshot: first the settings, then until when."""
        self._settings = self._refresher.snapshot.settings
        self._readable_until = self._refresher.expires_at

    def _step(self) -> float:
        self._refresher.step()
        self._publish()
        return max(0.0, self._refresher.next_at() - self._clock())

    def _publish(self) -> None:
        with self._lock:
            self._expose()
        self._listeners.tell(self._refresher.outcomes)

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
        return retrying(
            call, on, mark=lambda: self.current, has_changed_since=self._has_changed_since
        )

    def _has_changed_since(self, before: T) -> bool:
        return bool(changed_fields(before, self.catch_up(before)))
