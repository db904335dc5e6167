"""What an orchestrator is told."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.fastapi.conftest import CANARY, PATH, Clock, Settings
from vaultconfig import LiveSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import VaultConfigError
from vaultconfig.fastapi import health_router, lifespan


@pytest.fixture
def app(live: LiveSettings[Settings]) -> FastAPI:
    app = FastAPI(lifespan=lifespan(live))
    app.include_router(health_router(live))
    app.include_router(health_router(live, details=True), prefix="/internal")
    return app


@pytest.fixture
def client(filled: DevServer, app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_before_the_first_load_it_lives_and_is_not_ready(app: FastAPI) -> None:
    """Restarting it would not help, and sending it requests neither."""
    client = TestClient(app)
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"state": "not loaded"})


def test_fresh_settings_are_ready(client: TestClient) -> None:
    """State and age are for everyone; no cache keeps them."""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json().keys() == {"state", "age"}
    assert answer.json()["state"] == "fresh"
    assert 0 <= answer.json()["age"] < 60


@pytest.mark.parametrize(
    ("trouble", "state"), [(DevServer.stop, "stale"), (lambda vault: vault.deny(PATH), "denied")]
)
def test_an_outage_takes_nobody_out_of_service(
    filled: DevServer,
    client: TestClient,
    live: LiveSettings[Settings],
    trouble: Callable[[DevServer], None],
    state: str,
) -> None:
    """With settings that can still be served the service goes on serving, and says how it is."""
    trouble(filled)
    with pytest.raises(VaultConfigError):
        live.refresh()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert answer.json().keys() == {"state", "age"}


def test_expired_settings_are_not_ready(
    filled: DevServer, client: TestClient, clock: Clock
) -> None:
    """Whoever can't be served is better served elsewhere; a restart would not help."""
    filled.stop()
    clock.ahead = 86_400.0
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["state"]) == (503, "expired")
    assert answer.json()["age"] >= 86_400.0
    assert client.get("/livez").status_code == 200


def test_details_are_for_who_asks_for_them(
    filled: DevServer, client: TestClient, live: LiveSettings[Settings]
) -> None:
    """Paths, versions and errors only show where the application wants it; values never."""
    assert client.get("/internal/readyz").json()["versions"] == {PATH: 1}
    filled.deny(PATH)
    with pytest.raises(VaultConfigError):
        live.refresh()
    answer = client.get("/internal/readyz")
    assert PATH in answer.json()["last_error"]
    assert 0 <= answer.json()["next_refresh"] <= 1
    everything = f"{answer.text} {client.get('/readyz').text}"
    assert CANARY not in everything
    assert filled.token not in everything
    assert PATH not in client.get("/readyz").text


def test_the_schema_does_not_tell_of_them(client: TestClient) -> None:
    """They are for the orchestrator, not for the users of the API."""
    assert client.get("/openapi.json").json()["paths"] == {}
