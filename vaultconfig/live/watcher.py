"""Subscribes to the vault's events about changes, where it has any.

It only says what has to be read again and when; the ttl stays as the safety net. Of the processes
that share a store one does so for all: see `leading`.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from vaultconfig.errors import (
    AuthenticationError,
    RateLimitedError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.live.leading import Alone, Lead, Progress, Shared
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.schedule import asked_pause, backoff
from vaultconfig.live.worker import Worker
from vaultconfig.loading.descriptions import described
from vaultconfig.log import say
from vaultconfig.store.entries import SAME

if TYPE_CHECKING:
    from vaultconfig.client.subscriptions import Event, Subscription

LOOK_AGAIN: Final = 1.5
"""Seconds between two looks whether another process still leads."""

PAUSE: Final = 0.25
"""Seconds after a poll that came back early, doubling with each in a row."""

EARLY: Final = 1.0
"""Seconds; a poll that takes less has not waited for its news."""

ATTEMPT_EVERY: Final = 60.0
"""Seconds between attempts to subscribe: the vault allows an identity 20 operations a minute."""

ACKNOWLEDGE_EVERY: Final = 300.0
"""Seconds between acknowledgements, which count as such operations, too."""

_REMEMBERED: Final = 1000  # events of a subscription, to know those that come again

TTLS_BEFORE_ANOTHER_TRY: Final = 3

FAILURES_BEFORE_TOLD: Final = 3
"""In a row; fewer are nothing to tell, such as a vault that restarts."""


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
        store, clock = refresher.store, seams.clock
        self._lead: Lead = Alone(clock) if store is None else Shared(store, clock)
        self._progress = Progress()
        self._subscription: Subscription | None = None
        self._paths: frozenset[str] = frozenset()
        self._failures = self._early_polls = 0
        self._may_have_missed = False
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
        """Unsubscribe or let another process lead, and end a poll; takes half a second at most."""
        self._is_ending = True
        self._thread.end()
        self._lead.leave()
        self._unsubscribe()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, for *timeout* seconds at most."""
        self._thread.join(timeout)

    def _step(self) -> float:
        """Subscribe, or wait for news; return how many seconds to wait before the next step."""
        if self._failures and self._refresher.is_away:
            return LOOK_AGAIN  # one of both is enough to find out when the vault is back
        try:
            if not self._takes_lead():
                return LOOK_AGAIN
            if self._subscription is None or self._paths != self._refresher.paths():
                left = self._progress.next_attempt_at - self._lead.clock()
                if left > 0 and self._subscription is None:
                    return min(left, self._lead.poll)  # and keep the lead, so that no other tries
                if left <= 0:
                    self._subscribe()
            if self._subscription is None:
                return LOOK_AGAIN if self._refresher.paths() else math.inf
            return self._poll(self._subscription)
        except VaultConfigError as error:
            return math.inf if self._is_ending else self._after(error.with_traceback(None))

    def _takes_lead(self) -> bool:
        """Lead, if no other process does, and go on where the last leader has stopped."""
        paths = self._refresher.paths()
        is_ours = self._lead.take(paths)
        if self._is_ending:  # meanwhile, so that `end` has not seen it
            self._lead.leave()
        if not is_ours or self._is_ending:
            self._unsubscribe()
            self._progress = Progress()
            return False
        saved, before = self._lead.load(), self._progress
        if saved is None:  # there was no leader, or the store has lost it
            self._lead.save(before)
            return True
        self._progress = saved
        vault, subscription_id = self._refresher.vault, saved.subscription_id
        if subscription_id != before.subscription_id:
            self._unsubscribe()
            if vault is not None and subscription_id is not None:
                self._follow(vault.subscription(subscription_id), paths)
        for path, (version, at) in self._announced().items():
            if before.announced.get(path) != (version, at):  # to another leader
                # That one may have read it right then.
                self._hasten({path: version}, ago=self._lead.clock() - at + SAME)
        return True

    def _subscribe(self) -> None:
        self._unsubscribe()
        vault, paths = self._refresher.vault, self._refresher.paths()
        self._note(Progress(next_attempt_at=self._lead.clock() + ATTEMPT_EVERY))
        if vault is None or not paths:
            return
        self._follow(vault.subscribe(sorted(paths)), paths)
        self._may_have_missed = True
        if self._is_ending or self._lead.is_lost:  # meanwhile: no other process knows of it
            self._unsubscribe(is_known=False)
        elif self._subscription is not None:
            now = self._lead.clock()
            self._note(
                self._progress._replace(
                    subscription_id=self._subscription.subscription_id,
                    announced=dict.fromkeys(paths, (None, now)),
                )
            )

    def _follow(self, subscription: Subscription, paths: frozenset[str]) -> None:
        self._subscription, self._paths = subscription, paths
        self._seen.clear()
        self._unacknowledged.clear()

    def _poll(self, subscription: Subscription) -> float:
        if self._may_have_missed:
            self._hasten(None)
            self._may_have_missed = False
        began = self._seams.clock()
        events = subscription.poll(self._lead.poll, since_event_id=self._progress.last_event)
        if self._lead.is_lost:  # this process was stopped meanwhile: the next leader has them, too
            return 0.0
        self._failures, self._has_told = 0, False
        new = [event for event in events if event.event_id not in self._seen]
        self._seen += (event.event_id for event in new)
        news = self._news(new)
        if new:  # noted before they are read: should this process die now, the next leader reads
            now = self._lead.clock()
            heard = {path: (version, now) for path, version in news.items()}
            self._note(
                self._progress._replace(
                    last_event=new[-1].event_id, announced=self._announced() | heard
                )
            )
        if news:
            self._hasten(news)
        self._acknowledge(subscription, events, are_repeated=len(new) < len(events))
        is_early = self._seams.clock() - began < EARLY
        self._early_polls = self._early_polls + 1 if is_early else 0
        if not events and not is_early:
            return 0.0
        return min(PAUSE * 2.0 ** min(self._early_polls, 30), self._lead.longest_pause)

    def _note(self, progress: Progress) -> None:
        self._progress = progress
        self._lead.save(progress)

    def _news(self, events: Iterable[Event]) -> dict[str, int | None]:
        """Return the paths and newest versions that are not known yet.

        One rotation may be two events. What could not be read has no version that is known: it may
        come back with the one of before.
        """
        known = self._refresher.versions_read()
        announced = self._announced().items()
        known |= {path: version for path, (version, _) in announced if version and path in known}
        news: dict[str, int | None] = {}
        for event in events:
            path, version = event.path, event.version
            if path not in self._paths or (version is not None and version == known.get(path)):
                continue
            newest = max(version or 0, news.get(path) or 0) or None
            news[path] = None if event.is_deletion else newest
        return news

    def _announced(self) -> dict[str, tuple[int | None, float]]:
        """Return what may not have been read since it was announced; after a ttl it was."""
        oldest = self._lead.clock() - self._refresher.shortest_ttl()
        announced = self._progress.announced.items()
        return {path: (version, at) for path, (version, at) in announced if at > oldest}

    def _hasten(self, news: Mapping[str, int | None] | None, *, ago: float = 0.0) -> None:
        now, spread = self._seams.clock(), self._lead.spread * self._seams.random()
        self._refresher.hasten(news, now + spread, since=now - ago)
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
        if self._failures >= FAILURES_BEFORE_TOLD:
            self._tell(error)
        if isinstance(error, AuthenticationError):
            self._lead.bar()
        if self._subscription is not None:
            if not isinstance(error, VaultUnavailableError):
                # The vault has forgotten it, or it is another identity's: subscribe anew, later.
                self._unsubscribe()
                self._note_unless_lost(subscription_id=None, last_event=None)
                self._hasten(None)
            return max(seconds, asked)
        if isinstance(error, VaultUnavailableError) and not isinstance(error, RateLimitedError):
            pause = max(seconds, ATTEMPT_EVERY)
        else:
            self._tell(error)
            ttls = TTLS_BEFORE_ANOTHER_TRY * self._refresher.shortest_ttl()
            pause = max(ttls, asked, ATTEMPT_EVERY)
        tried_at = self._progress.next_attempt_at - ATTEMPT_EVERY
        self._note_unless_lost(next_attempt_at=tried_at + pause)
        return min(pause, self._lead.poll)

    def _tell(self, error: VaultConfigError) -> None:
        if not self._has_told:
            self._has_told = True
            say(
                logging.INFO,
                "changes show after the ttl, because events can't be read: %s"
                if self._subscription is not None
                else "changes show after the ttl, because there is no subscription: %s",
                described(error),
            )

    def _note_unless_lost(self, **changes: Any) -> None:
        if not self._lead.is_lost:
            self._note(self._progress._replace(**changes))

    def _unsubscribe(self, *, is_known: bool = True) -> None:
        """Leave the subscription to other processes that know of it, or delete it."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            if not (self._lead.is_shared and is_known):
                with suppress(VaultConfigError):
                    subscription.delete(deadline=0.5)
            subscription.close()
