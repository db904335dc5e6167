"""The time that a whole call may take, from its first lock to the last byte of its answer. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

LONGEST = 86_400.0  # seconds; sockets and locks overflow on infinity


class Deadline(float):
    """Seconds from now, and what is left of them.

    A float, since httpcore hands the time-outs that it is given through to every socket
    operation as they are; there `remaining` turns it into a time-out for that operation alone.
    """

    __slots__ = ("_clock", "_end")

    _clock: Callable[[], float]
    _end: float

    def __new__(cls, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Self:
        """Start counting."""
        self = super().__new__(cls, min(seconds, LONGEST))
        self._clock = clock
        self._end = clock() + self
        return self

    def end(self) -> None:
        """Leave nothing of it, so that what runs under it stops at its next step."""
        self._end = self._clock()

    def remaining(self) -> float:
        """Return the seconds that are left; zero or less when it has passed."""
        return self._end - self._clock()
