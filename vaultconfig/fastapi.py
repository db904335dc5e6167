"""Live settings in a FastAPI application: its start and end, its dependencies, its health.

Nothing in here blocks the event loop. What needs no FastAPI is in `vaultconfig.asgi`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from vaultconfig import asgi
from vaultconfig.errors import (
    ConfigurationError,
    SettingsExpiredError,
    VaultConfigError,
    missing_extra,
)
from vaultconfig.live import LiveSettings, check_live

if _missing := missing_extra("vaultconfig.fastapi", ["fastapi"], extra="fastapi"):
    raise _missing

from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import JSONResponse

__all__ = ["health_router", "lifespan"]

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def lifespan(live: LiveSettings[Any], own: Lifespan | None = None, /) -> Lifespan:
    """Return the lifespan that `vaultconfig.asgi.lifespan` describes.

    From now on an expired `live.current` is answered with 503.

    Args:
        live: Not started yet, or closed.
        own: The application's own lifespan.

    Raises:
        ConfigurationError: *live* is something else.
    """
    check_live(live, "lifespan()", "FastAPI(lifespan=lifespan(live))")
    live.translate_errors(_in_terms_of_http)
    return asgi.lifespan(live, own)


def health_router(live: LiveSettings[Any], *, details: bool = False) -> APIRouter:
    """Return a router with ``/livez`` and ``/readyz``, both kept out of the schema.

    What they say, and when ``/readyz`` is 503, is that of `vaultconfig.asgi.health`.

    Args:
        live: The settings whose health is shown.
        details: Also show paths, versions and the last error, where only operators can ask.

    Raises:
        ConfigurationError: *live* is something else.
    """
    check_live(live, "health_router()", "health_router(live)")
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> JSONResponse:
        return _uncached(*asgi.ALIVE)

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        return _uncached(*asgi.readiness(live, details=details))

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


def _uncached(status: int, content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})
