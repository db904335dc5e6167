"""What a test sees and sets; over HTTP under ``/_dev/``, for a dev server in another process.

There it takes the token of the dev server's own administrator, so that a web page that happens
to be open in a browser cannot break what is being tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vaultconfig.devserver.answers import Json
from vaultconfig.devserver.faults import Fault, Faults, Hold, LoggedRequest
from vaultconfig.devserver.identities import ADMIN
from vaultconfig.devserver.instance import Instance


@dataclass(slots=True)
class Stage:
    """The requests so far, and what is to happen to the next ones."""

    requests: list[LoggedRequest] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)


async def show_faults(request: Request) -> Response:
    """``GET /_dev/faults``: what is still to happen."""
    return Json({"faults": _stage(request).faults.waiting()})


async def add_fault(request: Request) -> Response:
    """``POST /_dev/faults``, with the fields of `Fault`."""
    faults = _stage(request).faults
    faults.add(Fault.from_json(await request.body()))
    return Json({"faults": faults.waiting()}, 201)


async def clear_faults(request: Request) -> Response:
    """``DELETE /_dev/faults``."""
    _stage(request).faults.clear()
    return Json({"faults": []})


async def show_requests(request: Request) -> Response:
    """``GET /_dev/requests``: the log, without these requests themselves."""
    return Json(
        {
            "requests": [
                {
                    "method": logged.method,
                    "path": logged.path,
                    "query": logged.query,
                    "secrets": logged.secrets,
                    "at": logged.at,
                }
                for logged in _stage(request).requests
            ]
        }
    )


def _stage(request: Request) -> Stage:
    """Return the stage if an administrator asks; else raise `ApiError`."""
    instance: Instance = request.state.instance
    authorization = request.headers.get("authorization")
    token = instance.identities.authenticate(authorization, now=instance.clock())
    token.identity.require_scope(ADMIN)
    stage: Stage = request.state.stage
    return stage


ROUTES = [
    Route("/_dev/faults", show_faults),
    Route("/_dev/faults", add_fault, methods=["POST"]),
    Route("/_dev/faults", clear_faults, methods=["DELETE"]),
    Route("/_dev/requests", show_requests),
]
