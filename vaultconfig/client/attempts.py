"""How often and how long one call may try: its deadline, and when it is sent again.

Does no I/O but the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TypeVar

from vaultconfig.client.codes import Retry
from vaultconfig.client.failures import Failure
from vaultconfig.log import CLIENT, say

K = TypeVar("K")
T = TypeVar("T")

LONGEST_DEADLINE = 86_400.0  # seconds; sockets and locks overflow on infinity
FIRST_WAIT = 0.2  # seconds; the most for the first, doubling
LONGEST_WAIT = 5.0
SILENCE = 2.0  # seconds that a call may go on after a failure in silence
MOST_TRIES = 100  # far more than fit into any sensible deadline


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
        self = super().__new__(cls, min(seconds, LONGEST_DEADLINE))
        self._clock = clock
        self._end = clock() + self
        return self

    def end(self) -> None:
        """Leave nothing of it, so that what runs under it stops at its next step."""
        self._end = self._clock()

    def remaining(self) -> float:
        """Return the seconds that are left; zero or less when it has passed."""
        return self._end - self._clock()


@dataclass(frozen=True, slots=True)
class Terms:
    """How far one call may go.

    Attributes:
        deadline: For everything together.
        retry: Whether more than one attempt may be made.
    """

    deadline: Deadline
    retry: bool = True
    _untold: list[None] = field(default_factory=lambda: [None])

    def tell(self, failure: Failure) -> None:
        """Log that the call goes on after *failure*: once, and only if it may take a while."""
        left = self.deadline.remaining()
        with suppress(IndexError):  # told already, perhaps by another thread of the same call
            if left > SILENCE:
                self._untold.pop()
                text = "%s; trying again for up to %.0f s"
                say(logging.WARNING, text, failure.error, left, logger=CLIENT)


@dataclass(frozen=True, slots=True)
class Retries:
    """Attempts at something until it works, may not be tried again, or time is up.

    Attributes:
        sleep: Waits so many seconds.
        random: Gives a number in [0, 1), for full jitter: a fleet spreads out.
    """

    sleep: Callable[[float], None]
    random: Callable[[], float]

    def once(self, attempt: Callable[[], T | Failure], *, terms: Terms) -> T | Failure:
        """Return what *attempt*, which is about one thing, gave in the end."""

        def keyed(_keys: Collection[None]) -> Mapping[None, T | Failure]:
            return {None: attempt()}

        return self.many(keyed, keys=[None], terms=terms)[None]

    def many(
        self,
        attempt: Callable[[Collection[K]], Mapping[K, T | Failure]],
        *,
        keys: Collection[K],
        terms: Terms,
    ) -> dict[K, T | Failure]:
        """Return what *attempt* gave for each of *keys*; what failed is asked for again alone."""
        outcomes = dict(attempt(keys))
        used_up: set[K] = set()  # those that have had the one more try that they get
        for tries in range(MOST_TRIES if terms.retry else 0):
            left = terms.deadline.remaining()
            again = {
                key: outcome
                for key, outcome in outcomes.items()
                if isinstance(outcome, Failure)
                and outcome.retry is not Retry.NEVER
                and not (outcome.retry is Retry.ONCE and key in used_up)
                and (outcome.retry_after or 0.0) < left  # what has to wait longer holds up no other
            }
            asked = max((failure.retry_after or 0.0 for failure in again.values()), default=0.0)
            wait = asked + self.random() * min(LONGEST_WAIT, FIRST_WAIT * 2.0**tries)
            if not again or wait >= left:
                break
            terms.tell(next(iter(again.values())))
            used_up.update(key for key, failure in again.items() if failure.retry is Retry.ONCE)
            self.sleep(wait)
            outcomes.update(attempt(tuple(again)))
        return outcomes
