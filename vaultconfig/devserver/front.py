"""The HTTP side of the dev server: routes, the log, holds and faults around the operations.

Each request is read whole, logged, turned away if it is meant for another server, held if a test
says so, answered, and the answer is then sent the way the fault wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from vaultconfig.devserver.admin import admin_routes
from vaultconfig.devserver.faults import NO_FAULT, Fault, Faults, LoggedRequest
from vaultconfig.devserver.hosts import is_for_loopback
from vaultconfig.devserver.instance import Incoming, Instance, Later, Reply
from vaultconfig.devserver.problems import ApiError
from vaultconfig.devserver.rendezvous import Hold
from vaultconfig.devserver.table import Handler, answer, answer_later, rows

_LOG_LENGTH = 10_000
_MISDIRECTED = ApiError(
    "misdirected_request",
    "this dev server answers only requests that call it localhost, 127.0.0.1 or [::1] in Host,"
    " Origin and URL: use one of these names",
)


class _SecretPath(PathConvertor):
    """What a URL holds in place of a secret's path; ``path`` drops a newline at its end."""

    regex = r"[\s\S]*"


register_url_convertor("secret_path", _SecretPath())


@dataclass(slots=True)
class Stage:
    """What a test sees and sets: the requests so far, and what is to happen to the next ones."""

    requests: list[LoggedRequest] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)


class Front:
    """The ASGI application of a dev server."""

    def __init__(
        self, instance: Instance, stage: Stage, *, new_request_id: Callable[[], str]
    ) -> None:
        self._stage = stage
        self._clock = instance.clock
        self._new_request_id = new_request_id
        table = [(row.method, row.route, row.handle) for row in rows(instance)]
        self._router = Router(
            [
                Route(route, _endpoint(handle, instance), methods=[method])
                for method, route, handle in [*table, *admin_routes(stage.faults, stage.requests)]
            ],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # The client has gone; or the server ends (only that cancels), and with it the connection.
        with contextlib.suppress(asyncio.CancelledError, ClientDisconnect):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["state"]["request_id"] = self._new_request_id()
        http_request = Request(scope, receive)
        body = await http_request.body()
        request = self._logged(http_request, body)
        if scope["state"]["on_loopback"] and not is_for_loopback(scope):
            return await _deliver(_refused(_MISDIRECTED, request_id), NO_FAULT, send=send)
        fault = await self._enter(request)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop or fault.reset:
            return await _close(scope, receive, how="reset" if fault.reset else "close")
        scope["state"]["fault"] = fault
        response = _stand_in(fault, request_id) or await self._routed(scope, body)
        response.headers["X-Request-ID"] = request_id
        if fault.body is not None:
            response = _with_body(response, fault.body.encode())
        await _deliver(response, fault, send=send)
        if fault.truncate:
            await _close(scope, receive)
        return None

    async def _enter(self, request: LoggedRequest) -> Fault:
        if _is_administration(request):
            return NO_FAULT
        for hold in list(self._stage.holds):
            await hold.pass_through(request)
        return self._stage.faults.take(request) or NO_FAULT

    def _logged(self, request: Request, body: bytes) -> LoggedRequest:
        path = request.scope["path"]
        _, _, secret = path.partition("/v1/secrets/")
        is_batch = (request.method, secret) == ("POST", "batch")
        logged = LoggedRequest(
            method=request.method,
            path=path,
            query=dict(request.query_params),
            secrets=_texts(body, "paths") if is_batch else (secret,) if secret else (),
            event_ids=_texts(body, "event_ids") if path.endswith("/ack") else (),
            header_names=frozenset(request.headers),
            connection=request.client.port if request.client else 0,
            is_reuse=next(request.state.earlier) > 0,
            at=self._clock(),
        )
        if not _is_administration(logged):
            self._stage.requests.append(logged)
            del self._stage.requests[:-_LOG_LENGTH]
        return logged

    async def _routed(self, scope: Scope, body: bytes) -> Response:
        """Let the router answer, and keep the answer instead of sending it."""
        kept: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": body}

        async def keep(message: Mapping[str, Any]) -> None:
            kept.append(message)

        await self._router(scope, receive, keep)  # type: ignore[arg-type]  # mappings will do
        start, *parts = kept
        response = Response(b"".join(part.get("body", b"") for part in parts), start["status"])
        response.raw_headers = list(start["headers"])
        return response


def _endpoint(handle: Handler, instance: Instance) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        incoming = Incoming(
            target=request.path_params.get("target", ""),
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await request.body(),
            request_id=request.state.request_id,
            fault=request.state.fault,
        )
        outcome = answer(handle, instance, incoming)
        if isinstance(outcome, Later):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(outcome.news), outcome.timeout)
            outcome = answer_later(outcome, incoming)
        return _rendered(outcome)

    return endpoint


def _rendered(reply: Reply) -> Response:
    # ASCII, so that a lone surrogate comes back the way it was put.
    return Response(
        json.dumps(reply.body, allow_nan=False),
        reply.status,
        {**reply.headers},
        media_type="application/json",
    )


def _is_administration(request: LoggedRequest) -> bool:
    return request.path.startswith("/_dev/")


def _refused(problem: ApiError, request_id: str) -> Response:
    headers = {**problem.headers, "X-Request-ID": request_id}
    return _rendered(
        Reply(status=problem.status, body=problem.envelope(request_id), headers=headers)
    )


def _texts(body: bytes, key: str) -> tuple[str, ...]:
    try:
        return tuple(str(text) for text in json.loads(body)[key])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()


def _stand_in(fault: Fault, request_id: str) -> Response | None:
    """Return what the fault has in place of the true answer, if it has."""
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.code is not None:
        problem = ApiError(fault.code, "a fault that was asked for", headers=headers)
        return _refused(problem, request_id)
    if fault.status is not None:
        return Response(b"", fault.status, headers, media_type="text/plain")
    if fault.garbage:
        return Response(b"<html>this is not JSON</html>", 200, headers, media_type="text/html")
    return None


def _with_body(response: Response, body: bytes) -> Response:
    response.body = body
    response.headers["Content-Length"] = str(len(body))
    return response


async def _deliver(response: Response, fault: Fault, *, send: Send) -> None:
    body = bytes(response.body)
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    sent = body[: len(body) // 2] if fault.truncate else body
    if fault.drip:
        for index in range(len(sent)):
            await _send_part(send, sent[index : index + 1])
            await asyncio.sleep(fault.drip)
        sent = b""
    await _send_part(send, sent, is_last=not fault.truncate)


async def _send_part(send: Send, part: bytes, *, is_last: bool = False) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": not is_last})


async def _close(scope: Scope, receive: Receive, *, how: str = "close") -> None:
    """Close or reset the connection after what was sent, and wait until uvicorn knows."""
    scope["state"][how]()
    await receive()  # the body was read before, so that is the disconnect
