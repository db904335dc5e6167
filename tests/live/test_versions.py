"""Versions do not go back: replicas that lag, false announcements, and restored vaults."""

from __future__ import annotations

import logging
from typing import Annotated

import pytest

from tests.live.rig import Clock, Load, eventually, heard, reads, reasons
from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import SecretNotFoundError


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    host: Annotated[str, "vault:db#host"]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"host": "h1"})
    return vault_env


def test_an_answer_of_a_replica_that_lags_is_not_taken(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """After version 2 the settings stay at version 2, and the others are refreshed all the same."""
    refresher = load()
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    vault.put("db", {"host": "h2"})
    vault.fault(path="api", lag=1)
    refresher.outcomes.clear()
    error = refresher.refresh()
    assert "version 1 of api, though there has been version 2" in str(error)
    assert (refresher.snapshot.settings.key, refresher.snapshot.settings.host) == ("k2", "h2")
    (outcome,) = refresher.outcomes
    assert outcome.change is not None
    assert outcome.change.fields == {"host"}
    health = refresher.health()
    assert (health.state, health.versions) == ("stale", {"api": 2, "db": 2})
    assert refresher.next_at() == clock.now + 0.5  # with the backoff of any other failure
    vault.clear_faults()
    clock.advance(0.5)
    refresher.step()
    assert refresher.health().state == "fresh"


def test_what_was_announced_is_asked_for_again(vault: DevServer, load: Load, clock: Clock) -> None:
    """An answer that is older than the announcement is not the last word for a ttl."""
    refresher = load()
    vault.put("api", {"key": "k2"})
    vault.fault(path="api", lag=1)
    refresher.hasten({"api": 2}, clock.now)
    for wait in (0.5, 1.0, 2.0):
        refresher.step()
        assert refresher.snapshot.settings.key == "k1"
        assert refresher.next_at() == clock.now + wait
        clock.advance(wait)
    vault.clear_faults()
    refresher.step()
    assert (refresher.snapshot.settings.key, refresher.health().state) == ("k2", "fresh")


def test_an_announcement_that_never_comes_true_is_given_up(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """After a ttl the vault's answers count again, and nothing is asked for out of turn."""
    refresher = load()
    refresher.hasten({"api": 7}, clock.now)
    refresher.step()
    assert refresher.health().state == "stale"
    clock.advance(300.0)
    refresher.step()
    assert refresher.health().state == "fresh"
    assert refresher.next_at() == clock.now + 0.75 * 300.0


def test_a_restored_vault_is_believed_after_a_ttl(
    vault: DevServer, load: Load, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A lower version that still stands after that is taken, with a line in the log."""
    refresher = load()
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    vault.rollback("api", 1)
    refresher.refresh()
    clock.advance(299.9)
    refresher.refresh()
    assert refresher.snapshot.settings.key == "k2"
    assert "for a whole ttl" not in caplog.text
    clock.advance(0.1)
    refresher.refresh()
    assert refresher.snapshot.settings.key == "k1"
    assert (
        "the vault has answered with version 1 of api, though there has been version 2"
        in caplog.text
    )
    assert refresher.health().versions["api"] == 1


def test_a_lag_that_ends_starts_anew(vault: DevServer, load: Load, clock: Clock) -> None:
    """Two short lags are not one long one."""
    refresher = load()
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    for _ in range(3):
        vault.fault(path="api", lag=1)
        refresher.refresh()
        assert refresher.snapshot.settings.key == "k2"
        vault.clear_faults()
        clock.advance(200.0)
        assert refresher.refresh() is None


def test_what_was_deleted_begins_with_version_1(vault: DevServer, load: Load) -> None:
    """A secret that was gone in between is another one: its version 1 is taken at once."""
    refresher = load()
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    vault.fault(path="/v1/secrets/batch", status=404)
    vault.fault(path="/v1/secrets/api", code="secret_not_found", times=1)
    assert reasons(refresher.refresh()) == [SecretNotFoundError]
    vault.rollback("api", 1)
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.key == "k1"


def test_settings_that_are_loaded_again_do_not_go_back(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is for plain settings: what the process has read before serves, with a warning."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.001")
    vault.put("api", {"key": "k2"})
    assert Settings().key == "k2"
    vault.fault(path="api", lag=1, times=1)
    assert Settings().key == "k2"
    assert "serving" in caplog.text


def test_no_listener_hears_of_an_older_version(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through rotations and lags the versions that listeners see rise."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.3")
    seen: list[int] = []

    def note(change: Change[Settings]) -> None:
        seen.append(change.versions["api"])

    with LiveSettings(Settings) as live:
        live.on_change(note, fields={"key"})
        for version in range(2, 8):
            vault.put("api", {"key": f"k{version}"})
            vault.fault(path="api", lag=1, times=2)
            eventually(lambda version=version: live.current.key == f"k{version}")
        heard(live)
    assert seen == sorted(set(seen))
    assert seen[-1] == 7


def test_events_of_a_lagging_vault(vault: DevServer, caplog: pytest.LogCaptureFixture) -> None:
    """With subscriptions and a ttl of minutes the announced version arrives after the lag."""
    caplog.set_level(logging.INFO, "vaultconfig")
    with LiveSettings(Settings) as live:
        eventually(lambda: len(reads(vault)) == 2)
        vault.fault(path="api", lag=1, times=2)
        vault.put("api", {"key": "k2"})
        eventually(lambda: live.current.key == "k2")
        eventually(lambda: live.health().state == "fresh")
