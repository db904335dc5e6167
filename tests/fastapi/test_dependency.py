"""What routes get, and what they get instead when there is nothing to get."""

import asyncio
import pickle
from collections.abc import Iterator
from typing import Annotated

import anyio.to_thread
import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.fastapi.conftest import CANARY, Clock, Settings
from vaultconfig import LiveSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, SettingsExpiredError, VaultUnavailableError
from vaultconfig.fastapi import lifespan

TOO_LONG = 86_400.0  # seconds: max_stale


@pytest.fixture
def app(live: LiveSettings[Settings]) -> FastAPI:
    app = FastAPI(lifespan=lifespan(live))

    @app.get("/issuer")
    async def issuer(settings: Annotated[Settings, Depends(live.dependency)]) -> str:
        return settings.issuer

    @app.get("/body")
    async def in_the_body() -> str:
        return live.current.issuer

    return app


@pytest.fixture
def client(filled: DevServer, app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_it_needs_no_thread(filled: DevServer, app: FastAPI) -> None:
    """A request is answered while every thread of FastAPI's pool is taken."""

    async def ask() -> object:
        async with app.router.lifespan_context(app):
            limiter = anyio.to_thread.current_default_thread_limiter()
            takers = [object() for _ in range(int(limiter.total_tokens))]
            for taker in takers:
                limiter.acquire_on_behalf_of_nowait(taker)
            transport = httpx2.ASGITransport(app)
            async with (
                asyncio.timeout(5),
                httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                answer = await client.get("/issuer")
            for taker in takers:
                limiter.release_on_behalf_of(taker)
            return answer.json()

    assert asyncio.run(ask()) == "signer"


def test_it_can_be_overridden(app: FastAPI, live: LiveSettings[Settings]) -> None:
    """A test can give settings of its own; then neither lifespan nor vault is needed."""
    given = Settings(issuer="of the test", key=SecretStr("-"))
    app.dependency_overrides[live.dependency] = lambda: given
    assert TestClient(app).get("/issuer").json() == "of the test"


@pytest.mark.parametrize("path", ["/issuer", "/body"])
def test_a_lifespan_that_never_ran_is_named(filled: DevServer, app: FastAPI, path: str) -> None:
    """A TestClient without its `with`, and a mounted application, hear what is missing."""
    outer = FastAPI()
    outer.mount("/inner", app)
    for client, where in ((TestClient(app), path), (TestClient(outer), f"/inner{path}")):
        with pytest.raises(ConfigurationError) as caught:
            client.get(where)
        assert "LiveSettings(Settings) has not been loaded" in str(caught.value)
        assert "with TestClient(app)" in str(caught.value)
        assert "the outermost application" in str(caught.value)
    assert list(filled.requests) == []


def test_a_mounted_application_is_served_by_the_outer_lifespan(
    filled: DevServer, app: FastAPI, live: LiveSettings[Settings]
) -> None:
    """What the error advises works."""
    outer = FastAPI(lifespan=lifespan(live))
    outer.mount("/inner", app)
    with TestClient(outer) as client:
        assert client.get("/inner/issuer").json() == "signer"


@pytest.mark.parametrize("path", ["/issuer", "/body"])
def test_expired_settings_are_a_503(
    filled: DevServer, clock: Clock, client: TestClient, path: str
) -> None:
    """Too old to be served: the client hears when to come back, and nothing of the vault."""
    filled.stop()
    clock.ahead = TOO_LONG
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the service's settings have expired"}
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_client_is_to_come_back_after_the_next_refresh(
    filled: DevServer,
    clock: Clock,
    client: TestClient,
    live: LiveSettings[Settings],
) -> None:
    """`Retry-After` is what is left until the vault is asked again, in whole seconds."""
    filled.fault(code="rate_limited", retry_after=40)
    clock.ahead = TOO_LONG
    with pytest.raises(VaultUnavailableError):
        live.refresh()
    assert client.get("/issuer").headers["Retry-After"] == "40"


def test_expired_settings_are_still_our_error(
    filled: DevServer, clock: Clock, client: TestClient, live: LiveSettings[Settings]
) -> None:
    """Outside of a request `current` raises what it always does, with the whole reason."""
    filled.stop()
    clock.ahead = TOO_LONG
    with pytest.raises(VaultUnavailableError):
        live.refresh()
    with pytest.raises(SettingsExpiredError) as caught:
        _ = live.current
    assert "more than max_stale allows: " in str(caught.value)
    assert filled.url in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    told = f"{caught.value!r} {caught.value.args} {vars(caught.value)} {caught.value.__context__}"
    assert CANARY not in told
    assert filled.token not in told


def test_an_application_recovers_by_itself(
    filled: DevServer, clock: Clock, client: TestClient, live: LiveSettings[Settings]
) -> None:
    """Once the vault has answered again, so does the application."""
    filled.stop()
    clock.ahead = TOO_LONG
    assert client.get("/issuer").status_code == 503
    filled.start()
    live.refresh()
    assert client.get("/issuer").status_code == 200


def test_an_application_without_the_lifespan(live: LiveSettings[Settings]) -> None:
    """The error says which argument is missing."""
    app = FastAPI()

    @app.get("/issuer")
    async def issuer(settings: Annotated[Settings, Depends(live.dependency)]) -> str:
        return settings.issuer

    expected = r"call start\(\) first, or write FastAPI\(lifespan=vaultconfig\.fastapi\.lifespan"
    with pytest.raises(ConfigurationError, match=expected), TestClient(app) as client:
        client.get("/issuer")
