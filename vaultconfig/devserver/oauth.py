"""The token endpoint for client credentials, RFC 6749 sections 2.3.1, 4.4 and 5.2. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus

from vaultconfig.devserver.identities import ADMIN, OAuthClient
from vaultconfig.devserver.instance import Incoming, Instance, Reply

_NOT_STORED = {"Cache-Control": "no-store"}


class _Refused(Exception):  # noqa: N818 -- the endpoint's own errors are not the envelope's
    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


def issue_token(instance: Instance, incoming: Incoming) -> Reply:
    """``POST /oauth/token`` with a form, the client's pair in it or as HTTP Basic."""
    try:
        body = _issued(instance, incoming)
    except _Refused as refused:
        headers = {"WWW-Authenticate": "Basic"} if refused.status == 401 else {}
        return Reply(status=refused.status, body={"error": refused.error}, headers=headers)
    return Reply(body=body, headers=_NOT_STORED)


def _issued(instance: Instance, incoming: Incoming) -> dict[str, object]:
    form = _form(incoming)
    client = _client(instance, incoming, form)
    if form.get("grant_type") != "client_credentials":
        raise _Refused("unsupported_grant_type")
    allowed = client.identity.scopes
    scopes = form.get("scope", "").split() or list(allowed)
    if ADMIN not in allowed and not set(scopes) <= set(allowed):
        raise _Refused("invalid_scope")
    token = instance.identities.issue(client, scopes, now=instance.clock())
    return {
        "access_token": token.value,
        "token_type": "Bearer",
        "expires_in": int(client.token_lifetime),
        "scope": " ".join(scopes),
    }


def _form(incoming: Incoming) -> dict[str, str]:
    content_type = incoming.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/x-www-form-urlencoded":
        raise _Refused("invalid_request")
    try:
        fields = parse_qs(incoming.body.decode(), max_num_fields=20)
    except ValueError:
        fields = {"": ["", ""]}
    if any(len(values) > 1 for values in fields.values()):
        raise _Refused("invalid_request")
    return {name: values[0] for name, values in fields.items()}


def _client(instance: Instance, incoming: Incoming, form: Mapping[str, str]) -> OAuthClient:
    authorization = incoming.headers.get("authorization")
    if authorization is None:
        pairs = [(form.get("client_id", ""), form.get("client_secret", ""))]
    elif "client_secret" in form:  # one way of authenticating, not two
        raise _Refused("invalid_request")
    else:
        pairs = _basic_pairs(authorization)
    for client_id, secret in pairs:
        client = instance.identities.client(client_id)
        if client is not None and client.secret == secret:
            return client
    raise _Refused("invalid_client", status=401)


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
