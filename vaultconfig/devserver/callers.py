"""Whether a caller may do what it asks for: token, limit, tenant and scope, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from vaultconfig.devserver.answers import ApiError
from vaultconfig.devserver.contents import Entry, Place, Version
from vaultconfig.devserver.faults import Fault
from vaultconfig.devserver.identities import Identity, Token
from vaultconfig.devserver.instance import Instance
from vaultconfig.devserver.paths import check_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An identity that was let in, with the *token* that it sent, in *tenant*.

    Attributes:
        fault: What goes wrong with the request.
    """

    instance: Instance
    token: Token
    tenant: str
    fault: Fault

    @property
    def identity(self) -> Identity:
        """The identity that asks."""
        return self.token.identity

    def place(self, path: str, *, to: Literal["read", "write"]) -> Place:
        """Return where *path* is, if the identity may do that there; else raise `ApiError`."""
        globs = self.identity.read if to == "read" else self.identity.write
        # A denied path is denied whether or not there is a secret.
        if not self.instance.identities.allows(globs, check_path(path)):
            raise ApiError("access_denied", f"no policy lets this identity {to} {path}")
        return (self.tenant, path)

    def find(self, place: Place, pinned: int | None) -> tuple[Entry, Version]:
        """Return what is at *place*, as far as this request can see; else raise `ApiError`."""
        return self.instance.contents.find(place, pinned, lag=self.fault.lag_of(place[1]))


def admit(request: Request, kind: str, scope: str | None = None) -> Caller:
    """Let the sender of *request* in for an operation of this *kind*, which takes *scope*.

    Raises:
        ApiError: One of the codes of 401, 403 and 429.
    """
    instance: Instance = request.state.instance
    authorization = request.headers.get("authorization")
    token = instance.identities.authenticate(authorization, now=instance.clock())
    identity = token.identity
    # Before the other checks, since a request that these reject counts as well.
    request.state.headers |= charge(request, identity, kind)
    tenant = request.headers.get("x-tenant-id", identity.tenant_id)
    if tenant not in (identity.tenant_id, *identity.other_tenants):
        raise ApiError("tenant_access_denied", "this identity has no access to that tenant")
    if scope is not None:
        identity.require_scope(scope)
    return Caller(instance=instance, token=token, tenant=tenant, fault=request.state.fault)


def charge(request: Request, identity: Identity, kind: str, *, units: int = 1) -> dict[str, str]:
    """Take *units* from the identity's limit, and return the headers that tell of it.

    Raises:
        ApiError: ``rate_limited``; the answer will have the headers.
    """
    instance: Instance = request.state.instance
    limits = instance.limits
    allowance = limits.take(identity.identity_id, kind, now=instance.clock(), units=units)
    if allowance is None:
        return {}
    if allowance.retry_after is not None:
        request.state.headers |= allowance.headers
        message = f"too many requests: try again in {allowance.retry_after} s"
        raise ApiError("rate_limited", message)
    return allowance.headers
