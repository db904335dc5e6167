"""One ScaiVault: its secrets, who may use them, how often, and what time it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vaultconfig.devserver.contents import Contents
from vaultconfig.devserver.identities import Identities
from vaultconfig.devserver.limits import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What the operations work on.

    Attributes:
        clock: Gives the time in Unix seconds.
        quickstart_only: Whether it knows nothing beyond ScaiVault's Quickstart.
    """

    contents: Contents
    identities: Identities
    limits: RateLimits
    clock: Callable[[], float]
    quickstart_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request, as far as the operations care.

    Attributes:
        path: The secret's path from the URL; empty where the URL holds none.
        headers: With lower-case names.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: a JSON object with a status and headers."""

    body: Mapping[str, object]
    status: int = 200
    headers: Mapping[str, str]
