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
DEFAULT_TENANT = "dev"

Texts = Annotated[tuple[str, ...], Field(strict=False)]  # a list will do


class Rights(Body, extra="forbid"):
    """What an identity is, and what it may do.

    Attributes:
        scopes: What it may do at all; ``admin`` stands for every scope.
        read: Globs of the paths that it may read.
        write: Globs of the paths that it may write and delete.
        other_tenants: Those that it may name in ``X-Tenant-ID`` beside its own.
    """

    identity_type: str = "service_account"
    tenant_id: str = DEFAULT_TENANT
    partner_id: str | None = None
    scopes: Texts = DEFAULT_SCOPES
    read: Texts = ("**",)
    write: Texts = ("**",)
    other_tenants: Texts = ()


class Identity(Rights):
    """A person or service that the vault knows; see `Rights`."""

    identity_id: str

    def require_scope(self, scope: str) -> None:
        """Raise `ApiError` (``insufficient_scope``) unless *scope* is held."""
        if scope not in self.scopes and ADMIN not in self.scopes:
            raise ApiError("insufficient_scope", f"this needs the scope {scope}")

    def act_in(self, tenant: str | None) -> str:
        """Return the tenant that a request with this ``X-Tenant-ID`` is about.

        Raises:
            ApiError: ``tenant_access_denied``.
        """
        if tenant in (None, self.tenant_id):
            return self.tenant_id
        if tenant not in self.other_tenants:
            raise ApiError("tenant_access_denied", "this identity has no access to that tenant")
        return tenant


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


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A pair of client credentials.

    Attributes:
        token_lifetime: Seconds that a token issued to it lives.
    """

    client_id: str
    secret: str = field(repr=False)
    identity: Identity
    token_lifetime: float = 3600.0


class Identities:
    """The tokens and clients of one server."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._clients: dict[str, OAuthClient] = {}
        self._denied: set[str] = set()

    def add_token(
        self, identity: Identity, *, value: str | None = None, expires_at: float | None = None
    ) -> Token:
        """Let *identity* in with a token, a fresh one unless *value* gives it."""
        token = Token(value or secrets.token_urlsafe(24), identity, expires_at)
        self._tokens[token.value] = token
        return token

    def add_client(self, client: OAuthClient) -> None:
        """Let *client* ask for tokens."""
        self._clients[client.client_id] = client

    def client(self, client_id: str) -> OAuthClient | None:
        """Return the client of that id, if there is one."""
        return self._clients.get(client_id)

    def issue(self, client: OAuthClient, scopes: Iterable[str], *, now: float) -> Token:
        """Return a fresh token for *client*, narrowed to *scopes*."""
        identity = client.identity.model_copy(update={"scopes": tuple(scopes)})
        return self.add_token(identity, expires_at=now + client.token_lifetime)

    def revoke(self, value: str) -> None:
        """Reject the token from now on, with ``token_revoked``."""
        self._tokens[value] = replace(self._tokens[value], revoked=True)

    def deny(self, glob: str) -> None:
        """Deny the paths that *glob* covers to every identity."""
        self._denied.add(glob)

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

    def may_read(self, identity: Identity, path: str) -> bool:
        """Whether a policy lets *identity* read *path*."""
        return self._allows(identity.read, path)

    def may_write(self, identity: Identity, path: str) -> bool:
        """Whether a policy lets *identity* write *path*."""
        return self._allows(identity.write, path)

    def _allows(self, globs: Iterable[str], path: str) -> bool:
        denied = any(matches(glob, path) for glob in self._denied)
        return not denied and any(matches(glob, path) for glob in globs)
