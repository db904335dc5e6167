"""The rows of ScaiVault's operations table that are about secrets. Pure.

An operation gets a `Call`, which is authenticated, inside the limits and within its scope, and
returns a status and a JSON object.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from vaultconfig.devserver import changes
from vaultconfig.devserver.contents import Entry, Version
from vaultconfig.devserver.drafts import Draft
from vaultconfig.devserver.identities import Identity, Token
from vaultconfig.devserver.instance import Incoming, Instance, timestamp
from vaultconfig.devserver.paths import check_path
from vaultconfig.devserver.problems import ApiError, invalid

MAX_BATCH = 100
DEFAULT_PAGE, MAX_PAGE = 50, 100

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation on *instance* that *token* may ask for, in *tenant*."""

    instance: Instance
    token: Token
    tenant: str
    incoming: Incoming
    now: float

    @property
    def identity(self) -> Identity:
        """The identity that asks."""
        return self.token.identity

    def find(self, path: str, pinned: int | None) -> tuple[Entry, Version]:
        """Return what is at *path* if the identity may read it; else raise `ApiError`."""
        place = (self.tenant, self.readable(path))
        return self.instance.contents.find(place, pinned, lag=self.incoming.fault.lag_of(path))

    def readable(self, path: str) -> str:
        """Return *path* if it is one that the identity may read; else raise `ApiError`."""
        if not self.instance.identities.may_read(self.identity, check_path(path)):
            raise ApiError("access_denied", f"no policy lets this identity read {path}")
        return path

    def writable(self, path: str) -> str:
        """Return *path* if it is one that the identity may write; else raise `ApiError`."""
        if not self.instance.identities.may_write(self.identity, check_path(path)):
            raise ApiError("access_denied", f"no policy lets this identity write {path}")
        return path


def whoami(call: Call) -> tuple[int, Json]:
    """``GET /v1/auth/whoami``."""
    identity = call.identity
    body: Json = {
        "identity_id": identity.identity_id,
        "identity_type": identity.identity_type,
        "tenant_id": call.tenant,
        "partner_id": identity.partner_id,
        "scopes": list(identity.scopes),
    }
    if not call.instance.quickstart_only:
        body |= {
            "display_name": identity.identity_id,
            "groups": [],
            "roles": [],
            "token_expires_at": timestamp(call.token.expires_at),
        }
    return 200, body


def put_secret(call: Call) -> tuple[int, Json]:
    """``PUT /v1/secrets/{path}``: the answer never holds the data."""
    path = call.writable(call.incoming.target)
    draft = Draft.parse(json_object(call.incoming.body))
    entry = changes.write(call.instance, (call.tenant, path), draft, by=call.identity.identity_id)
    newest = entry.versions[-1]
    if entry.first == newest.number:
        body = {
            "path": path,
            "secret_type": newest.secret_type,
            "version": newest.number,
            "created": True,
            "created_at": timestamp(entry.created_at),
        }
        return 201, body
    return 200, {
        "path": path,
        "version": newest.number,
        "created": False,
        "previous_version": newest.number - 1,
        "updated_at": timestamp(newest.written_at),
    }


def get_secret(call: Call) -> tuple[int, Json]:
    """``GET /v1/secrets/{path}``, with ``?version=N`` for one that is pinned."""
    path, number = call.readable(call.incoming.target), call.incoming.query.get("version")
    pinned = None if number is None else whole_number("version", number)
    entry, version = call.find(path, pinned)
    body = {"path": path, **_shown(version), **_described(entry, version)}
    if call.instance.quickstart_only:
        del body["expires_at"], body["rotation_policy_id"]
    return 200, body


