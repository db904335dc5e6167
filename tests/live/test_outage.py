"""A real vault that goes away and comes back, and a vault that comes up late."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr

from tests.live.rig import eventually, heard, reads
from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import SettingsExpiredError

TTL = 0.2


class Settings(VaultSettings):
    key: Annotated[SecretStr, "vault:api#key"]
    host: Annotated[str, "vault:db#host"] = "localhost"


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"host": "h1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    monkeypatch.setenv("VAULTCONFIG_TTL", str(TTL))
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "2")
    return vault_env


def key(live: LiveSettings[Settings]) -> str:
    return live.current.key.get_secret_value()


def test_an_outage_of_five_ttls(vault: DevServer, caplog: pytest.LogCaptureFixture) -> None:
    """Every read is answered; the change that it hid is announced once, afterwards."""
    caplog.set_level(logging.INFO, "vaultconfig")
    changes: list[Change[Settings]] = []
    errors: list[Exception] = []
    with LiveSettings(Settings) as live:
        live.on_change(changes.append)
        live.on_error(errors.append)
        vault.stop()
        vault.put("api", {"key": "k2"})
        until = time.monotonic() + 5 * TTL
        while time.monotonic() < until:
            assert key(live) == "k1"
            time.sleep(0.001)
        eventually(lambda: len(errors) >= 2)
        health = live.health()
        assert health.state == "stale"
        assert health.age > 5 * TTL
        assert "no connection" in str(health.last_error)
        vault.start()
        eventually(lambda: key(live) == "k2")
        eventually(lambda: live.health().state == "fresh")
        asked = len(reads(vault))
        eventually(lambda: len(reads(vault)) > asked + 1)
        heard(live)
    assert [change.new.key.get_secret_value() for change in changes] == ["k2"]
    told = [m for m in caplog.messages if "fresh again" in m or "settings changed" in m]
    assert told == ["the settings are fresh again", "settings changed: key (api version 2)"]
    assert sum("not refreshed" in m for m in caplog.messages) == 1
    assert not any(value in caplog.text for value in ("k1", "k2", "h1"))


def test_an_outage_past_max_stale(vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past max_stale `current` raises, until the vault is back."""
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "0.5")
    with LiveSettings(Settings) as live:
        vault.stop()

        def has_expired() -> bool:
            try:
                _ = live.current
            except SettingsExpiredError as error:
                return "more than max_stale allows" in str(error)
            return False

        eventually(has_expired)
        health = live.health()
        assert health.state == "expired"
        assert health.age >= 0.5
        vault.start()
        eventually(lambda: not has_expired() and key(live) == "k1")


def test_a_denied_path_in_the_background(vault: DevServer) -> None:
    """It is retried by itself, while the other path is kept fresh."""
    with LiveSettings(Settings) as live:
        vault.delete("api")
        eventually(lambda: live.health().state == "denied")
        for number in range(2, 5):
            host = f"h{number}"
            vault.put("db", {"host": host})
            eventually(partial(lambda host: live.current.host == host, host))
        assert key(live) == "k1"
        vault.put("api", {"key": "k2"})
        eventually(lambda: key(live) == "k2")
        eventually(lambda: live.health().state == "fresh")


class TestDevelopment:
    """`.env` instead of a vault."""

    @pytest.fixture(autouse=True)
    def development(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
        (tmp_path / ".env").write_text("KEY=from-dotenv\n")

    def test_on_dotenv_alone_nothing_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without credentials there is no thread, and no HTTP library is loaded."""
        program = """
import sys, threading
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]

with LiveSettings(Settings) as live:
    live.on_change(print)
    live.refresh()
    assert live.current.key == "from-dotenv"
    assert live.health().state == "fresh" and live.health().next_refresh is None
    assert threading.active_count() == 1
assert "httpx" not in sys.modules
"""
        environment = {"VAULTCONFIG_ENVIRONMENT": "development"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @pytest.mark.usefixtures("few_tries")
    def test_a_vault_that_comes_up_later_takes_over(self, vault: DevServer) -> None:
        """With credentials `.env` serves meanwhile, and the state says that something is amiss."""
        vault.stop()
        changes: list[Change[Settings]] = []
        with LiveSettings(Settings) as live:
            live.on_change(changes.append)
            assert (key(live), live.current.host) == ("from-dotenv", "localhost")
            assert live.health().state == "stale"
            vault.start()
            eventually(lambda: key(live) == "k1")
            assert live.current.host == "h1"
            eventually(lambda: live.health().state == "fresh")
            heard(live)
        assert [set(change.fields) for change in changes] == [{"key", "host"}]

    def test_what_the_vault_does_not_have_is_no_failure(self, vault: DevServer) -> None:
        """A secret that only `.env` has is looked for on, and that is fresh enough."""
        vault.delete("api")
        with LiveSettings(Settings) as live:
            assert key(live) == "from-dotenv"
            live.refresh()
            assert live.health().state == "fresh"
            vault.put("api", {"key": "k2"})
            eventually(lambda: key(live) == "k2")
