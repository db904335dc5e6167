"""ScaiVault's requests and answers: what to send, and what came back. No I/O.

A decoder raises ResponseError where an answer as a whole breaks the protocol, and returns a
`Failure` where the vault says no, and where what it says of one secret can't be used.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from vaultconfig.client.answer import UNKNOWN, Answer, moment, text, texts
from vaultconfig.client.failures import (
    BatchMissing,
    Failure,
    failure_of_batch,
    failure_of_request,
    failure_of_secret,
)
from vaultconfig.client.records import Identity, SecretSummary, VaultHealth, WriteResult
from vaultconfig.errors import ConfigurationError, SecretError
from vaultconfig.masking.values import Unusable, flaw_in, unmask
from vaultconfig.secret import Secret, SecretKey

MOST_PATHS = 100
"""As many paths one batch read may name."""

HIGHEST_VERSION = 2**31 - 1

Operation: TypeAlias = Literal[
    "read",
    "batch",
    "list",
    "write",
    "delete",
    "whoami",
    "health",
    "subscribe",
    "poll",
    "ack",
    "unsubscribe",
]
"""What a request asks for, in the words of the metrics."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the vault.

    Attributes:
        operation: What it asks for.
        method: The HTTP method.
        target: Path and query, below the vault's URL.
        body: JSON, or nothing.
        writes: Whether a second try could do it twice.
        anonymous: Whether it goes without credentials.
    """

    operation: Operation
    method: str
    target: str
    body: bytes = field(default=b"", repr=False)
    writes: bool = False
    anonymous: bool = False


WHOAMI_REQUEST: Final = Request("whoami", "GET", "/v1/auth/whoami")
HEALTH_REQUEST: Final = Request("health", "GET", "/v1/health/ready", anonymous=True)


def read_request(key: SecretKey) -> Request:
    """Ask for one secret."""
    query = "" if key.version is None else f"?version={key.version}"
    return Request("read", "GET", f"/v1/secrets/{quote(key.path)}{query}")


def batch_request(keys: Collection[SecretKey]) -> Request:
    """Ask for up to `MOST_PATHS` secrets; what fails for one does not fail the others."""
    # expires_at comes with the metadata.
    options = {"include_metadata": True, "fail_fast": False}
    body = json.dumps({"paths": [key.path for key in keys], "options": options}).encode()
    return Request("batch", "POST", "/v1/secrets/batch", body)


def write_request(
    path: str,
    data: Mapping[str, Any],
    *,
    secret_type: str,
    description: str | None,
    tags: Collection[str],
    options: Mapping[str, Any],
) -> Request:
    """Write *data* as the next version.

    Raises:
        ConfigurationError: *data* can't be written as JSON.
    """
    metadata: dict[str, Any] = {"tags": [*tags]}
    if description is not None:
        metadata["description"] = description
    given = {name: value for name, value in options.items() if value is not None}
    body = {"data": data, "secret_type": secret_type, "metadata": metadata}
    encoded = _json_body(body | {"options": given} if given else body)
    if encoded is None:
        raise ConfigurationError(f"the data for {path} holds a value that JSON cannot represent")
    return Request("write", "PUT", f"/v1/secrets/{quote(path)}", encoded, writes=True)


def delete_request(path: str) -> Request:
    """Delete softly: the vault keeps it for a while."""
    return Request("delete", "DELETE", f"/v1/secrets/{quote(path)}", writes=True)


def list_request(prefix: str, *, cursor: str | None) -> Request:
    """Ask for the page of a listing at *cursor*."""
    query = {"prefix": prefix} if cursor is None else {"prefix": prefix, "cursor": cursor}
    return Request("list", "GET", f"/v1/secrets?{urlencode(query)}")


def secret_in(answer: Answer, *, key: SecretKey) -> Secret | Failure:
    """Decode the answer to `read_request`."""
    if answer.status != 200:
        return failure_of_secret(answer.report(), path=key.path, version=key.version)
    return _secret_of(answer.json_or_unusable(), key=key, answer=answer)


def secrets_in(
    answer: Answer, *, keys: Collection[SecretKey]
) -> dict[SecretKey, Secret | Failure] | Failure:
    """Decode the answer to `batch_request`, for each of *keys*.

    What it leaves open, a single read will tell: so it is for a path without a secret and without
    an error whose code says why, and for all of them where one is nested too deeply for the parser.
    """
    if answer.status not in (200, 207):
        return failure_of_batch(answer.report())
    payload = answer.json_or_unusable()
    if isinstance(payload, Unusable):
        return _left_open(answer, f"holds {payload.flaw}")
    secrets, errors = payload.get("secrets"), payload.get("errors") or {}
    if secrets is None and errors:
        secrets = {}
    if not isinstance(secrets, dict) or not isinstance(errors, dict):
        raise answer.broken("to the batch", "does not contain 'secrets'")
    found: dict[SecretKey, Secret | Failure] = {}
    for key in keys:
        secret, error = secrets.get(key.path), errors.get(key.path)
        if error is None and secret is not None:
            found[key] = _secret_of(secret, key=key, answer=answer)
            continue
        report = answer.report_of_path(error)
        if report.code not in (None, UNKNOWN):
            found[key] = failure_of_secret(report, path=key.path)
        else:
            found[key] = _left_open(answer, f"does not say what became of {key.path}")
    return found


def identity_in(answer: Answer) -> Identity | Failure:
    """Decode the answer to `WHOAMI_REQUEST`."""
    if answer.status != 200:
        return failure_of_request(answer.report(), what="whoami")
    payload = answer.json()
    identity, scopes = payload.get("identity_id"), payload.get("scopes")
    if isinstance(identity, bool) or not isinstance(identity, (str, int)):
        raise answer.broken("to whoami", "does not contain 'identity_id'")
    return Identity(
        identity_id=str(identity),
        identity_type=text(payload.get("identity_type")),
        tenant_id=text(payload.get("tenant_id")),
        partner_id=text(payload.get("partner_id")),
        scopes=texts(scopes.split() if isinstance(scopes, str) else scopes),  # as OAuth writes it
        token_expires_at=moment(payload.get("token_expires_at")),
    )


def written_in(answer: Answer, *, path: str) -> WriteResult | Failure:
    """Decode the answer to `write_request`."""
    if answer.status not in (200, 201, 202, 204):
        return failure_of_secret(answer.report(), path=path)
    payload = answer.json() if answer.body else {}
    version = payload.get("version", 0)
    if _flaw_of_version(version):
        about = f"to the write of {path} (status {answer.status})"
        fault = "does not say which version it made: read it to see whether it was written"
        raise answer.broken(about, fault)
    return WriteResult(path, int(version), payload.get("created", version == 1) is True)


def deleted_in(answer: Answer, *, path: str) -> Failure | None:
    """Decode the answer to `delete_request`."""
    if answer.status in (200, 202, 204):
        return None
    return failure_of_secret(answer.report(), path=path)


def page_in(answer: Answer) -> tuple[tuple[SecretSummary, ...], str | None] | Failure:
    """Decode the answer to `list_request`: the page, and the next one's cursor."""
    if answer.status != 200:
        return failure_of_request(answer.report(), what="the listing")
    payload = answer.json()
    # ScaiVault's documentation shows both names.
    items = payload.get("secrets", payload.get("data"))
    if items is None and payload.keys() & {"secrets", "data"}:
        items = []  # as Go writes it
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise answer.broken("to the listing", "does not contain 'secrets'")
    page = []
    for item in items:
        path, version = text(item.get("path")), item.get("version")
        if path is None:
            raise answer.broken("to the listing", "has an entry without 'path'")
        page.append(
            SecretSummary(
                path=path,
                version=int(version) if isinstance(version, int) else None,
                secret_type=text(item.get("secret_type")),
                updated_at=moment(item.get("updated_at")),
                tags=texts(item.get("tags")),
            )
        )
    cursor = payload.get("cursor") or payload.get("next_cursor") or None
    has_more = payload.get("has_more")
    if not (cursor is not None if has_more is None else has_more):
        return tuple(page), None
    if not isinstance(cursor, str):  # to end here would leave out secrets in silence
        raise answer.broken("to the listing", "says that there is more, without a cursor to it")
    return tuple(page), str(cursor)


