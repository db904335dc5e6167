"""One ScaiVault: its secrets, identities, limits, subscriptions and clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vaultconfig.devserver.contents import Contents
from vaultconfig.devserver.faults import NO_FAULT, Fault
from vaultconfig.devserver.identities import Identities
from vaultconfig.devserver.limits import RateLimits
from vaultconfig.devserver.subscriptions import Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What the operations work on.

    Attributes:
        clock: Gives the time in Unix seconds.
        quickstart_only: Whether it knows nothing beyond ScaiVault's Quickstart.
        has_subscriptions: Whether changes can be subscribed to.
    """

    contents: Contents
    identities: Identities
    limits: RateLimits
    subscriptions: Subscriptions
    clock: Callable[[], float]
    quickstart_only: bool = False
    has_subscriptions: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request, as far as the operations care.

    Attributes:
        target: What the URL names: a secret's path, a subscription's id; empty if nothing.
        headers: With lower-case names.
        fault: What goes wrong with it.
    """

    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    fault: Fault = NO_FAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: a JSON object with a status and headers."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """An answer that waits for news.

    Attributes:
        news: Done once it is time to answer.
        timeout: Seconds after which to answer anyway.
        body: Gives the answer; it may raise `ApiError`.
    """

    news: Future[None]
    timeout: float
    body: Callable[[], Mapping[str, Any]]
    headers: Mapping[str, str] | None = None


def timestamp(seconds: float | None) -> str | None:
    """Return Unix *seconds* the way ScaiVault writes them, as in ``2026-01-31T12:00:00.000Z``."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
