"""Live settings in an ASGI application: its start and end, its health. Imports no framework.

Nothing in here blocks the event loop, asyncio's or trio's.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import Any, Final, TypeAlias, TypeVar

from anyio import CancelScope, to_thread
from pydantic import ValidationError

from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.live import LiveSettings, check_live
from vaultconfig.loading.descriptions import described
from vaultconfig.log import say

__all__ = ["health", "lifespan"]

App = TypeVar("App")
Lifespan: TypeAlias = Callable[[App], AbstractAsyncContextManager[Any]]
Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer: TypeAlias = tuple[int, dict[str, Any]]
"""A status of HTTP, and what its body says."""

ALIVE: Final[Answer] = 200, {"state": "alive"}

_SOON: Final = 0.5  # seconds; a server that gives up has done so by then


def lifespan(live: LiveSettings[Any], own: Lifespan[App] | None = None) -> Lifespan[App]:
    """Return a lifespan that loads *live* before the first request and closes it after the last.

    The application's own lifespan runs inside it: it finds the settings loaded, and its state is
    passed on. Of several applications that share *live* the last to end closes it. For several
    settings, give the lifespan of one as the other's *own*.

    Once it runs it raises what `LiveSettings.start` raises, and the application does not start.

    Args:
        live: Not started yet, or closed.
        own: The application's own lifespan.

    Raises:
        ConfigurationError: *live* is something else.
    """
    check_live(live, "lifespan()", "Starlette(lifespan=lifespan(live))")

    @asynccontextmanager
    async def around(app: App) -> AsyncIterator[Any]:
        problem = await to_thread.run_sync(_start, live)
        if problem is not None:
            await _log_last(
                f"the application does not start without its settings: {described(problem)}"
            )
            raise problem
        try:
            async with own(app) if own else nullcontext() as state:
                yield state
        finally:
            await _end(live)

    return around


def health(live: LiveSettings[Any], *, details: bool = False) -> ASGIApp:
    """Return an application that answers ``GET /livez`` and ``GET /readyz``, to be mounted.

    ``/readyz`` gives the state and the age in seconds of `live.health`. It is 503 only before the
    first load and once the settings have expired: to take all replicas out of service because the
    vault is down would turn its outage into one of the application.

    Args:
        live: The settings whose health is shown.
        details: Also show paths, versions and the last error, where only operators can ask.

    Raises:
        ConfigurationError: *live* is something else.
    """
    check_live(live, "health()", "health(live)")

    # Litestar wants these three names.
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        if scope["type"] != "http":
            return
        # A framework may leave a slash at the end of the path of what is mounted in it.
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        status, content = 404, {"state": "not found"}
        if path in ("livez", "readyz"):
            status, content = ALIVE if path == "livez" else readiness(live, details=details)
            if scope["method"] not in ("GET", "HEAD"):
                status, content = 405, {"state": "method not allowed"}
        body = json.dumps(content).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            **({"allow": "GET, HEAD"} if status == 405 else {}),
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    return app


def readiness(live: LiveSettings[Any], *, details: bool) -> Answer:
    """Return the answer of ``/readyz``: see `health`."""
    try:
        all_of_it = asdict(live.health())
    except ConfigurationError:
        return 503, {"state": "not loaded"}
    told = all_of_it if details else {name: all_of_it[name] for name in ("state", "age")}
    return 503 if told["state"] == "expired" else 200, told


def _start(live: LiveSettings[Any]) -> Exception | None:
    try:
        live.__enter__()
    except (VaultConfigError, ValidationError) as error:
        return error.with_traceback(None)  # it says what to do, and our frames would hide that
    return None


async def _end(live: LiveSettings[Any]) -> None:
    with CancelScope(shield=True):  # a server that gives up has to leave all the same
        await to_thread.run_sync(live.__exit__, None, None, None)


async def _log_last(sentence: str) -> None:
    """Log *sentence* last, below the traceback and other lines of the server."""
    with suppress(RuntimeError):  # under trio only the traceback shows
        task = asyncio.get_running_loop().create_task(_log_at_the_end(sentence))
        await asyncio.wait([task], timeout=0.0)  # until it has begun


async def _log_at_the_end(sentence: str) -> None:
    """Log *sentence* when the loop ends and cancels its tasks, or soon if it goes on."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(_SOON)
    say(logging.CRITICAL, sentence)
