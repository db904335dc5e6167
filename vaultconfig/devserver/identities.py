"""Access: tokens, OAuth clients, scopes and path globs. Pure but for fresh tokens."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field

from vaultconfig.devserver.answers import ApiError
from vaultconfig.devserver.bodies import Body
from vaultconfig.devserver.paths import matches

READ, WRITE, SUBSCRIBE, ADMIN = "secrets:read", "secrets:write", "subscriptions:write", "admin"
DEFAULT_SCOPES = (READ, WRITE, SUBSCRIBE)
ADMIN_SCOPES = (*DEFAULT_SCOPES, ADMIN)
DEFAULT_TENANT = "dev"

Texts = Annotated[tuple[str, ...], Field(strict=False)]  # a list will do


class Rights(Body, extra="forbid"):
    """What an identity is, and what it may do; its fields are explained at `Identity`."""

    identity_type: str = "service_account"
    tenant_id: str = DEFAULT_TENANT
    partner_id: str | None = None
    scopes: Texts = DEFAULT_SCOPES
    read: Texts = ("**",)
    write: Texts = ("**",)
    other_tenants: Texts = ()


class Identity(Rights):
    """A person or service that the dev server knows; made by `DevServer.add_token`.

    Attributes:
        identity_id: Its name in the audit log; a fresh one by default.
        identity_type: ``service_account`` by default.
        tenant_id: The tenant whose secrets it sees; ``dev`` by default.
        partner_id: The partner that it belongs to, if any.
        scopes: What it may do at all; ``admin`` stands for every scope. All but that by default.
        read: Globs of the paths that it may read; all by default.
        write: Globs of the paths that it may write and delete; all by default.
        other_tenants: Those that it may name in ``X-Tenant-ID`` beside its own.
    """

    identity_id: str = Field(default_factory=lambda: f"dev-{secrets.token_hex(4)}")

    def require_scope(self, scope: str) -> None:
        """Raise `ApiError` (``insufficient_scope``) unless *scope* is held."""
        if scope not in self.scopes and ADMIN not in self.scopes:
            raise ApiError("insufficient_scope", f"this needs the scope {scope}")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token.

    Attributes:
        expires_at: Unix seconds, or None for never.
    """

    value: str = field(repr=False)
    identity: Identity
    expires_at: float | None = None
    revoked: bool = False


class OAuthClient(Rights):
    """What a client's credentials are worth.

    Attributes:
        token_lifetime: Seconds that a token issued to it lives.
    """

    secret: str = Field(repr=False)
    token_lifetime: float = 3600.0


class Identities:
    """The tokens and clients of one server.

    Attributes:
        clients: Those that may ask for tokens, by id.
        denied: Globs of the paths that no identity may read or write.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self.clients: dict[str, OAuthClient] = {}
        self.denied: set[str] = set()

    def add_token(
        self, identity: Identity, *, value: str | None = None, expires_at: float | None = None
    ) -> str:
        """Let *identity* in, and return its token, a fresh one unless *value* gives it."""
        token = Token(value or secrets.token_urlsafe(24), identity, expires_at)
        self._tokens[token.value] = token
        return token.value

    def revoke(self, value: str) -> None:
        """Reject the token from now on, with ``token_revoked``."""
        self._tokens[value] = replace(self._tokens[value], revoked=True)

    def authenticate(self, authorization: str | None, *, now: float) -> Token:
        """Return the token that an ``Authorization`` header carries.

        Raises:
            ApiError: One of the codes of 401.
        """
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise ApiError("authentication_required", "send the header Authorization: Bearer TOKEN")
        token = self._tokens.get(value.strip())
        if token is None:
            raise ApiError("token_invalid", "this server does not know the token")
        if token.revoked:
            raise ApiError("token_revoked", "the token was revoked")
        if token.expires_at is not None and now >= token.expires_at:
            raise ApiError("token_expired", "the token has expired")
        return token

    def allows(self, globs: Iterable[str], path: str) -> bool:
        """Whether *globs* of an identity cover *path*, which is not `denied`."""
        denied = any(matches(glob, path) for glob in self.denied)
        return not denied and any(matches(glob, path) for glob in globs)