def health_in(answer: Answer) -> VaultHealth:
    """Decode the answer to `HEALTH_REQUEST`, whatever its body."""
    return VaultHealth(ready=answer.status == 200, server_time=answer.date)


def _secret_of(payload: object, *, key: SecretKey, answer: Answer) -> Secret | Failure:
    flaw = _flaw_of_secret(payload, key)
    if flaw is not None or not isinstance(payload, dict):
        message = f"the vault's answer for {key.path} {flaw}: check what is stored there"
        return Failure(SecretError(message, path=key.path, request_id=answer.request_id))
    metadata = payload.get("metadata")
    return Secret(
        path=key.path,
        version=int(payload["version"]),
        data=payload["data"],
        secret_type=text(payload.get("secret_type")),
        metadata=unmask(metadata) if isinstance(metadata, dict) else {},
        expires_at=moment(payload.get("expires_at")),
    )


def _flaw_of_secret(payload: object, key: SecretKey) -> str | None:
    """Return why *payload* is not the secret of *key*, if it is not; nothing of it is quoted."""
    if flaw := flaw_in(payload):
        return f"holds {flaw}"
    if not isinstance(payload, dict):
        return "is not an object"
    if payload.get("path") not in (None, key.path):
        return "is about another path"
    version = payload.get("version")
    if flaw := _flaw_of_version(version):
        return flaw
    if key.version not in (None, version):
        return f"is version {version}, not {key.version}"
    return None if isinstance(payload.get("data"), dict) else "has no object as 'data'"


def _flaw_of_version(version: object) -> str | None:
    if isinstance(version, bool) or not isinstance(version, int):
        return "has no integer as 'version'"
    return None if 1 <= version <= HIGHEST_VERSION else "has a 'version' that no secret can have"


def _left_open(answer: Answer, flaw: str) -> BatchMissing:
    return BatchMissing(answer.broken("to the batch", flaw), proof=None)


def _json_body(body: Mapping[str, Any]) -> bytes | None:
    # Nothing leaves here but bytes: some of json's errors quote the value.
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return None
