"""Whether and when to try again, by ScaiVault's table of error codes. Does no I/O but the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from vaultconfig.client.codes import Retry
from vaultconfig.client.deadline import Deadline
from vaultconfig.client.failures import Failure
from vaultconfig.log import CLIENT, say

K = TypeVar("K")
T = TypeVar("T")

FIRST_WAIT = 0.2  # seconds; the most for the first, doubling
LONGEST_WAIT = 5.0
SILENCE = 2.0  # seconds that a call may go on after a failure without a word
MOST_TRIES = 100  # far more than fit into any sensible deadline


@dataclass(frozen=True, slots=True)
class Terms:
    """How far one call may go.

    Attributes:
        deadline: For everything together.
        retry: Whether more than one attempt may be made.
    """

    deadline: Deadline
    retry: bool = True
    _untold: list[None] = field(default_factory=lambda: [None], repr=False)

    def tell(self, failure: Failure) -> None:
        """Log that the call goes on after *failure*: once, and only if it may take a while."""
        left = self.deadline.remaining()
        with suppress(IndexError):
            if left > SILENCE:
                self._untold.pop()
                say(
                    logging.WARNING,
                    "%s; trying again for up to %.0f s",
                    failure.error,
                    left,
                    logger=CLIENT,
                )


@dataclass(frozen=True, slots=True)
class Retries:
    """Attempts at something until it works, may not be tried again, or time is up.

    Attributes:
        sleep: Waits so many seconds.
        random: Gives a number in [0, 1), for full jitter: a fleet spreads out.
    """

    sleep: Callable[[float], None]
    random: Callable[[], float]

    def run(
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
            again = _worth_a_try(outcomes, used_up=used_up, deadline=terms.deadline)
            wait = self._wait(again.values(), tries=tries)
            if not again or wait >= terms.deadline.remaining():
                break
            terms.tell(next(iter(again.values())))
            used_up.update(key for key in again if again[key].retry is Retry.ONCE)
            self.sleep(wait)
            outcomes.update(attempt(tuple(again)))
        return outcomes

    def _wait(self, failures: Collection[Failure], *, tries: int) -> float:
        asked = max((failure.retry_after or 0.0 for failure in failures), default=0.0)
        return asked + self.random() * min(LONGEST_WAIT, FIRST_WAIT * 2.0**tries)


def _worth_a_try(
    outcomes: Mapping[K, T | Failure], *, used_up: Collection[K], deadline: Deadline
) -> dict[K, Failure]:
    left = deadline.remaining()
    return {
        key: outcome
        for key, outcome in outcomes.items()
        if isinstance(outcome, Failure)
        and outcome.retry is not Retry.NEVER
        and not (outcome.retry is Retry.ONCE and key in used_up)
        and (outcome.retry_after or 0.0) < left
    }
