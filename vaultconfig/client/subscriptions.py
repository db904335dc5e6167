"""News of changed secrets, by long polls; never their values."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from vaultconfig.client.answer import Answer, text
from vaultconfig.client.attempts import Deadline
from vaultconfig.client.failures import Failure, failure_of_subscription
from vaultconfig.client.protocol import Request
from vaultconfig.client.wire import Wire
from vaultconfig.errors import ConfigurationError

T = TypeVar("T")

EVENTS = ("secret.created", "secret.updated", "secret.rotated", "secret.deleted")
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
        version: The new one; None where there is none. One rotation may come as two events:
            path and version tell that they are one.
    """

    event_id: str
    event_type: str
    path: str
    version: int | None = None


class Subscription:
    """A place where the vault keeps events for us, until we have acknowledged them.

    It has connections of its own, so that a poll that waits holds up nobody. Polls come from
    one thread; every other method may be called meanwhile from another.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        subscription_id: str,
        name: str,
        deadline: Callable[[float | None], Deadline],
    ) -> None:
        self._wire = wire
        self._target = f"/v1/subscriptions/{quote(subscription_id, safe='')}"
        self._name = name
        self._deadline = deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def poll(
        self, timeout: float = LONGEST_POLL, *, since_event_id: str | None = None
    ) -> tuple[Event, ...]:
        """Wait for events, and return those there are, up to 100; none when the time is over.

        It is one attempt: whoever polls for ever knows best how long to wait after a failure.

        Args:
            timeout: Seconds, up to 60.
            since_event_id: Leave out this one and those before it.

        Raises:
            ConfigurationError: It has been closed, meanwhile perhaps, or *timeout* is too long.
            AuthenticationError: The vault rejects the credentials.
            AccessDeniedError: The subscription is not ours.
            VaultUnavailableError: No usable answer in time.
            ResponseError: The vault does not know the subscription, or breaks its protocol.
        """
        if not 0 <= timeout <= LONGEST_POLL:
            raise ConfigurationError(f"a poll takes 0 to {LONGEST_POLL:g} seconds, not {timeout}")
        query = {"timeout": f"{timeout:g}", "max_events": str(MOST_EVENTS)}
        if since_event_id is not None:
            query["since_event_id"] = since_event_id
        request = Request("GET", f"{self._target}/poll?{urlencode(query)}")
        decode = functools.partial(_events_in, name=self._name)
        return self._send(request, decode, seconds=timeout + MARGIN)

    def ack(self, event_ids: Collection[str]) -> None:
        """Acknowledge events, which else come again; the vault allows 20 calls a minute.

        Raises:
            VaultConfigError: As for `poll`.
        """
        body = json.dumps({"event_ids": [*event_ids]}).encode()
        self._do(Request("POST", f"{self._target}/ack", body))

    def delete(self, *, deadline: float | None = None) -> None:
        """Let the vault forget the subscription.

        Args:
            deadline: Seconds, instead of the client's.

        Raises:
            VaultConfigError: As for `poll`.
        """
        self._do(Request("DELETE", self._target), seconds=deadline)

    def close(self) -> None:
        """Close the connections; a poll that is waiting ends at once, with a ConfigurationError."""
        self._wire.close()

    def _do(self, request: Request, *, seconds: float | None = None) -> None:
        self._send(request, functools.partial(_nothing_in, name=self._name), seconds=seconds)

    def _send(
        self, request: Request, decode: Callable[[Answer], T | Failure], *, seconds: float | None
    ) -> T:
        outcome = self._wire.send(request, decode, self._deadline(seconds))
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome


def creation(paths: Collection[str], *, name: str) -> Request:
    """Ask for a subscription to what matches *paths*."""
    body = {
        "name": name,
        "paths": [*paths],
        "events": [*EVENTS],
        "delivery": {"type": "polling"},
    }
    return Request("POST", "/v1/subscriptions", json.dumps(body).encode(), writes=True)


def created_in(answer: Answer, *, name: str) -> str | Failure:
    """Decode the answer to `creation`: the subscription's id."""
    if answer.status not in (200, 201):
        return failure_of_subscription(answer.report(), name=name)
    subscription_id = text(answer.json().get("id"))
    if not subscription_id:
        raise answer.broken("about a subscription", "does not contain an 'id'")
    return subscription_id


def _events_in(answer: Answer, *, name: str) -> tuple[Event, ...] | Failure:
    if answer.status != 200:
        return failure_of_subscription(answer.report(), name=name)
    events = answer.json().get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise answer.broken("about a subscription", "does not contain 'events'")
    return tuple(_event(event, answer=answer) for event in events)


def _event(event: Mapping[str, Any], *, answer: Answer) -> Event:
    event_id, event_type = text(event.get("event_id")), text(event.get("event_type"))
    path, data = text(event.get("path")), event.get("data")
    if event_id is None or event_type is None or path is None:
        raise answer.broken("about a subscription", "does not contain an event's id, type and path")
    return Event(event_id, event_type, path, _version(data if isinstance(data, dict) else {}))


def _version(data: Mapping[str, Any]) -> int | None:
    version = data.get("new_version", data.get("version"))
    is_number = isinstance(version, int) and not isinstance(version, bool)
    return int(version) if is_number else None  # int() also takes the mask off


def _nothing_in(answer: Answer, *, name: str) -> Failure | None:
    if answer.status in (200, 202, 204):
        return None
    return failure_of_subscription(answer.report(), name=name)
