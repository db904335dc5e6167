"""Live settings in a FastAPI application: its start and end, its dependencies, its health.

Nothing in here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from anyio import CancelScope
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from vaultconfig.errors import ConfigurationError, SettingsExpiredError, VaultConfigError
from vaultconfig.live import LiveSettings
from vaultconfig.loading.descriptions import described
from vaultconfig.log import say

__all__ = ["health_router", "lifespan"]

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[Any]]

_SOON: Final = 0.5  # seconds; a server that gives up has done so by then


def lifespan(live: LiveSettings[Any], own: Lifespan | None = None, /) -> Lifespan:
    """Return a lifespan that loads *live* before the first request and closes it after the last.

    The application's own lifespan runs inside it: it finds the settings loaded, and its state is
    passed on. Of several applications that share *live* the last to end closes it. From now on an
    expired `live.current` is answered with 503. For several settings, give the lifespan of one
    as the other's *own*.

    Args:
        live: Not started yet, or closed.
        own: The application's own lifespan.

    Raises (once it runs):
        VaultConfigError: The settings can't be loaded, so the application does not start.
        pydantic.ValidationError: The values do not fit, likewise.
    """
    if not isinstance(live, LiveSettings):
        raise ConfigurationError(
            "lifespan() takes live settings: write FastAPI(lifespan=lifespan(live)), where live is"
            " LiveSettings(Settings)"
        )
    live.translate_errors(_in_terms_of_http)

    @asynccontextmanager
    async def around(app: FastAPI) -> AsyncIterator[Any]:
        async with _running(live), own(app) if own else nullcontext() as state:
            yield state

    return around


def health_router(live: LiveSettings[Any], *, details: bool = False) -> APIRouter:
    """Return a router with ``/livez`` and ``/readyz``, both kept out of the schema.

    ``/readyz`` gives the state and the age in seconds of `live.health`. It is 503 only before the
    first load and once the settings have expired: to take all replicas out of service because the
    vault is down would turn its outage into one of the application.

    Args:
        live: The settings whose health is shown.
        details: Also show paths, versions and the last error, where only operators can ask.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> JSONResponse:
        return _uncached(200, {"state": "alive"})

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        try:
            health = asdict(live.health())
        except ConfigurationError:
            return _uncached(503, {"state": "not loaded"})
        told = health if details else {name: health[name] for name in ("state", "age")}
        return _uncached(503 if health["state"] == "expired" else 200, told)

    return router


class _ExpiredError(SettingsExpiredError, HTTPException):
    """FastAPI answers it with 503, and shows the client no paths and no reasons."""

    def __init__(self, error: VaultConfigError, *, retry_after: int) -> None:
        headers = {"Retry-After": str(retry_after)}
        HTTPException.__init__(self, 503, "the service's settings have expired", headers)
        self.args = error.args

    __str__ = Exception.__str__  # the whole reason, for the log


def _in_terms_of_http(live: LiveSettings[Any], error: VaultConfigError) -> VaultConfigError:
    if isinstance(error, SettingsExpiredError):
        seconds = live.health().next_refresh or 0.0
        return _ExpiredError(error, retry_after=max(1, math.ceil(seconds)))
    return ConfigurationError(
        f"{live!r} has not been loaded, since the lifespan of the application has not run:"
        " in a test use 'with TestClient(app)', and give vaultconfig.fastapi.lifespan to the"
        " outermost application, because that of a mounted one never runs"
    )


@asynccontextmanager
async def _running(live: LiveSettings[Any]) -> AsyncIterator[None]:
    problem = await run_in_threadpool(_start, live)
    if problem is not None:
        await _leave_word(
            f"the application does not start without its settings: {described(problem)}"
        )
        raise problem
    try:
        yield
    finally:
        with CancelScope(shield=True):  # a server that gives up has to leave all the same
            await run_in_threadpool(live.__exit__, None, None, None)


def _start(live: LiveSettings[Any]) -> Exception | None:
    try:
        live.__enter__()
    except (VaultConfigError, ValidationError) as error:
        return error.with_traceback(None)  # it says what to do, and our frames would hide that
    return None


async def _leave_word(sentence: str) -> None:
    """Log *sentence* last, below the traceback and other lines of the server."""
    with suppress(RuntimeError):  # under trio only the traceback shows
        task = asyncio.get_running_loop().create_task(_say_at_the_end(sentence))
        await asyncio.wait([task], timeout=0.0)  # until it has begun


async def _say_at_the_end(sentence: str) -> None:
    """Log *sentence* when the loop ends and cancels its tasks, or soon if it goes on."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(_SOON)
    say(logging.CRITICAL, sentence)


def _uncached(status: int, content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})
