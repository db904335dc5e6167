"""ScaiVault's operations table: an endpoint for each row, and the routes to them at the end.

An endpoint lets its caller in, reads what was sent, works on the instance, and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import asdict
from typing import Any, TypeVar

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vaultconfig.devserver.answers import ApiError, Json, invalid, timestamp
from vaultconfig.devserver.bodies import (
    Acknowledgement,
    Batch,
    BatchOptions,
    Draft,
    NewSubscription,
)
from vaultconfig.devserver.callers import admit, charge
from vaultconfig.devserver.contents import Entry, Version
from vaultconfig.devserver.identities import READ, SUBSCRIBE, WRITE
from vaultconfig.devserver.oauth import issue_token

MAX_BATCH = 100
DEFAULT_PAGE, MAX_PAGE = 50, 100
MAX_EVENTS = 100
DEFAULT_TIMEOUT, MAX_TIMEOUT = 30, 60

_T = TypeVar("_T")


async def whoami(request: Request) -> Response:
    """``GET /v1/auth/whoami``."""
    caller = admit(request, "whoami")
    shown = {"identity_id", "identity_type", "partner_id", "scopes"}
    body = {**caller.identity.model_dump(include=shown), "tenant_id": caller.tenant}
    if not caller.instance.quickstart_only:
        body |= {"display_name": body["identity_id"], "groups": [], "roles": []}
        body["token_expires_at"] = timestamp(caller.token.expires_at)
    return Json(body)


async def put_secret(request: Request) -> Response:
    """``PUT /v1/secrets/{path}``: the answer never holds the data."""
    caller = admit(request, "write", WRITE)
    place = caller.place(request.path_params["path"], to="write")
    draft = Draft.from_json(await request.body())
    entry = caller.instance.write(place, draft, by=caller.identity.identity_id)
    newest = entry.versions[-1]
    body = {"path": place[1], "version": entry.latest, "created": entry.first == entry.latest}
    if body["created"]:
        created_at = timestamp(entry.created_at)
        return Json({**body, "secret_type": newest.secret_type, "created_at": created_at}, 201)
    updated_at = timestamp(newest.written_at)
    return Json({**body, "previous_version": entry.latest - 1, "updated_at": updated_at})


async def get_secret(request: Request) -> Response:
    """``GET /v1/secrets/{path}``, with ``?version=N`` for one that is pinned."""
    caller = admit(request, "read", READ)
    place = caller.place(request.path_params["path"], to="read")
    entry, version = caller.find(place, _number(request, "version", None))
    body = {"path": place[1], **_secret_body(entry, version)}
    if caller.instance.quickstart_only:
        del body["expires_at"], body["rotation_policy_id"]
    return Json(body)


async def list_secrets(request: Request) -> Response:
    """``GET /v1/secrets?prefix=&limit=&cursor=``: only what the identity may read."""
    caller = admit(request, "list", READ)
    limit = _number(request, "limit", DEFAULT_PAGE, at_most=MAX_PAGE)
    after = None
    with contextlib.suppress(ValueError):  # a cursor is the last path of its page
        after = bytes.fromhex(request.query_params.get("cursor", "")).decode()
    if after is None:
        raise ApiError("invalid_request", "the cursor was not made by this server")
    prefix = request.query_params.get("prefix", "")
    found = [
        (path, version)
        for path, version in caller.instance.contents.newest(caller.tenant, prefix=prefix)
        if path > after and caller.instance.identities.allows(caller.identity.read, path)
    ]
    page, has_more = found[:limit], len(found) > limit
    secrets = [
        {
            "path": path,
            "secret_type": version.secret_type,
            "version": version.number,
            "updated_at": timestamp(version.written_at),
            "tags": version.metadata.get("tags") or [],
        }
        for path, version in page
    ]
    cursor = page[-1][0].encode().hex() if has_more else None
    return Json({"secrets": secrets, "cursor": cursor, "has_more": has_more})


async def read_batch(request: Request) -> Response:
    """``POST /v1/secrets/batch``: the errors stand beside the secrets.

    With ``fail_fast`` the first error is the answer to the whole batch. Beside the batch itself,
    each path returned costs a read.
    """
    caller = admit(request, "batch", READ)
    batch = Batch.from_json(await request.body())
    if len(batch.paths) > MAX_BATCH:
        raise invalid({"paths": f"at most {MAX_BATCH} paths"})
    options = batch.options or BatchOptions()
    secrets: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for path in batch.paths:
        try:
            entry, version = caller.find(caller.place(path, to="read"), options.version)
        except ApiError as error:
            if options.fail_fast:
                raise
            errors[path] = {"code": error.code, "message": error.message}
        else:
            secrets[path] = _secret_body(entry, version, is_described=options.include_metadata)
    if secrets:  # only a rejection tells of this second limit
        charge(request, caller.identity, "read", units=len(secrets))
    return Json({"secrets": secrets, "errors": errors})


async def delete_secret(request: Request) -> Response:
    """``DELETE /v1/secrets/{path}``, softly."""
    caller = admit(request, "write", WRITE)
    place = caller.place(request.path_params["path"], to="write")
    caller.instance.delete(place, by=caller.identity.identity_id)
    deleted_at = timestamp(caller.instance.clock())
    return Json({"path": place[1], "deleted": True, "deleted_at": deleted_at})


async def create_subscription(request: Request) -> Response:
    """``POST /v1/subscriptions``."""
    caller = admit(request, "subscription", SUBSCRIBE)
    terms = NewSubscription.from_json(await request.body())
    owner = caller.identity
    subscription_id = caller.instance.subscriptions.create(terms, owner=owner, tenant=caller.tenant)
    body = {"id": subscription_id, "name": terms.name, "status": "active"}
    return Json({**body, "identity_id": owner.identity_id}, 201)


async def poll(request: Request) -> Response:
    """``GET /v1/subscriptions/{id}/poll``: at once if something is pending, else when it is."""
    caller = admit(request, "poll")
    name, owner = request.path_params["id"], caller.identity
    since = "" if caller.fault.repeat else request.query_params.get("since_event_id", "")
    timeout = _number(request, "timeout", DEFAULT_TIMEOUT, at_least=0, at_most=MAX_TIMEOUT)
    most = _number(request, "max_events", MAX_EVENTS, at_most=MAX_EVENTS)
    subscriptions = caller.instance.subscriptions
    news = subscriptions.news(name, owner=owner, since=since)  # done at once if there are some
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(news), timeout)
    pending = subscriptions.pending(name, owner=owner, since=since)
    events = [asdict(event) for event in pending[:most]]
    return Json({"events": events, "has_more": len(pending) > most})


async def acknowledge(request: Request) -> Response:
    """``POST /v1/subscriptions/{id}/ack``: what is not acknowledged comes again."""
    caller = admit(request, "subscription")
    body = Acknowledgement.from_json(await request.body())
    event_ids = [] if caller.fault.repeat else body.event_ids
    subscriptions = caller.instance.subscriptions
    count = subscriptions.acknowledge(request.path_params["id"], event_ids, owner=caller.identity)
    return Json({"acknowledged": count})


async def delete_subscription(request: Request) -> Response:
    """``DELETE /v1/subscriptions/{id}``: polls that wait end."""
    caller = admit(request, "subscription")
    name = request.path_params["id"]
    caller.instance.subscriptions.delete(name, owner=caller.identity)
    return Json({"id": name, "deleted": True})


def _number(
    request: Request, name: str, default: _T, *, at_least: int = 1, at_most: int = 10**9
) -> int | _T:
    text = request.query_params.get(name)
    if text is None:
        return default
    if re.fullmatch("[0-9]{1,11}", text) and at_least <= int(text) <= at_most:
        return int(text)
    raise invalid({name: f"a whole number from {at_least} to {at_most}"})


def _secret_body(entry: Entry, version: Version, *, is_described: bool = True) -> dict[str, Any]:
    body = {"data": version.data, "version": version.number, "secret_type": version.secret_type}
    if is_described:
        body |= {
            "metadata": version.metadata,
            "created_at": timestamp(entry.created_at),
            "updated_at": timestamp(version.written_at),
            "expires_at": timestamp(version.expires_at),
            "rotation_policy_id": entry.rotation_policy_id,
        }
    return body


class _SecretPath(PathConvertor):
    """What a URL holds in place of a secret's path; ``path`` drops a newline at its end."""

    regex = r"[\s\S]*"


