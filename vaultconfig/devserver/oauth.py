"""The token endpoint for client credentials, RFC 6749 sections 2.3.1, 4.4 and 5.2.

Its errors are the RFC's, not ScaiVault's: an HTTPException whose detail is the RFC's code.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qs, unquote_plus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vaultconfig.devserver.answers import Json
from vaultconfig.devserver.identities import ADMIN, Identity, OAuthClient, Rights
from vaultconfig.devserver.instance import Instance


async def issue_token(request: Request) -> Response:
    """``POST /oauth/token`` with a form, the client's pair in it or as HTTP Basic."""
    instance: Instance = request.state.instance
    form = _form(request.headers.get("content-type", ""), await request.body())
    client_id, client = _client(instance, request.headers.get("authorization"), form)
    if form.get("grant_type") != "client_credentials":
        raise HTTPException(400, "unsupported_grant_type")
    scopes = form.get("scope", "").split() or client.scopes
    if ADMIN not in client.scopes and not set(scopes) <= set(client.scopes):
        raise HTTPException(400, "invalid_scope")
    rights = {**client.model_dump(include=set(Rights.model_fields)), "scopes": scopes}
    identity = Identity(identity_id=client_id, **rights)
    expires_at = instance.clock() + client.token_lifetime
    body = {
        "access_token": instance.identities.add_token(identity, expires_at=expires_at),
        "token_type": "Bearer",
        "expires_in": int(client.token_lifetime),
        "scope": " ".join(scopes),
    }
    return Json(body, headers={"Cache-Control": "no-store"})


def _form(content_type: str, body: bytes) -> Mapping[str, str]:
    if content_type.partition(";")[0].strip() == "application/x-www-form-urlencoded":
        with suppress(ValueError):
            fields = parse_qs(body.decode(), max_num_fields=20)
            if all(len(values) == 1 for values in fields.values()):
                return {name: value for name, (value,) in fields.items()}
    raise HTTPException(400, "invalid_request")


def _client(
    instance: Instance, authorization: str | None, form: Mapping[str, str]
) -> tuple[str, OAuthClient]:
    pairs = [(form.get("client_id", ""), form.get("client_secret", ""))]
    if authorization is not None:
        if "client_secret" in form:  # one way of authenticating, not two
            raise HTTPException(400, "invalid_request")
        pairs = _basic_pairs(authorization)
    for client_id, secret in pairs:
        client = instance.identities.clients.get(client_id)
        if client is not None and client.secret == secret:
            return client_id, client
    raise HTTPException(401, "invalid_client", {"WWW-Authenticate": "Basic"})


def _basic_pairs(authorization: str) -> list[tuple[str, str]]:
    """The pair as it stands, and decoded as the RFC has it: clients do either."""
    scheme, _, encoded = authorization.partition(" ")
    with suppress(ValueError):
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        if scheme.lower() == "basic" and colon:
            return [(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))]
    return []
