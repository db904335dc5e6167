"""Waiting for another thread without a lock, which a signal or a fork could leave locked."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Latch:
    """Opens once, and lets every waiting thread through.

    Not an Event: a signal's handler that waits for one, while its thread is inside the lock that
    an Event has, waits for its own thread.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._waiting: list[SimpleQueue[None]] = []

    def open(self) -> None:
        """Let every thread through, now and from now on."""
        self._is_open = True
        for each in self._waiting.copy():
            each.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait until it opens, for *seconds* at most; return whether it is open."""
        mine: SimpleQueue[None] = SimpleQueue()
        self._waiting.append(mine)  # before the look, as open() does the reverse
        if not self._is_open:
            with suppress(Empty):
                mine.get(timeout=max(seconds, 0.0))
        return self._is_open
