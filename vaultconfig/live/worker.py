"""The thread that keeps settings fresh. It ends by itself when nobody has the settings any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from weakref import WeakMethod

_LONGEST_WAIT = 3600.0  # seconds; the system's own limit is not much longer on some


class Worker:
    """Calls *step* again and again, each time after as many seconds as it returned.

    Args:
        step: A method of an object that this thread does not keep alive.
        name: Of the thread.
    """

    def __init__(self, step: Callable[[], float], *, name: str) -> None:
        self._wake = threading.Event()
        self._is_ending = False
        # No reference to ourselves in the thread either, but for what it waits on.
        wake = self._wake
        self._step = WeakMethod(step, lambda _: wake.set())
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the next step taken now."""
        self._wake.set()

    def end(self) -> None:
        """Take no further step; the one under way goes on."""
        self._is_ending = True
        self._wake.set()

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
            self._wake.wait(min(seconds, _LONGEST_WAIT))
            self._wake.clear()
