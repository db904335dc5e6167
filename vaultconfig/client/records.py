"""What the vault tells about identities and secrets, without their values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the token.

    Attributes:
        identity_id: As it stands in the audit log.
        identity_type: Such as ``user`` or ``service_account``.
        tenant_id: The tenant whose secrets the token can see.
        partner_id: The partner whose tenants the client may name, if any.
        scopes: Such as ``secrets:read``.
        token_expires_at: Where the vault said so.
    """

    identity_id: str
    identity_type: str | None = None
    tenant_id: str | None = None
    partner_id: str | None = None
    scopes: tuple[str, ...] = ()
    token_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write made.

    Attributes:
        path: Where.
        version: The new version; 1 for a new secret.
        created: Whether the secret is new.
    """

    path: str
    version: int
    created: bool


@dataclass(frozen=True, slots=True)
class SecretSummary:
    """A line of a listing."""

    path: str
    version: int | None = None
    secret_type: str | None = None
    updated_at: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VaultHealth:
    """How the vault is.

    Attributes:
        ready: Whether it says that it serves requests.
        server_time: Its clock, to compare with that of this machine.
    """

    ready: bool
    server_time: datetime | None = None
