"""The thread that keeps settings fresh. It ends by itself when nobody has the settings any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from weakref import WeakMethod

_LONGEST_WAIT = 3600.0  # seconds; the system's own limit is not much longer on some


class Worker:
    """Calls *step* again and again, each time after as many seconds as it returned.

    Args:
        step: A method of an object that this thread does not keep alive.
        name: Of the thread.
    """

    def __init__(self, step: Callable[[], float], *, name: str) -> None:
        # Not an Event: a weak reference may die while this very thread holds the Event's lock.
        wakes: SimpleQueue[None] = SimpleQueue()
        self._wakes = wakes
        self._is_ending = False
        self._step = WeakMethod(step, lambda _: wakes.put(None))
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the next step taken now."""
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
        while not self._is_ending:
            step = self._step()
            if step is None:
                return
            seconds = step()
            del step
            with suppress(Empty):
                self._wakes.get(timeout=min(seconds, _LONGEST_WAIT))
