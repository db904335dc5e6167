"""The token endpoint for client credentials, RFC 6749 sections 2.3.1, 4.4 and 5.2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from vaultconfig.devserver.answers import Json
from vaultconfig.devserver.identities import ADMIN, OAuthClient
from vaultconfig.devserver.instance import Instance


class TokenError(Exception):
    """A rejected request, in the RFC's words in place of ScaiVault's envelope."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self._error, self._status = error, status

    def answer(self, request: Request) -> Response:
        """Return the RFC's answer."""
        headers = {"WWW-Authenticate": "Basic"} if self._status == 401 else {}
        return Json({"error": self._error}, self._status, headers)


async def issue_token(request: Request) -> Response:
    """``POST /oauth/token`` with a form, the client's pair in it or as HTTP Basic."""
    instance: Instance = request.state.instance
    form = _form(request.headers.get("content-type", ""), await request.body())
    client = _client(instance, request.headers.get("authorization"), form)
    if form.get("grant_type") != "client_credentials":
        raise TokenError("unsupported_grant_type")
    allowed = client.identity.scopes
    scopes = form.get("scope", "").split() or list(allowed)
    if ADMIN not in allowed and not set(scopes) <= set(allowed):
        raise TokenError("invalid_scope")
    token = instance.identities.issue(client, scopes, now=instance.clock())
    body = {
        "access_token": token.value,
        "token_type": "Bearer",
        "expires_in": int(client.token_lifetime),
        "scope": " ".join(scopes),
    }
    return Json(body, headers={"Cache-Control": "no-store"})


def _form(content_type: str, body: bytes) -> Mapping[str, str]:
    if content_type.partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise TokenError("invalid_request")
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        fields = {"": ["", ""]}
    if any(len(values) > 1 for values in fields.values()):
        raise TokenError("invalid_request")
    return {name: values[0] for name, values in fields.items()}


def _client(instance: Instance, authorization: str | None, form: Mapping[str, str]) -> OAuthClient:
    if authorization is None:
        pairs = [(form.get("client_id", ""), form.get("client_secret", ""))]
    elif "client_secret" in form:  # one way of authenticating, not two
        raise TokenError("invalid_request")
    else:
        pairs = _basic_pairs(authorization)
    for client_id, secret in pairs:
        client = instance.identities.client(client_id)
        if client is not None and client.secret == secret:
            return client
    raise TokenError("invalid_client", status=401)


def _basic_pairs(authorization: str) -> list[tuple[str, str]]:
    """The pair as it stands, and decoded as the RFC has it: clients do either."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeError):
        return []
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        return []
    return [(client_id, secret), (unquote_plus(client_id), unquote_plus(secret))]
