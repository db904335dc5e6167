"""Faults and the log over HTTP, under ``/_dev/``, for a dev server in another process. Pure.

It takes the token of the dev server's own administrator, so that a web page that happens to be
open in a browser cannot break what is being tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vaultconfig.devserver.faults import Fault, Faults, LoggedRequest
from vaultconfig.devserver.identities import ADMIN
from vaultconfig.devserver.instance import Incoming, Instance, Reply
from vaultconfig.devserver.operations import json_object
from vaultconfig.devserver.problems import ApiError
from vaultconfig.devserver.table import Handler


def admin_routes(
    faults: Faults, requests: Sequence[LoggedRequest]
) -> list[tuple[str, str, Handler]]:
    """Return the methods, routes and handlers of the administration."""

    def show_faults(_incoming: Incoming) -> Reply:
        return Reply(body={"faults": faults.waiting()}, headers={})

    def add_fault(incoming: Incoming) -> Reply:
        faults.add(_fault(incoming.body))
        return Reply(status=201, body={"faults": faults.waiting()}, headers={})

    def clear_faults(_incoming: Incoming) -> Reply:
        faults.clear()
        return Reply(body={"faults": []}, headers={})

    def show_requests(_incoming: Incoming) -> Reply:
        return Reply(body={"requests": [_shown(request) for request in requests]}, headers={})

    return [
        ("GET", "/_dev/faults", _for_admin(show_faults)),
        ("POST", "/_dev/faults", _for_admin(add_fault)),
        ("DELETE", "/_dev/faults", _for_admin(clear_faults)),
        ("GET", "/_dev/requests", _for_admin(show_requests)),
    ]


def _for_admin(handle: Callable[[Incoming], Reply]) -> Handler:
    def guarded(instance: Instance, incoming: Incoming) -> Reply:
        authorization = incoming.headers.get("authorization")
        token = instance.identities.authenticate(authorization, now=instance.clock())
        token.identity.require_scope(ADMIN)
        return handle(incoming)

    return guarded


def _fault(body: bytes) -> Fault:
    try:
        return Fault.parse(json_object(body))
    except ValueError as exc:
        raise ApiError("validation_error", f"not a fault: {exc}") from exc


def _shown(request: LoggedRequest) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "secrets": list(request.secrets),
        "at": request.at,
    }
