"""What a test sees and sets, over HTTP under ``/_dev/`` for a dev server in another process.

It takes the token of the dev server's own administrator, so that a web page that happens
to be open in a browser cannot break what is being tested.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vaultconfig.devserver.answers import Json
from vaultconfig.devserver.faults import Fault
from vaultconfig.devserver.identities import ADMIN
from vaultconfig.devserver.instance import Instance


async def show_faults(request: Request) -> Response:
    """``GET /_dev/faults``: what is still to happen."""
    return Json({"faults": _administered(request).faults.waiting()})


async def add_fault(request: Request) -> Response:
    """``POST /_dev/faults``, with the fields of `Fault`."""
    faults = _administered(request).faults
    faults.add(Fault.from_json(await request.body()))
    return Json({"faults": faults.waiting()}, 201)


async def clear_faults(request: Request) -> Response:
    """``DELETE /_dev/faults``."""
    _administered(request).faults.clear()
    return Json({"faults": []})


async def show_requests(request: Request) -> Response:
    """``GET /_dev/requests``: the log, without these requests themselves."""
    shown = ("method", "path", "query", "secrets", "at")
    requests = _administered(request).requests
    return Json({"requests": [{name: getattr(one, name) for name in shown} for one in requests]})


def _administered(request: Request) -> Instance:
    """Return the instance if its administrator asks; else raise `ApiError`."""
    instance: Instance = request.state.instance
    authorization = request.headers.get("authorization")
    token = instance.identities.authenticate(authorization, now=instance.clock())
    token.identity.require_scope(ADMIN)
    return instance


ROUTES = [
    Route("/_dev/faults", show_faults),
    Route("/_dev/faults", add_fault, methods=["POST"]),
    Route("/_dev/faults", clear_faults, methods=["DELETE"]),
    Route("/_dev/requests", show_requests),
]