def list_secrets(call: Call) -> tuple[int, Json]:
    """``GET /v1/secrets?prefix=&limit=&cursor=``: only what the identity may read."""
    query = call.incoming.query
    limit = whole_number("limit", query.get("limit", str(DEFAULT_PAGE)), at_most=MAX_PAGE)
    after = _decode_cursor(query.get("cursor", ""))
    found = [
        (path, version)
        for path, version in call.instance.contents.newest(
            call.tenant, prefix=query.get("prefix", "")
        )
        if path > after and call.instance.identities.may_read(call.identity, path)
    ]
    page, has_more = found[:limit], len(found) > limit
    return 200, {
        "secrets": [_listed(path, version) for path, version in page],
        "cursor": _encode_cursor(page[-1][0]) if has_more else None,
        "has_more": has_more,
    }


def read_batch(call: Call) -> tuple[int, Json]:
    """``POST /v1/secrets/batch``: the errors stand beside the secrets.

    With ``fail_fast`` the first error is the answer to the whole batch.
    """
    paths, options = _batch(json_object(call.incoming.body))
    secrets: Json = {}
    errors: Json = {}
    for path in paths:
        try:
            secrets[path] = _batched(call, path, options)
        except ApiError as problem:
            if options.get("fail_fast"):
                raise
            errors[path] = {"code": problem.code, "message": problem.message}
    return 200, {"secrets": secrets, "errors": errors}


def delete_secret(call: Call) -> tuple[int, Json]:
    """``DELETE /v1/secrets/{path}``, softly."""
    path = call.writable(call.incoming.target)
    changes.delete(call.instance, (call.tenant, path), by=call.identity.identity_id)
    return 200, {"path": path, "deleted": True, "deleted_at": timestamp(call.now)}


def json_object(body: bytes) -> Json:
    """Return the JSON object that *body* is; else raise `ApiError` (``invalid_request``)."""
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ApiError("invalid_request", "the body has to be a JSON object")
    return parsed


def whole_number(name: str, text: str, *, at_most: int = 10**9, at_least: int = 1) -> int:
    """Return the number that the parameter *name* gives; else raise `ApiError`."""
    if text.isascii() and text.isdigit() and len(text) < 12 and at_least <= int(text) <= at_most:
        return int(text)
    raise invalid({name: f"a whole number from {at_least} to {at_most}"})


def _shown(version: Version) -> Json:
    return {
        "data": version.data,
        "version": version.number,
        "secret_type": version.secret_type,
    }


def _described(entry: Entry, version: Version) -> Json:
    return {
        "metadata": version.metadata,
        "created_at": timestamp(entry.created_at),
        "updated_at": timestamp(version.written_at),
        "expires_at": timestamp(version.expires_at),
        "rotation_policy_id": entry.rotation_policy_id,
    }


def _listed(path: str, version: Version) -> Json:
    return {
        "path": path,
        "secret_type": version.secret_type,
        "version": version.number,
        "updated_at": timestamp(version.written_at),
        "tags": version.metadata.get("tags") or [],
    }


def _batch(body: Json) -> tuple[list[str], Json]:
    paths, options = body.get("paths"), body.get("options") or {}
    wrong = {}
    if not (isinstance(paths, list) and all(isinstance(path, str) for path in paths)):
        wrong["paths"] = "a list of texts is needed"
    elif len(paths) > MAX_BATCH:
        wrong["paths"] = f"at most {MAX_BATCH} paths"
    if not isinstance(options, dict):
        wrong["options"] = "a JSON object"
    else:
        wrong |= _wrong_batch_options(options)
    if wrong:
        raise invalid(wrong)
    return paths or [], options


def _wrong_batch_options(options: Json) -> dict[str, str]:
    wrong = {
        f"options.{name}": "true or false"
        for name in ("include_metadata", "fail_fast")
        if not isinstance(options.get(name, False), bool)
    }
    version = options.get("version")
    if version is not None and not (type(version) is int and version >= 1):
        wrong["options.version"] = "a whole number from 1"
    return wrong


def _batched(call: Call, path: str, options: Json) -> Json:
    entry, version = call.find(path, options.get("version"))
    described = _described(entry, version) if options.get("include_metadata") else {}
    return {**_shown(version), **described}


def _encode_cursor(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode()


def _decode_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        pass
    raise ApiError("invalid_request", "the cursor was not made by this server")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
