"""Background threads. Only `end`, or the end of its owner, ends one."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakMethod

from vaultconfig.errors import ConfigurationError
from vaultconfig.live.schedule import backoff
from vaultconfig.log import say

_LONGEST_WAIT = 60.0  # seconds; a wait does not go on while the machine sleeps, our clock does

_SimpleQueue = queue.SimpleQueue


class OurThread(threading.Thread):
    """A thread that does not hold up the end of the process; a read in it waits for nothing."""

    def __init__(self, target: Callable[[], object], *, name: str) -> None:
        super().__init__(target=target, name=f"vaultconfig-{name}", daemon=True)


def in_our_thread() -> bool:
    """Whether the calling code runs in such a thread."""
    return isinstance(threading.current_thread(), OurThread)


def reject_late_patches() -> None:
    """Reject a process that gevent or eventlet has patched after we were imported.

    Its threads are greenlets of one thread then, and our locks and queues block them all.

    Raises:
        ConfigurationError: It is patched, as under ``gunicorn -k gevent --preload``.
    """
    eventlet = sys.modules.get("eventlet.patcher")
    if queue.SimpleQueue is not _SimpleQueue or (eventlet and eventlet.is_monkey_patched("socket")):
        raise ConfigurationError(
            "live settings can't run in a process that eventlet patches, or that gevent patches"
            " after vaultconfig was imported, as gunicorn does with --preload: leave out --preload,"
            " or use gunicorn's worker class gthread"
        )


class Worker:
    """Calls *step* again and again, each time after as many seconds as it returned.

    A step that raises, whatever it is, is logged and taken again after a backoff.

    Args:
        step: A method of an object that this thread does not keep alive.
        name: Of the thread.
        clock: Seconds that only grow.
    """

    def __init__(self, step: Callable[[], float], *, name: str, clock: Callable[[], float]) -> None:
        # Not an Event: a weak reference may die while this very thread holds the Event's lock.
        wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._wakes = wakes
        self._clock = clock
        self._is_ending = False
        self._step = WeakMethod(step, lambda _: wakes.put(None))
        self._thread = OurThread(self._run, name=name)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether steps are still taken."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Have the next step taken now, or another one after the one that is under way."""
        if self._wakes.empty():
            self._wakes.put(None)

    def end(self) -> None:
        """Take no further step; the one under way goes on."""
        self._is_ending = True
        self._wakes.put(None)

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, unless it is this one, for *timeout* seconds at most."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        crashes = 0
        while not self._is_ending:
            step = self._step()
            if step is None:
                return
            try:
                seconds, crashes = step(), 0
            except BaseException as error:
                crashes += 1
                seconds = backoff(crashes, 1.0)
                # Not its message, which may quote a value.
                say(
                    logging.ERROR,
                    "%s escaped in the thread %s, which goes on in %.0f s",
                    type(error).__name__,
                    self._thread.name,
                    seconds,
                )
            del step
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            with suppress(queue.Empty):
                self._wakes.get(timeout=min(left, _LONGEST_WAIT))
                break
