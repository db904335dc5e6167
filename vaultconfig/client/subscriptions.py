"""Events about changed secrets, by long polls; never their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from vaultconfig.client.answer import Answer, text
from vaultconfig.client.attempts import Deadline
from vaultconfig.client.failures import Failure, failure_of_subscription
from vaultconfig.client.protocol import Request
from vaultconfig.client.wire import Wire
from vaultconfig.errors import ConfigurationError

T = TypeVar("T")

_DELETED = "secret.deleted"
EVENTS = ("secret.created", "secret.updated", "secret.rotated", _DELETED)
LONGEST_POLL = 60.0  # seconds, as ScaiVault allows
MARGIN = 10.0  # seconds beyond a poll's own, for connecting, a token, and the answer's way
MOST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a secret.

    Attributes:
        event_id: For `Subscription.ack`, and to go on after it.
        event_type: Such as ``secret.updated``.
        path: The secret's.
        version: The new one, if there is one, which a deletion has not. One rotation may come as
            two events: path and version tell that they are one.
    """

    event_id: str
    event_type: str
    path: str
    version: int | None = None

    @property
    def is_deletion(self) -> bool:
        """Whether the secret is gone."""
        return self.event_type == _DELETED


class Subscription:
    """A place where the vault keeps events for us, until we have acknowledged them.

    It has connections of its own, so that a poll that waits holds up no other call. Polls come from
    one thread; every other method may be called meanwhile from another.

    Attributes:
        subscription_id: For `VaultClient.subscription`, by which another process goes on with it.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        subscription_id: str,
        name: str,
        deadline: Callable[[float | None], Deadline],
    ) -> None:
        self.subscription_id = subscription_id
        self._wire = wire
        self._target = f"/v1/subscriptions/{quote(subscription_id, safe='')}"
        self._name = name
        self._deadline = deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def poll(
        self, timeout: float = LONGEST_POLL, *, since_event_id: str | None = None
    ) -> tuple[Event, ...]:
        """Wait for events, and return those there are, up to 100; an empty tuple after *timeout*.

        It is one attempt: a caller that polls on decides how long to wait after a failure.

        Args:
            timeout: Seconds, up to 60.
            since_event_id: Leave out this one and those before it.

        Raises:
            ConfigurationError: It has been closed, meanwhile perhaps, or *timeout* is too long.
            AuthenticationError: The vault rejects the credentials.
            AccessDeniedError: The subscription belongs to another identity.
            VaultUnavailableError: No usable answer in time.
            ResponseError: The vault does not know the subscription, or breaks its protocol.
        """
        if not 0 <= timeout <= LONGEST_POLL:
            raise ConfigurationError(f"a poll takes 0 to {LONGEST_POLL:g} seconds, not {timeout}")
        query = {"timeout": f"{timeout:g}", "max_events": str(MOST_EVENTS)}
        if since_event_id is not None:
            query["since_event_id"] = since_event_id
        request = Request("poll", "GET", f"{self._target}/poll?{urlencode(query)}")
        return self._send(request, self._events_in, seconds=timeout + MARGIN)

    def ack(self, event_ids: Collection[str]) -> None:
        """Acknowledge events, which come again otherwise; the vault allows 20 calls a minute.

        Raises:
            VaultConfigError: As for `poll`.
        """
        body = json.dumps({"event_ids": [*event_ids]}).encode()
        self._send(Request("ack", "POST", f"{self._target}/ack", body), self._nothing_in)

    def delete(self, *, deadline: float | None = None) -> None:
        """Let the vault forget the subscription.

        Args:
            deadline: Seconds, instead of the client's.

        Raises:
            VaultConfigError: As for `poll`.
        """
        self._send(
            Request("unsubscribe", "DELETE", self._target), self._nothing_in, seconds=deadline
        )

    def close(self) -> None:
        """Close the connections; a poll that is waiting ends at once, with a ConfigurationError."""
        self._wire.close()

    def _send(
        self,
        request: Request,
        decode: Callable[[Answer], T | Failure],
        *,
        seconds: float | None = None,
    ) -> T:
        outcome = self._wire.send(request, decode, self._deadline(seconds))
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    def _events_in(self, answer: Answer) -> tuple[Event, ...] | Failure:
        if answer.status == 204:  # there was no news
            return ()
        if answer.status != 200:
            return failure_of_subscription(answer.report(), name=self._name)
        payload = answer.json()
        events = payload.get("events")
        if events is None and "events" in payload:  # as Go writes an empty list
            return ()
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise answer.broken("about a subscription", "does not contain 'events'")
        return tuple(_event(event, answer=answer) for event in events)

    def _nothing_in(self, answer: Answer) -> Failure | None:
        if answer.status in (200, 202, 204):
            return None
        return failure_of_subscription(answer.report(), name=self._name)


def creation(paths: Collection[str], *, name: str) -> Request:
    """Ask for a subscription to what matches *paths*."""
    delivery = {"type": "polling"}
    body = {"name": name, "paths": [*paths], "events": [*EVENTS], "delivery": delivery}
    return Request("subscribe", "POST", "/v1/subscriptions", json.dumps(body).encode(), writes=True)


def created_in(answer: Answer, *, name: str) -> str | Failure:
    """Decode the answer to `creation`: the subscription's id."""
    if answer.status not in (200, 201):
        return failure_of_subscription(answer.report(), name=name)
    subscription_id = text(answer.json().get("id"))
    if not subscription_id:
        raise answer.broken("about a subscription", "does not contain an 'id'")
    return subscription_id


def _event(event: Mapping[str, Any], *, answer: Answer) -> Event:
    event_id, event_type = text(event.get("event_id")), text(event.get("event_type"))
    path, data = text(event.get("path")), event.get("data")
    if event_id is None or event_type is None or path is None:
        raise answer.broken("about a subscription", "does not contain an event's id, type and path")
    data = data if isinstance(data, dict) else {}
    version = data.get("new_version", data.get("version"))
    if event_type == _DELETED or isinstance(version, bool) or not isinstance(version, int):
        return Event(event_id, event_type, path)
    return Event(event_id, event_type, path, int(version))  # int() also takes the mask off
