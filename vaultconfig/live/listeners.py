"""Calls the log and the application's listeners beside the refresh, one after the other."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.live.change import Change
from vaultconfig.live.outcome import Outcome
from vaultconfig.live.telling import Teller
from vaultconfig.live.worker import OurThread
from vaultconfig.log import say

T = TypeVar("T", bound=BaseSettings)
News = TypeVar("News")

LONGEST_CALL: Final = 30.0
"""Seconds after which a listener is named in the log, and the others are told without it."""

_LOOK_AGAIN: Final = 1.0  # seconds; a coroutine is lost when its event loop ends


class Listeners(Generic[T]):
    """The callbacks of one settings object."""

    def __init__(self) -> None:
        self.teller = Teller()
        # Like a listener, since a handler of the log may hang.
        self._log = _Listener(self.teller.tell, lambda _, newer: newer, lambda _: None)
        self._on_change: list[tuple[frozenset[str] | None, _Listener[Change[T]]]] = []
        self._on_error: list[_Listener[Exception]] = []
        self._news: deque[Outcome[T]] = deque()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()  # a signal handler may refresh while its thread holds it
        self._thread: OurThread | None = None

    def after_fork(self) -> None:
        """Begin anew in a forked child, with the news that its parent had not finished telling."""
        self._reset()
        self._log.after_fork()
        for _, on_change in self._on_change:
            on_change.after_fork()
        for on_error in self._on_error:
            on_error.after_fork()

    def on_change(
        self, function: Callable[[Change[T]], object], fields: Collection[str] | None
    ) -> None:
        """Call *function* with each change that concerns *fields*; None is all of them.

        Raises:
            ConfigurationError: It is a coroutine function, and no event loop is running.
        """
        listener = _Listener(function, Change.followed_by, self._tell_error)
        self._on_change.append((None if fields is None else frozenset(fields), listener))

    def on_error(self, function: Callable[[Exception], object]) -> None:
        """Call *function* with each error.

        Raises:
            ConfigurationError: As for `on_change`.
        """
        self._on_error.append(_Listener(function, lambda _, newer: newer, lambda _: None))

    def tell(self, outcome: Outcome[T]) -> None:
        """Notify the log and the listeners in a background thread, in the order of these calls."""
        self._news.append(outcome)
        self.go_on()

    def go_on(self) -> None:
        """Start the thread that notifies the listeners, if there is news and it is not running."""
        with self._lock:
            if self._news and self._thread is None:
                self._thread = OurThread(self._run, name="tell")
                try:
                    self._thread.start()
                except RuntimeError:  # the system has no more threads now; later it may
                    self._thread = None

    def _run(self) -> None:
        try:
            while self._tell_next():
                pass
        except BaseException:
            self._thread = None  # another one goes on with the rest
            raise

    def _tell_next(self) -> bool:
        """Tell of the oldest outcome; return whether there was one."""
        with self._lock:
            if not self._news:
                self._thread = None
                return False
            outcome = self._news[0]
        try:
            self._log.tell(outcome)
            if outcome.error is not None:
                self._tell_error(outcome.error)
            if outcome.change is not None:
                self._tell_change(outcome.change)
        finally:  # only now: a child that is forked meanwhile begins with it
            if self._news and self._news[0] is outcome:  # else the queue was emptied meanwhile
                self._news.popleft()
        return True

    def _tell_change(self, change: Change[T]) -> None:
        for fields, listener in list(self._on_change):
            if change.concerns(fields):
                listener.tell(change)

    def _tell_error(self, error: Exception) -> None:
        for listener in list(self._on_error):
            listener.tell(error)


class _Listener(Generic[News]):
    """One callback, which is called with one piece of news after the other.

    News that arrives while it is busy is merged, so that a function that never returns costs one
    thread.

    Args:
        function: A function; or a coroutine function, for the event loop that is running now.
        merged: Makes one piece of news of two.
        on_error: Is called with what *function* raises.
    """

    def __init__(
        self,
        function: Callable[[News], object],
        merged: Callable[[News, News], News],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._function = function
        self._merged = merged
        self._on_error = on_error
        self._name = _name_of(function)
        self._waiting: News | None = None
        if not callable(function):
            raise ConfigurationError(f"{self._name} can't be called: give a function")
        if _is_one(inspect.isgeneratorfunction, function) or _is_one(
            inspect.isasyncgenfunction, function
        ):
            raise ConfigurationError(f"{self._name} is a generator function, which would not run")
        self._loop = running_loop()
        self._reset()
        if self._loop is None and _is_one(inspect.iscoroutinefunction, function):
            raise ConfigurationError(
                f"the listener {self._name} is a coroutine function, and no event loop is running"
                " here: register it in a coroutine, such as the lifespan, or give a function"
            )

    def after_fork(self) -> None:
        """Begin anew in a forked child, which has neither the thread nor the event loop."""
        self._loop = None
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._thread: OurThread | None = None

    def tell(self, news: News) -> None:
        """Call the function and wait until it has returned, but not for ever."""
        with self._lock:
            self._waiting = news if self._waiting is None else self._merged(self._waiting, news)
            if self._thread is not None:
                return
            thread = self._thread = OurThread(self._run, name="listener")
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self._run()
            return
        thread.join(LONGEST_CALL)
        if thread.is_alive():
            told = f"the listener {self._name} has been running for over {LONGEST_CALL:.0f} s"
            line = partial(say, logging.WARNING, f"{told}: the others go on without it")
            with suppress(RuntimeError):
                OurThread(line, name="log").start()  # it may be the log that hangs

    def _run(self) -> None:
        while True:
            with self._lock:
                news, self._waiting = self._waiting, None
                if news is None:
                    self._thread = None
                    return
            try:
                result = self._function(news)
                if inspect.isawaitable(result):
                    self._await(result)
            except BaseException as error:
                self._report(error)

    def _await(self, result: Awaitable[object]) -> None:
        """Have *result* awaited on the event loop of the listener, and wait for its end."""
        loop = self._loop
        if loop is None or not loop.is_running():
            if inspect.iscoroutine(result):
                result.close()
            self._say_lost()
            return
        future = asyncio.run_coroutine_threadsafe(_awaited(result), loop)
        while loop.is_running():
            with suppress(TimeoutError):
                future.result(_LOOK_AGAIN)
            if future.done():
                future.result()
                return
        self._say_lost()

    def _say_lost(self) -> None:
        say(
            logging.ERROR,
            "the listener %s can't run: the event loop in which it was registered has ended,"
            " or no loop was running then",
            self._name,
        )

    def _report(self, error: BaseException) -> None:
        # Not its message, which may quote a value that the listener was given.
        told = f"the listener {self._name} raised {type(error).__name__}"
        say(logging.ERROR, told)
        self._on_error(error if isinstance(error, Exception) else VaultConfigError(told))


async def _awaited(result: Awaitable[object]) -> object:
    """Await *result*, and let SystemExit not end the event loop."""
    try:
        return await result
    except SystemExit:
        problem = "SystemExit was raised"
    raise VaultConfigError(problem)


def _name_of(function: object) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name} ({function.__module__}:{code.co_firstlineno})"


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that the calling code runs on, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_one(kind: Callable[[object], bool], function: object) -> bool:
    """Whether *function*, or that which an object or a `partial` calls, is of this *kind*."""
    bare = getattr(function, "func", function)
    return any(map(kind, (function, bare, getattr(bare, "__call__", None))))  # noqa: B004
