"""Subscriptions: the changes that each asks for, and the events it has not acknowledged.

Pure but for its lock. An event says that something happened to a path, and never what the
values are.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vaultconfig.devserver.answers import ApiError, timestamp
from vaultconfig.devserver.bodies import EventType, NewSubscription
from vaultconfig.devserver.contents import Place
from vaultconfig.devserver.identities import Identities, Identity
from vaultconfig.devserver.paths import matches


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Something that happened to a secret, as a poll shows it.

    Attributes:
        event_id: Later ones are greater.
        data: Versions, names and dates.
    """

    event_id: str
    event_type: EventType
    timestamp: str | None
    path: str
    data: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Feed:
    """A subscription: what it asks for, whose it is, and the events not acknowledged, oldest first.

    Attributes:
        waiting: One for each poll that waits.
    """

    owner: Identity
    tenant: str
    terms: NewSubscription
    pending: list[ChangeEvent] = field(default_factory=list)
    waiting: list[Future[None]] = field(default_factory=list)

    def after(self, event_id: str) -> list[ChangeEvent]:
        """Return the events that came after this one."""
        return [event for event in self.pending if event.event_id > event_id]

    def wake(self) -> None:
        """Let the polls that wait look again."""
        waiting, self.waiting = self.waiting, []
        for news in waiting:  # in another thread, so that one may be cancelled at this moment
            if news.set_running_or_notify_cancel():
                news.set_result(None)


class Subscriptions:
    """All subscriptions of a server; *identities* say which paths an owner may hear of."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._lock = threading.Lock()
        self._created, self._published = itertools.count(1), itertools.count(1)
        self._subscriptions: dict[str, Feed] = {}

    def create(self, terms: NewSubscription, *, owner: Identity, tenant: str) -> str:
        """Begin to collect what *terms* ask for, and return the subscription's id."""
        with self._lock:
            subscription_id = f"sub_{next(self._created)}"
            self._subscriptions[subscription_id] = Feed(owner=owner, tenant=tenant, terms=terms)
        return subscription_id

    def delete(self, subscription_id: str, *, owner: Identity) -> None:
        """End a subscription; raise `ApiError` if it is not there, or not the owner's."""
        with self._lock:
            self._owned(subscription_id, owner).wake()
            del self._subscriptions[subscription_id]

    def ids(self) -> Sequence[str]:
        """Return the ids of those that were not ended, oldest first."""
        with self._lock:
            return tuple(self._subscriptions)

    def lose(self) -> None:
        """End all of them, of every owner; polls that wait end."""
        with self._lock:
            for feed in self._subscriptions.values():
                feed.wake()
            self._subscriptions.clear()

    def publish(
        self, event_type: EventType, place: Place, *, now: float, data: dict[str, Any]
    ) -> None:
        """Add an event to each subscription that asks for it, if its owner may read the path."""
        tenant, path = place
        with self._lock:
            event_id = f"evt_{next(self._published):012d}"
            event = ChangeEvent(event_id, event_type, timestamp(now), path, data)
            for feed in self._subscriptions.values():
                if (
                    feed.tenant == tenant
                    and event_type in feed.terms.events
                    and any(matches(glob, path) for glob in feed.terms.paths)
                    and self._identities.allows(feed.owner.read, path)
                ):
                    feed.pending.append(event)
                    del feed.pending[: -feed.terms.delivery.buffer_size]
                    feed.wake()

    def pending(
        self, subscription_id: str, *, owner: Identity, since: str
    ) -> Sequence[ChangeEvent]:
        """Return what was not acknowledged and came after the event *since*, oldest first."""
        with self._lock:
            return self._owned(subscription_id, owner).after(since)

    def news(self, subscription_id: str, *, owner: Identity, since: str) -> Future[None]:
        """Return what is done once `pending` has something to return, now or later."""
        future: Future[None] = Future()
        with self._lock:
            feed = self._owned(subscription_id, owner)
            # A poll that timed out has cancelled its own.
            feed.waiting = [*(news for news in feed.waiting if not news.done()), future]
            if feed.after(since):
                feed.wake()
        return future

    def acknowledge(
        self, subscription_id: str, event_ids: Sequence[str], *, owner: Identity
    ) -> int:
        """Forget these events, and return how many of them were pending."""
        with self._lock:
            feed = self._owned(subscription_id, owner)
            done, before = set(event_ids), len(feed.pending)
            feed.pending = [event for event in feed.pending if event.event_id not in done]
            return before - len(feed.pending)

    def _owned(self, subscription_id: str, owner: Identity) -> Feed:
        feed = self._subscriptions.get(subscription_id)
        if feed is None:
            raise ApiError("subscription_not_found", "there is no such subscription")
        if feed.owner.identity_id != owner.identity_id:
            raise ApiError("access_denied", "the subscription belongs to another identity")
        return feed
