"""Subscriptions: the changes that each asks for, and the events it has not acknowledged.

Pure but for its lock.

An event says that something happened to a path, and never what the values are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vaultconfig.devserver.identities import Identity
from vaultconfig.devserver.paths import matches
from vaultconfig.devserver.problems import ApiError

EVENT_TYPES = (
    "secret.created",
    "secret.updated",
    "secret.rotated",
    "secret.deleted",
    "secret.expiring",
)
DEFAULT_BUFFER = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a secret.

    Attributes:
        number: Counted from 1 over the whole server.
        happened_at: Unix seconds.
        data: Versions, names and dates.
    """

    number: int
    event_type: str
    path: str
    happened_at: float
    data: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """What clients call it."""
        return f"evt_{self.number:012d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a subscription is to be told."""

    name: str
    paths: tuple[str, ...]
    events: tuple[str, ...] = EVENT_TYPES
    buffer_size: int = DEFAULT_BUFFER


@dataclass(slots=True, kw_only=True)
class Subscription:
    """A wish, whose it is, and the events that were not acknowledged, oldest first."""

    subscription_id: str
    owner: Identity
    tenant: str
    wish: Wish
    pending: list[Event] = field(default_factory=list)
    waiting: list[Future[None]] = field(default_factory=list)

    def wants(self, event: Event) -> bool:
        """Whether *event* is one of those wished for."""
        return event.event_type in self.wish.events and any(
            matches(glob, event.path) for glob in self.wish.paths
        )

    def wake(self) -> None:
        """Let the polls that wait look again."""
        waiting, self.waiting = self.waiting, []
        for news in waiting:
            if news.set_running_or_notify_cancel():
                news.set_result(None)


class Subscriptions:
    """All subscriptions of a server.

    Args:
        may_read: Whether an identity may read a path: others are not told of it.
    """

    def __init__(self, may_read: Callable[[Identity, str], bool]) -> None:
        self._may_read = may_read
        self._lock = threading.Lock()
        self._events = 0
        self._created = 0
        self._subscriptions: dict[str, Subscription] = {}

    def create(self, wish: Wish, *, owner: Identity, tenant: str) -> Subscription:
        """Begin to collect what *wish* asks for."""
        with self._lock:
            self._created += 1
            subscription = Subscription(
                subscription_id=f"sub_{self._created}", owner=owner, tenant=tenant, wish=wish
            )
            self._subscriptions[subscription.subscription_id] = subscription
        return subscription

    def delete(self, subscription_id: str, *, owner: Identity) -> None:
        """End a subscription; raise `ApiError` if it is not there, or not the owner's."""
        with self._lock:
            subscription = self._owned(subscription_id, owner)
            del self._subscriptions[subscription_id]
            subscription.wake()

    def ids(self) -> Sequence[str]:
        """Return the ids of those that were not ended, oldest first."""
        with self._lock:
            return tuple(self._subscriptions)

    def lose(self) -> None:
        """End all of them, of every owner; polls that wait end."""
        with self._lock:
            lost, self._subscriptions = self._subscriptions, {}
            for subscription in lost.values():
                subscription.wake()

    def publish(
        self, event_type: str, *, tenant: str, path: str, now: float, data: Mapping[str, Any]
    ) -> None:
        """Add an event to each subscription that asks for it, if its owner may read the path."""
        with self._lock:
            self._events += 1
            event = Event(self._events, event_type, path, now, data)
            for subscription in self._subscriptions.values():
                if subscription.tenant == tenant and self._is_for(subscription, event):
                    subscription.pending.append(event)
                    del subscription.pending[: -subscription.wish.buffer_size]
                    subscription.wake()

    def pending(self, subscription_id: str, *, owner: Identity, since: str = "") -> Sequence[Event]:
        """Return what was not acknowledged and came after the event *since*, oldest first."""
        with self._lock:
            return self._since(self._owned(subscription_id, owner), since)

    def news(self, subscription_id: str, *, owner: Identity, since: str = "") -> Future[None]:
        """Return what is done once `pending` has something to return, now or later."""
        future: Future[None] = Future()
        with self._lock:
            subscription = self._owned(subscription_id, owner)
            polls = [news for news in subscription.waiting if not news.done()]
            subscription.waiting = [*polls, future]
            if self._since(subscription, since):
                subscription.wake()
        return future

    def acknowledge(
        self, subscription_id: str, event_ids: Sequence[str], *, owner: Identity
    ) -> int:
        """Forget these events, and return how many of them were pending."""
        with self._lock:
            subscription = self._owned(subscription_id, owner)
            done = set(event_ids)
            left = [event for event in subscription.pending if event.event_id not in done]
            count = len(subscription.pending) - len(left)
            subscription.pending = left
        return count

    def _owned(self, subscription_id: str, owner: Identity) -> Subscription:
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            raise ApiError("subscription_not_found", "there is no such subscription")
        if subscription.owner.identity_id != owner.identity_id:
            raise ApiError("access_denied", "the subscription belongs to another identity")
        return subscription

    def _is_for(self, subscription: Subscription, event: Event) -> bool:
        return subscription.wants(event) and self._may_read(subscription.owner, event.path)

    @staticmethod
    def _since(subscription: Subscription, since: str) -> list[Event]:
        return [event for event in subscription.pending if event.event_id > since]
