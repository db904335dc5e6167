"""LiveSettings: settings that stay fresh, and are read without a lock.

What is called stands here; what goes on by itself is in `kept_fresh`.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeAlias, TypeVar, overload

from pydantic_settings import BaseSettings

from vaultconfig import telemetry
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.live.change import Change
from vaultconfig.live.health import Health
from vaultconfig.live.kept_fresh import KeptFresh
from vaultconfig.live.names import fields_called
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.retrying import Rejection, retrying
from vaultconfig.live.worker import reject_late_patches
from vaultconfig.masking.redactor import Redactor
from vaultconfig.settings import check_arguments
from vaultconfig.threads import in_daemon_thread

T = TypeVar("T", bound=BaseSettings)
P = ParamSpec("P")
R = TypeVar("R")
Translation: TypeAlias = Callable[["LiveSettings[Any]", VaultConfigError], VaultConfigError]


class LiveSettings(KeptFresh[T]):
    """Settings of one class that follow the vault: through rotations, outages and forks.

    Making one does no I/O, so it may stand at the top of a module. `start` loads; from then on
    `current` is a plain read, and a background thread keeps it fresh. A forked child goes on with
    what its parent had read, and begins to refresh it when it first reads it.

    Where several parts of a program share it, each uses it as a context manager, ``with`` or
    ``async with`` (FastAPI's lifespan does): the last one to leave closes it.

    Args:
        settings_cls: The settings class.
        seams: What tests replace.
        arguments: Keywords for ``settings_cls()``, the same each time.

    Raises:
        ConfigurationError: It is not a class, or has no field that a keyword names.
    """

    def __init__(
        self, settings_cls: type[T], seams: Seams | None = None, /, **arguments: Any
    ) -> None:
        if not isinstance(settings_cls, type):
            name = type(settings_cls).__name__
            raise ConfigurationError(
                f"LiveSettings takes the class, not an instance: give it {name}"
            )
        check_arguments(settings_cls, arguments)
        self._before_blocks: dict[object, tuple[Refresher[T], Mapping[str, Any]]] = {}  # `override`
        self._loads = self._closings = 0
        self._load_error: VaultConfigError | None = None
        super().__init__(settings_cls, seams or Seams(), arguments)

    def _reset(self) -> None:
        super()._reset()
        self._loading = threading.RLock()  # a signal handler may come back into it
        self._users = self._left_over = 0  # `with` blocks: open, and open at a close
        self._catching_up: dict[tuple[asyncio.AbstractEventLoop, int], asyncio.Task[T]] = {}

    def __repr__(self) -> str:
        return f"LiveSettings({self._settings_cls.__name__})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "live settings are not pickled, because they have threads and connections: "
            "make them in each process"
        )

    def __enter__(self) -> Self:
        with self._lock:
            self._users += 1
        try:
            self.start()
        except BaseException:
            with self._lock:
                self._users = max(0, self._users - 1)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._left_over:  # `close` came before
                self._left_over -= 1
                return
            is_last = self._users == 1
            self._users = max(0, self._users - 1)
        if is_last:
            self._end()

    async def __aenter__(self) -> Self:
        turns = itertools.count()  # whichever comes second, this entering or a cancellation, leaves

        def enter() -> None:
            self.__enter__()
            if next(turns):
                self.__exit__(None, None, None)

        try:
            await in_daemon_thread(enter)
        except asyncio.CancelledError:
            if next(turns):
                await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await in_daemon_thread(lambda: self.__exit__(kind, error, traceback))

    @property
    def settings_cls(self) -> type[T]:
        """The settings class."""
        return self._settings_cls

    @property
    def current(self) -> T:
        """The settings as they are now: a snapshot, which never changes.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
            SettingsExpiredError: They are older than ``max_stale`` allows.
        """
        clock = self._clock  # called as `self._clock()`, Python would look for a method each time
        if clock() < self._readable_until:
            return self._settings  # type: ignore[return-value]  # set before it can be read
        return self._current()

    @property
    def newest(self) -> T:
        """The newest settings that were read, whatever their age; no thread starts, no call waits.

        Raises:
            ConfigurationError: They have not been loaded.
        """
        self._require_loaded()
        return self._refresher.snapshot.settings

    def start(self) -> None:
        """Load the settings, and keep them fresh from now on; a second call does nothing.

        After `close` they are loaded anew, from where the environment then says.

        Raises:
            VaultConfigError: They can't be loaded; nothing has been started.
            pydantic.ValidationError: The values do not fit.
        """
        closings = self._closings
        self.load()
        if closings == self._closings:
            self._wake_up()
        else:  # closed meanwhile, such as by a handler of SIGTERM
            self._end()

    def load(self) -> T:
        """Load the settings now, and begin to refresh them when `current` is first read.

        For modules that are imported before a fork, or by commands that never read. Where they
        are loaded already, the newest are returned, whatever their age.

        Raises:
            VaultConfigError: They can't be loaded.
            pydantic.ValidationError: The values do not fit.
        """
        seen = self._loads
        with self._loading:
            if self._refresher.is_loaded and not self._refresher.is_ended:
                return self._refresher.snapshot.settings
            if self._loads > seen and self._load_error is not None:
                raise copy.copy(self._load_error)  # of a load that began meanwhile
            self._loads, self._load_error = self._loads + 1, None
            reject_late_patches()
            telemetry.prepare()
            refresher, failed = self._new_refresher(), True
            try:
                refresher.load()
                failed = False
            except VaultConfigError as error:
                self._load_error = copy.copy(error)
                raise
            finally:
                telemetry.count_refresh(self._settings_cls, failed=failed)
            self._refresher, self._readable_until = refresher, -math.inf
            self._listeners.teller.tell_loaded(refresher.snapshot.settings)
            return refresher.snapshot.settings

    def close(self) -> None:
        """Stop refreshing; the last settings can be read until they expire.

        It takes less than a second, also while the vault keeps a request waiting.
        """
        with self._lock:
            self._closings += 1
            self._left_over += self._users
            self._users = 0
        self._end()

    def _end(self) -> None:
        self._refresher.is_ended = True
        self._end_threads()

    def refresh(self) -> None:
        """Read everything from the vault, now.

        Raises:
            UnresolvedSettingsError: Every setting that failed, one or many; they stay as they were.
            VaultConfigError: The request failed as a whole; the last good settings stay.
            pydantic.ValidationError: The new values do not fit; the old ones stay.
        """
        self._require_loaded()
        error = self._refresher.refresh()
        self._publish_and_wake()
        if isinstance(error, VaultConfigError):
            raise copy.copy(error)  # several threads may be told of the same one
        if error is not None:
            raise error.with_traceback(None)

    async def arefresh(self) -> None:
        """Read everything from the vault, now, in a thread, while the event loop goes on.

        Raises:
            UnresolvedSettingsError: See `refresh`; all else, too.
        """
        await in_daemon_thread(self.refresh)

    @contextmanager
    def override(self, **values: Any) -> Iterator[T]:
        """Show all threads settings with other *values* until the block ends: for tests.

        They are loaded as ``settings_cls(**values)`` loads them: what *values* give counts more
        than the vault, which is not asked for it, and `start` is not needed. Afterwards readers
        see what they saw before. Blocks inside one another add up; the last to begin is what shows.

        Args:
            values: Of fields, as for the class itself; a mapping for a nested model is laid over
                what the vault has.

        Raises:
            ConfigurationError: There is no such field.
            VaultConfigError: They can't be loaded.
            pydantic.ValidationError: A value does not fit.
        """
        check_arguments(self._settings_cls, values)
        block = object()
        self._before_blocks[block] = self._refresher, self._arguments
        watcher = self._watcher
        self._arguments = {**self._arguments, **values}
        try:
            refresher = self._new_refresher()
            try:
                refresher.load()
            except VaultConfigError as error:
                error.add_note("override() asks the vault for fields that it is not given")
                raise
            self._refresher, self._readable_until = refresher, -math.inf
            yield refresher.snapshot.settings
        finally:
            if self._watcher is not watcher:  # they follow what is going to be left behind
                self._end_threads()
            blocks = list(self._before_blocks)
            later = blocks[blocks.index(block) + 1 :]
            before = self._before_blocks.pop(block)
            if later:  # those of other threads or tasks need not end in turn
                self._before_blocks[later[0]] = before
            else:
                is_ended = self._refresher.is_ended
                self._refresher, self._arguments = before
                self._refresher.is_ended |= is_ended
            self._readable_until = -math.inf

    def health(self) -> Health:
        """Return how fresh the settings are; never a value. It counts as a read.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
        """
        self._require_loaded()
        self._wake_up()
        return self._refresher.health()

    def catch_up(self, before: T) -> T:
        """Return newer settings than *before*, asking the vault if necessary.

        Call it when a login with *before* was rejected. It starts no thread and raises nothing
        else: in an outage, and while the vault had nothing new lately, it returns *before*.

        Raises:
            ConfigurationError: They have not been loaded: call `start`.
        """
        self._require_loaded()
        self._refresher.catch_up(before)
        self._publish_and_wake()
        return self._refresher.snapshot.settings

    async def acatch_up(self, before: T) -> T:
        """Do as `catch_up` does, in a thread, while the event loop goes on.

        All tasks of a loop that come with the same *before* meanwhile wait for that one thread,
        which goes on if some of them are cancelled.

        Raises:
            ConfigurationError: See `catch_up`.
        """
        self._require_loaded()
        loop = asyncio.get_running_loop()
        key = loop, id(before)
        if key not in self._catching_up:
            catching_up = loop.create_task(in_daemon_thread(partial(self.catch_up, before)))
            self._catching_up[key] = catching_up
            catching_up.add_done_callback(lambda _: self._catching_up.pop(key, None))
        with suppress(RuntimeError):  # the system starts no more threads
            return await asyncio.shield(self._catching_up[key])
        return self.newest

    def on_change(
        self, listener: Callable[[Change[T]], object], *, fields: Collection[str] | None = None
    ) -> None:
        """Call *listener* once for each change, in a background thread, one call after the other.

        Args:
            listener: Is called with a `Change`. What it raises is logged, and goes to `on_error`.
                Refreshing goes on while it runs; further changes are merged into one `Change`
                until it returns. A coroutine function runs on the event loop that is running now.
            fields: Names, dotted where they are nested; a change of something inside or around
                one concerns it. None is every field.

        Raises:
            ConfigurationError: There is no such field, or *listener* is a coroutine function and
                no event loop is running.
        """
        fields = {fields} if isinstance(fields, str) else fields
        for name in fields or ():
            fields_called(self._settings_cls, name)
        self._listeners.on_change(listener, fields)

    def on_error(self, listener: Callable[[Exception], object]) -> None:
        """Call *listener* with each error of a refresh, or of a listener of changes.

        Args:
            listener: Is called with the exception; for the rest see `on_change`.

        Raises:
            ConfigurationError: It is a coroutine function, and no event loop is running.
        """
        self._listeners.on_error(listener)

    @overload
    def retry_once(self, call: Callable[[], R], /, *, on: Rejection) -> R: ...

    @overload
    def retry_once(self, /, *, on: Rejection) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def retry_once(self, call: Callable[[], Any] | None = None, /, *, on: Rejection) -> Any:
        """Call *call*; where it raises *on* and a refresh finds a change, call it once more.

        Without *call* it is a decorator, for functions and coroutine functions. If the refresh
        fails too, or finds no change, the exception of *call* is raised. The vault is not asked in
        an outage, and less and less often while nothing has changed.

        Args:
            call: Such as a function that connects with the password of `current`.
            on: The exceptions of a rejected login: a type, several, or a function that is given
                the exception and returns whether it is one.

        Raises:
            Exception: What *call* raised last.
        """

        def retried(call: Callable[P, Any]) -> Callable[P, Any]:
            return retrying(self, on, call)

        return retried if call is None else retried(call)()

    async def dependency(self) -> T:
        """Return `current`, for ``Depends``: a coroutine, so that FastAPI needs no thread for it.

        Where `current` would wait in a thread without an event loop, this waits without blocking.

        Raises:
            ConfigurationError: They have not been loaded.
            SettingsExpiredError: They are too old; 503, where `vaultconfig.fastapi` serves them.
        """
        if self._clock() >= self._readable_until:
            self._require_loaded()
            self._wake_up()
            await self._first_read.wait_in_loop(self._refresher)
        return self.current

    def translate_errors(self, translation: Translation) -> None:
        """Translate the errors of `current` and `health` into those of a framework.

        Args:
            translation: Is called with these settings and the error, and returns one of the same
                type or a subclass.
        """
        self._translation = translation

    def redactor(self) -> Redactor:
        """Return what masks the values of these settings in a text: those of now and later ones.

        It does not keep these settings alive.
        """
        self._redactor.is_used = True
        if self._refresher.is_loaded:
            self._redactor.learn(self._refresher.snapshot.values(), are_all=True)
        return self._redactor


def check_live(live: object, taker: str, written: str) -> None:
    """Reject what is not live settings, such as the class or a snapshot, which would never rotate.

    Args:
        live: What *taker* was given.
        taker: What takes live settings.
        written: How that is written.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(live, LiveSettings):
        raise ConfigurationError(
            f"{taker} takes live settings: write {written}, where live is LiveSettings(Settings)"
        )
