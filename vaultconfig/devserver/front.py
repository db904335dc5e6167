"""What happens to every request, from the socket to the answer.

It is read whole, logged, turned away if it is meant for another server, held if a test says so,
and answered by its route; the answer is then sent the way the fault wants it. Everything else of a
request is in `operations`, `admin` and `oauth`, whose endpoints find in ``request.state``: the
instance, the fault, the request's id, and the headers that every answer will have.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vaultconfig.devserver import admin
from vaultconfig.devserver.answers import ApiError, Json
from vaultconfig.devserver.faults import NO_FAULT, Fault, LoggedRequest
from vaultconfig.devserver.hosts import is_for_loopback
from vaultconfig.devserver.instance import Instance

_ADMINISTRATION = "/_dev/"
_LOG_LENGTH = 10_000
_MISDIRECTED = ApiError(
    "misdirected_request",
    "this dev server answers only requests that call it localhost, 127.0.0.1 or [::1] in Host,"
    " Origin and URL: use one of these names",
)


class Front:
    """The ASGI application of a dev server."""

    def __init__(self, instance: Instance, routes: Sequence[Route]) -> None:
        self._instance = instance
        self._router = Router([*routes, *admin.ROUTES], redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # The client has gone; or the server ends (only that cancels), and with it the connection.
        with contextlib.suppress(asyncio.CancelledError, ClientDisconnect):
            await self._answer(Request(scope, receive), send)

    async def _answer(self, request: Request, send: Send) -> None:
        body, state = await request.body(), request.state
        state.instance, state.fault = self._instance, NO_FAULT
        state.request_id = f"req_{secrets.token_hex(8)}"
        state.headers = {"X-Request-ID": state.request_id}  # for whatever the answer will be
        answer: ASGIApp = self._router
        logged = self._logged(request, body)
        if state.on_loopback and not is_for_loopback(request.scope):
            answer = _MISDIRECTED.answer(request)
        elif not logged.path.startswith(_ADMINISTRATION):  # which ends holds and faults
            for hold in list(self._instance.holds):
                await hold.pass_through(logged)
            state.fault = fault = self._instance.faults.take(logged)
            await asyncio.sleep(fault.delay)
            if fault.drop or fault.reset:
                await _hang_up(request, how="reset" if fault.reset else "close")
                return
            answer = _stand_in(fault, request) or answer
        start, part = await _answered(answer, body, request)
        await _deliver(start, part, request, send)

    def _logged(self, request: Request, body: bytes) -> LoggedRequest:
        path = request.scope["path"]
        _, _, secret = path.partition("/v1/secrets/")
        is_batch = (request.method, secret) == ("POST", "batch")
        logged = LoggedRequest(
            method=request.method,
            path=path,
            query=dict(request.query_params),
            secrets=_named_in(body, "paths") if is_batch else (secret,) if secret else (),
            event_ids=_named_in(body, "event_ids") if path.endswith("/ack") else (),
            header_names=frozenset(request.headers),
            connection=request.client.port if request.client else 0,
            is_reuse=next(request.state.earlier) > 0,
            at=self._instance.clock(),
        )
        if not path.startswith(_ADMINISTRATION):
            self._instance.requests.append(logged)
            del self._instance.requests[:-_LOG_LENGTH]
        return logged


def _named_in(body: bytes, key: str) -> tuple[str, ...]:
    # The log has what came, whether or not an endpoint will take it.
    try:
        return tuple(str(text) for text in json.loads(body)[key])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()


def _stand_in(fault: Fault, request: Request) -> Response | None:
    """Return what the fault has in place of the true answer, if it has."""
    if fault.code is not None:
        answer = ApiError(fault.code, "a fault that was asked for").answer(request)
    elif fault.status is not None:
        answer = Response(b"", fault.status, media_type="text/plain")
    elif fault.garbage:
        answer = Response(b"<html>this is not JSON</html>", media_type="text/html")
    else:
        return None
    answer.headers.update(fault.headers)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


async def _answered(answer: ASGIApp, body: bytes, request: Request) -> list[Message]:
    """Let *answer* work on the request's *body*, and keep what it sends: a start and a body."""
    kept: list[Message] = []

    async def read_again() -> Message:
        return {"type": "http.request", "body": body}

    async def keep(message: Message) -> None:
        kept.append(message)

    try:
        await answer(request.scope, read_again, keep)
    except ApiError as error:
        rejection = error.answer(request)
    except HTTPException as error:  # of the token endpoint, in RFC 6749's words
        rejection = Json({"error": error.detail}, error.status_code, error.headers)
    except OSError as error:  # of the state file, so the write has not happened
        message = f"the contents can't be kept: {error.strerror}"
        rejection = ApiError("internal_error", message).answer(request)
    else:
        return kept
    await rejection(request.scope, read_again, keep)
    return kept


async def _deliver(start: Message, part: Message, request: Request, send: Send) -> None:
    """Send a whole answer the way the fault wants it."""
    fault: Fault = request.state.fault
    headers, content = MutableHeaders(raw=[*start["headers"]]), bytes(part["body"])
    headers.update(request.state.headers)
    if fault.body is not None:
        content = fault.body.encode()
        headers["Content-Length"] = str(len(content))
    await send({**start, "headers": headers.raw})
    if fault.truncate:
        content = content[: len(content) // 2]
    if fault.drip:
        for byte in content:  # uvicorn writes each part at once
            await send({**part, "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(fault.drip)
        content = b""
    await send({**part, "body": content, "more_body": fault.truncate})
    if fault.truncate:
        await _hang_up(request)


async def _hang_up(request: Request, *, how: str = "close") -> None:
    """Close or reset the connection after what was sent, and wait until uvicorn knows."""
    request.scope["state"][how]()
    await request.receive()  # the body was read before, so that is the disconnect
