"""Live settings without FastAPI: in Starlette, in plain ASGI, and on a server."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from tests.fastapi.conftest import CANARY, PATH, Clock, Settings
from tests.live.rig import LONG, eventually
from vaultconfig import LiveSettings
from vaultconfig.asgi import health, lifespan
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError


def threads() -> list[threading.Thread]:
    ours = ("vaultconfig-refresh", "vaultconfig-watch")
    return [thread for thread in threading.enumerate() if thread.name in ours]


def starlette_of(live: LiveSettings[Settings], **options: Any) -> Starlette:
    async def issuer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(live.current.issuer)

    return Starlette(routes=[Route("/", issuer), Mount("/health", health(live))], **options)


def test_importing_it_loads_no_framework() -> None:
    """Neither FastAPI nor Starlette, nor any server."""
    code = (
        "import sys, vaultconfig.asgi, vaultconfig.redaction;"
        "sys.exit(', '.join({'fastapi', 'starlette', 'uvicorn', 'litestar'} & {*sys.modules}) or 0)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=LONG)


def test_starlette_with_a_lifespan_of_its_own(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """It finds the settings loaded, its state is passed on, and the end leaves no thread."""

    @asynccontextmanager
    async def own(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"issuer": live.current.issuer}

    async def state(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.issuer)

    app = starlette_of(live, lifespan=lifespan(live, own))
    app.router.routes.append(Route("/state", state))
    with TestClient(app) as client:
        assert client.get("/").text == "signer"
        assert client.get("/state").text == "signer"
        assert threads() != []
    eventually(lambda: threads() == [])


def test_starlette_does_not_start_without_its_settings(
    vault_env: DevServer, live: LiveSettings[Settings]
) -> None:
    """The error is ours, and names the secret."""
    app = starlette_of(live, lifespan=lifespan(live))
    with pytest.raises(UnresolvedSettingsError) as caught, TestClient(app):
        raise AssertionError("it has started")
    assert PATH in f"{caught.value}"
    assert threads() == []


def test_an_end_that_is_cancelled_closes_all_the_same(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """A server that gives up cancels its tasks; the settings are closed before they end."""

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with lifespan(live)(None):
                scope.cancel()
                await anyio.sleep(LONG)

    anyio.run(run)
    eventually(lambda: threads() == [])


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve *app* on a free port until the block ends; the URL is "" where it did not start."""
    config = uvicorn.Config(app, port=0, log_config=None)
    server = uvicorn.Server(config)

    def run() -> None:
        with suppress(SystemExit):  # of a start that failed
            server.run()

    running = threading.Thread(target=run)
    running.start()
    try:
        eventually(lambda: server.started or not running.is_alive())
        url = ""
        if server.started:
            host, port = server.servers[0].sockets[0].getsockname()
            url = f"http://{host}:{port}"
        yield url
    finally:
        server.should_exit = True
        running.join(LONG)


def test_on_a_server(filled: DevServer, live: LiveSettings[Settings]) -> None:
    """Settings are there before the first request, and no thread after the end."""
    with served(starlette_of(live, lifespan=lifespan(live))) as url:
        assert httpx.get(url, timeout=LONG).text == "signer"
        assert httpx.get(f"{url}/health/readyz", timeout=LONG).json()["state"] == "fresh"
    eventually(lambda: threads() == [])


def test_a_server_does_not_start_without_settings(
    vault_env: DevServer, live: LiveSettings[Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """It ends, and the log says which secret there is not."""
    with served(starlette_of(live, lifespan=lifespan(live))) as url:
        assert url == ""
    assert any(PATH in line and "there is no secret" in line for line in caplog.messages)
    assert vault_env.token not in caplog.text
    assert threads() == []


def test_health_as_an_application(
    filled: DevServer, live: LiveSettings[Settings], clock: Clock
) -> None:
    """What FastAPI's router says, mounted or alone, and nothing else."""
    mounted = TestClient(starlette_of(live, lifespan=lifespan(live)), base_url="http://test")
    alone = TestClient(health(live, details=True))
    for client, prefix in ((mounted, "/health"), (alone, "")):
        assert client.get(f"{prefix}/livez").json() == {"state": "alive"}
        answer = client.get(f"{prefix}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"state": "not loaded"})
    with mounted:
        answer = mounted.get("/health/readyz")
        assert answer.status_code == 200
        assert answer.json().keys() == {"state", "age"}
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "application/json"
        assert alone.get("/readyz").json()["versions"] == {PATH: 1}
        assert alone.head("/livez").content == b""
        assert alone.head("/livez").headers["Content-Length"] == "18"
        refused = alone.post("/readyz")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
        assert alone.get("/").status_code == alone.get("/other").status_code == 404
        filled.stop()
        clock.ahead = 86_400.0
        assert mounted.get("/health/readyz").status_code == 503
        assert mounted.get("/health/livez").status_code == 200
        assert CANARY not in alone.get("/readyz").text


@pytest.mark.parametrize("wrong", [Settings, FastAPI()])
def test_what_is_not_live_is_rejected(wrong: Any) -> None:
    """The class, or a forgotten call, is named before anything runs."""
    for call in (lifespan, health):
        with pytest.raises(ConfigurationError, match=r"\(\) takes live settings: write "):
            call(wrong)