register_url_convertor("secret_path", _SecretPath())

_AT_PATH = "/v1/secrets/{path:secret_path}"
QUICKSTART = [
    Route("/v1/auth/whoami", whoami),
    Route("/v1/secrets", list_secrets),
    Route(_AT_PATH, get_secret),
    Route(_AT_PATH, put_secret, methods=["PUT"]),
]
DOCUMENTED = [  # elsewhere
    Route("/v1/secrets/batch", read_batch, methods=["POST"]),
    Route(_AT_PATH, delete_secret, methods=["DELETE"]),
    Route("/oauth/token", issue_token, methods=["POST"]),
    # A response is itself an application that answers with it.
    Route("/v1/health", Json({"status": "healthy"}), methods=["GET"]),
    Route("/v1/health/ready", Json({"status": "ready"}), methods=["GET"]),
    Route("/v1/version", Json({"version": "1.0.0", "api_version": "v1"}), methods=["GET"]),
]
SUBSCRIPTIONS = [
    Route("/v1/subscriptions", create_subscription, methods=["POST"]),
    Route("/v1/subscriptions/{id}/poll", poll),
    Route("/v1/subscriptions/{id}/ack", acknowledge, methods=["POST"]),
    Route("/v1/subscriptions/{id}", delete_subscription, methods=["DELETE"]),
]
