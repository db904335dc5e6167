"""Other values for a test, in the settings that an application shares."""

from __future__ import annotations

import threading
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, SecretStr, ValidationError

from tests.live.rig import reads
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.fastapi import health_router, lifespan


class Database(BaseModel):
    user: Annotated[str, "vault:db#user"]
    password: Annotated[SecretStr, "vault:db#password"]


class Settings(VaultSettings):
    name: str = "app"
    key: Annotated[SecretStr, "vault:api#key"]
    database: Database


OTHER = {"key": "other", "database": {"user": "me", "password": "mine"}}


@pytest.fixture
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"user": "app", "password": "p1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    return vault_env


def seen(live: LiveSettings[Settings]) -> tuple[str, str, str]:
    now = live.current
    return now.name, now.key.get_secret_value(), now.database.password.get_secret_value()


def test_without_a_vault_and_without_a_start() -> None:
    """With all of the vault's fields given, nothing is asked; afterwards it is as before."""
    live = LiveSettings(Settings)
    with live.override(**OTHER) as settings:
        assert live.current is settings
        assert live.newest is settings
        assert seen(live) == ("app", "other", "mine")
    with pytest.raises(ConfigurationError, match="start"):
        _ = live.current


def test_over_settings_that_are_followed(filled: DevServer) -> None:
    """The rest is the vault's, all threads see it, and afterwards rotations show again."""
    with LiveSettings(Settings) as live:
        with live.override(database={"password": "mine"}):
            found: list[tuple[str, str, str]] = []
            thread = threading.Thread(target=lambda: found.append(seen(live)))
            thread.start()
            thread.join()
            assert found == [("app", "k1", "mine")]
            assert live.current.database.user == "app"
        assert seen(live) == ("app", "k1", "p1")
        filled.put("api", {"key": "k2"})
        live.refresh()
        assert seen(live) == ("app", "k2", "p1")


def test_blocks_inside_one_another_add_up() -> None:
    """The inner one keeps what the outer one gives, and keywords of the live settings count."""
    live = LiveSettings(Settings, name="mine")
    with live.override(**OTHER):
        with live.override(key="inner"):
            assert seen(live) == ("mine", "inner", "mine")
        assert seen(live) == ("mine", "other", "mine")


def test_blocks_that_end_out_of_turn() -> None:
    """As those of two threads or tasks may: with the last one nothing of them is left."""
    live = LiveSettings(Settings, name="mine")
    first, second = live.override(**OTHER), live.override(name="second")
    with live.override(**OTHER, name="outer"):
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert seen(live)[0] == "second"
        second.__exit__(None, None, None)
        assert seen(live) == ("outer", "other", "mine")
    with pytest.raises(ConfigurationError, match="start"):
        _ = live.current


@pytest.mark.parametrize(
    ("values", "kind", "told"),
    [
        ({"kye": "x"}, ConfigurationError, "no field kye: write key"),
        ({**OTHER, "name": 5}, ValidationError, "name"),
    ],
)
def test_what_does_not_fit_is_rejected(
    values: dict[str, object], kind: type[Exception], told: str
) -> None:
    """A mistake in a test is an error there, and changes nothing."""
    live = LiveSettings(Settings)
    with live.override(**OTHER):
        with pytest.raises(kind, match=told), live.override(**values):
            raise AssertionError("entered")
        assert seen(live) == ("app", "other", "mine")


def test_what_is_not_given_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a vault that is an error, as it is of the class, and nothing stays behind."""
    for name in ("SCAIVAULT_URL", "SCAIVAULT_TOKEN", "VAULTCONFIG_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    live = LiveSettings(Settings)
    with pytest.raises(VaultConfigError) as failed, live.override(key="other"):
        raise AssertionError("entered")
    assert failed.value.__notes__ == ["override() asks the vault for fields that it is not given"]
    with pytest.raises(ConfigurationError, match="start"):
        _ = live.current


def test_an_application_starts_under_it() -> None:
    """A lifespan loads nothing then, a dependency gives the other values, and health is good."""
    live = LiveSettings(Settings)
    app = FastAPI(lifespan=lifespan(live))
    app.include_router(health_router(live))

    @app.get("/")
    def route(settings: Settings = Depends(live.dependency)) -> str:  # noqa: B008
        return settings.key.get_secret_value()

    with live.override(**OTHER):
        for _ in range(2):  # the end of the first application closes it
            with TestClient(app) as client:
                assert client.get("/").json() == "other"
                assert client.get("/readyz").status_code == 200
    with pytest.raises(ConfigurationError):
        _ = live.current


def test_closing_inside_closes(filled: DevServer) -> None:
    """What is closed under it is closed afterwards, too."""
    live = LiveSettings(Settings)
    live.start()
    with live.override(name="other"):
        live.close()
    assert seen(live) == ("app", "k1", "p1")
    assert live.health().next_refresh is None


def test_threads_that_start_under_it_do_not_outlive_it(filled: DevServer) -> None:
    """They would follow the settings of the block; the next read starts others."""
    live = LiveSettings(Settings)
    live.load()
    with live.override(name="other"):
        live.start()
        assert live.health().next_refresh is not None
    asked = len(reads(filled))
    assert seen(live) == ("app", "k1", "p1")
    filled.put("api", {"key": "k2"})
    live.refresh()
    assert seen(live) == ("app", "k2", "p1")
    assert len(reads(filled)) == asked + 1
    live.close()
