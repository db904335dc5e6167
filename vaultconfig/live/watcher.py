"""Subscribes to the vault's events about changes, where it has any.

It only says what has to be read again and when; the ttl stays as the safety net.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from vaultconfig.errors import RateLimitedError, VaultConfigError, VaultUnavailableError
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.schedule import asked_pause, backoff
from vaultconfig.live.worker import Worker
from vaultconfig.loading.descriptions import described
from vaultconfig.log import say

if TYPE_CHECKING:
    from vaultconfig.client.subscriptions import Event, Subscription

POLL: Final = 30.0
"""Seconds that a poll waits for news; the vault allows 60."""

SPREAD: Final = 0.5
"""Seconds over which a fleet spreads its reads of what has changed."""

PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds after a poll that came back early, doubling with each in a row: the vault allows an
identity 240 polls a minute."""

EARLY: Final = 1.0
"""Seconds; a poll that takes less has not waited for its news."""

ATTEMPT_EVERY: Final = 60.0
"""Seconds between attempts to subscribe: the vault allows an identity 20 operations a minute."""

ACKNOWLEDGE_EVERY: Final = 300.0
"""Seconds between acknowledgements, which count as such operations, too."""

_REMEMBERED: Final = 1000  # events of a subscription, to know those that come again

TTLS_BEFORE_ANOTHER_TRY: Final = 3


class Watcher:
    """Subscribes to the secrets of one settings object, and hastens their refresh.

    Args:
        refresher: Of the settings; it is told which secrets have changed.
        seams: Clock and randomness.

    Attributes:
        worker: Takes the steps of *refresher*.
    """

    worker: Worker | None = None

    def __init__(self, refresher: Refresher[Any], seams: Seams) -> None:
        self._refresher = refresher
        self._seams = seams
        self._subscription: Subscription | None = None
        self._paths: frozenset[str] = frozenset()
        self._next_attempt_at = -math.inf
        self._failures = self._early_polls = 0
        self._may_have_missed = False
        self._announced: dict[str, int] = {}
        self._is_ending = False
        self._has_told = False
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        self._unacknowledged: deque[str] = deque(maxlen=_REMEMBERED)
        self._acknowledged_at = seams.clock()
        self._thread = Worker(self._step, name="watch", clock=seams.clock)

    @property
    def is_alive(self) -> bool:
        """Whether its thread is running."""
        return self._thread.is_alive

    def end(self) -> None:
        """Unsubscribe, and end a poll that is waiting; takes half a second at most."""
        self._is_ending = True
        self._thread.end()
        self._unsubscribe()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, for *timeout* seconds at most."""
        self._thread.join(timeout)

    def _step(self) -> float:
        """Subscribe, or wait for news; return how many seconds to wait before the next step."""
        try:
            if self._subscription is None or self._paths != self._refresher.paths():
                left = self._next_attempt_at - self._seams.clock()
                if left > 0 and self._subscription is None:
                    return left
                if left <= 0:
                    self._subscribe()
            return self._poll()
        except VaultConfigError as error:
            return math.inf if self._is_ending else self._after(error.with_traceback(None))

    def _subscribe(self) -> None:
        self._unsubscribe()
        self._next_attempt_at = self._seams.clock() + ATTEMPT_EVERY
        vault, paths = self._refresher.vault, self._refresher.paths()
        if vault is not None and paths:
            self._subscription = vault.subscribe(sorted(paths))
            self._paths, self._may_have_missed = paths, True
            self._seen.clear()
            self._unacknowledged.clear()
        if self._is_ending:  # meanwhile, so that `end` has not seen it
            self._unsubscribe()

    def _poll(self) -> float:
        subscription = self._subscription
        if subscription is None:
            return math.inf  # there is nothing to follow
        if self._may_have_missed:
            self._hasten(None)
            self._may_have_missed = False
        began = self._seams.clock()
        events = subscription.poll(POLL, since_event_id=self._seen[-1] if self._seen else None)
        self._failures = 0
        new = [event for event in events if event.event_id not in self._seen]
        self._seen += (event.event_id for event in new)
        if news := self._news(new):
            self._hasten(news)
        self._acknowledge(subscription, events, are_repeated=len(new) < len(events))
        is_early = self._seams.clock() - began < EARLY
        self._early_polls = self._early_polls + 1 if is_early else 0
        if not events and not is_early:
            return 0.0
        return min(PAUSE * 2.0 ** min(self._early_polls, 30), LONGEST_PAUSE)

    def _news(self, events: Iterable[Event]) -> dict[str, int | None]:
        """Return the paths and versions that are not known yet; one rotation may be two events."""
        known = self._refresher.snapshot.versions() | self._announced
        news = {
            event.path: event.version
            for event in events
            if event.path in self._paths
            if event.version is None or event.version != known.get(event.path)
        }
        self._announced |= {path: v for path, v in news.items() if v is not None}
        return news

    def _hasten(self, news: dict[str, int | None] | None) -> None:
        self._refresher.hasten(news, self._seams.clock() + SPREAD * self._seams.random())
        if self.worker is not None:
            self.worker.wake()

    def _acknowledge(
        self, subscription: Subscription, events: Iterable[Event], *, are_repeated: bool
    ) -> None:
        self._unacknowledged += (event.event_id for event in events)
        since = self._seams.clock() - self._acknowledged_at
        # A vault may repeat events until they are acknowledged.
        pause = ATTEMPT_EVERY if are_repeated else ACKNOWLEDGE_EVERY
        if self._unacknowledged and since >= pause:
            self._acknowledged_at = self._seams.clock()
            with suppress(VaultConfigError):  # they come again, which costs a look at their ids
                subscription.ack(list(dict.fromkeys(self._unacknowledged)))
                self._unacknowledged.clear()

    def _after(self, error: VaultConfigError) -> float:
        """Return how many seconds to wait after *error*."""
        self._failures, self._may_have_missed = self._failures + 1, True
        seconds = backoff(self._failures, self._seams.random())
        asked = asked_pause(error)
        if self._subscription is not None:
            if not isinstance(error, VaultUnavailableError):
                self._unsubscribe()  # the vault has forgotten it: subscribe anew, in a while
                self._hasten(None)
            return max(seconds, asked)
        if isinstance(error, VaultUnavailableError) and not isinstance(error, RateLimitedError):
            return max(seconds, ATTEMPT_EVERY)
        if not self._has_told:
            say(
                logging.INFO,
                "changes show after the ttl, because there is no subscription: %s",
                described(error),
            )
            self._has_told = True
        ttls = TTLS_BEFORE_ANOTHER_TRY * self._refresher.shortest_ttl()
        return max(ttls, asked, ATTEMPT_EVERY)

    def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(VaultConfigError):
                subscription.delete(deadline=0.5)
            subscription.close()
