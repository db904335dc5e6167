"""Follows the vault's own announcements of changes, where it makes any.

It only says what has to be read again and when; the ttl stays as the safety net.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from vaultconfig.errors import RateLimitedError, VaultConfigError, VaultUnavailableError
from vaultconfig.live.health import describe
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.schedule import backoff
from vaultconfig.live.worker import Worker

if TYPE_CHECKING:
    from vaultconfig.client.subscriptions import Event, Subscription

logger = logging.getLogger("vaultconfig")

POLL: Final = 30.0
"""Seconds that a poll waits for news; the vault allows 60."""

SPREAD: Final = 0.5
"""Seconds over which a fleet spreads its reads of what has changed."""

PAUSE: Final = 0.25
"""Seconds between a poll with news and the next, for the vault's 240 polls a minute."""

ACKNOWLEDGE_EVERY: Final = 300.0
"""Seconds between acknowledgements: they share 20 operations a minute with the whole fleet."""

TTLS_BEFORE_ANOTHER_TRY: Final = 3


class Watcher:
    """Subscribes to the secrets of one settings object, and hastens their refresh.

    Args:
        refresher: Whose secrets; it is told what has changed.
        worker: Takes the steps of *refresher*.
        seams: Clock and randomness.
    """

    def __init__(self, refresher: Refresher[Any], worker: Worker, seams: Seams) -> None:
        self._refresher = refresher
        self._worker = worker
        self._seams = seams
        self._subscription: Subscription | None = None
        self._paths: frozenset[str] = frozenset()
        self._failures = 0
        self._may_have_missed = False
        self._announced: dict[str, int] = {}
        self._is_ending = False
        self._has_told = False
        self._since: str | None = None
        self._unacknowledged: list[str] = []
        self._acknowledged_at = seams.clock()
        self._thread = Worker(self._step, name="vaultconfig-watch")

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
                self._subscribe()
            return self._poll()
        except VaultConfigError as error:
            return math.inf if self._is_ending else self._after(error.with_traceback(None))

    def _subscribe(self) -> None:
        self._unsubscribe()
        vault, paths = self._refresher.vault, self._refresher.paths()
        if vault is not None and paths:
            self._subscription = vault.subscribe(sorted(paths))
            self._paths, self._since, self._may_have_missed = paths, None, True
        if self._is_ending:  # since we asked, so that `end` has not seen it
            self._unsubscribe()

    def _poll(self) -> float:
        subscription = self._subscription
        if subscription is None:
            return math.inf  # there is nothing to follow
        if self._may_have_missed:
            self._hasten(None)
            self._may_have_missed = False
        events = subscription.poll(POLL, since_event_id=self._since)
        self._failures = 0
        if not events:
            return 0.0
        self._since = events[-1].event_id
        self._hasten(self._news(events))
        self._acknowledge(subscription, events)
        return PAUSE

    def _news(self, events: Iterable[Event]) -> set[str]:
        """Return the paths with versions that are new to us; one rotation may be two events."""
        known = self._refresher.snapshot.versions() | self._announced
        news = [
            event
            for event in events
            if event.version is None or event.version != known.get(event.path)
        ]
        self._announced |= {
            event.path: event.version for event in news if event.version is not None
        }
        return {event.path for event in news}

    def _hasten(self, paths: set[str] | None) -> None:
        if paths is None or paths:
            self._refresher.hasten(paths, self._seams.clock() + SPREAD * self._seams.random())
            self._worker.wake()

    def _acknowledge(self, subscription: Subscription, events: Iterable[Event]) -> None:
        self._unacknowledged += [event.event_id for event in events]
        if self._seams.clock() - self._acknowledged_at >= ACKNOWLEDGE_EVERY:
            self._acknowledged_at = self._seams.clock()
            subscription.ack(self._unacknowledged)
            self._unacknowledged.clear()

    def _after(self, error: VaultConfigError) -> float:
        """Return how many seconds to wait after *error*."""
        self._failures, self._may_have_missed = self._failures + 1, True
        seconds = backoff(self._failures, self._seams.random())
        asked = error.retry_after or 0.0 if isinstance(error, RateLimitedError) else 0.0
        if self._subscription is not None:
            if not isinstance(error, VaultUnavailableError):
                self._unsubscribe()  # the vault has forgotten it: subscribe anew
            return max(seconds, asked)
        if isinstance(error, VaultUnavailableError) and not isinstance(error, RateLimitedError):
            return seconds
        if not self._has_told:
            logger.info(
                "changes show after the ttl, without news from the vault: %s", describe(error)
            )
            self._has_told = True
        return max(TTLS_BEFORE_ANOTHER_TRY * self._refresher.shortest_ttl(), asked)

    def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(VaultConfigError):
                subscription.delete(deadline=0.5)
            subscription.close()
