"""Subscriptions: a change is picked up at once, or after the ttl where the vault makes no news."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest

from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    port: Annotated[int, "vault:db#port"]


@pytest.fixture(autouse=True)
def seeded(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"port": 1})
    return vault_env


@pytest.fixture
def live() -> Iterator[LiveSettings[Settings]]:
    live = LiveSettings(Settings)
    yield live
    live.close()


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def asked(vault: DevServer, method: str, ending: str) -> int:
    return sum(r.method == method and r.path.endswith(ending) for r in vault.requests)


def subscribe(live: LiveSettings[Settings], vault: DevServer) -> None:
    """Start, and wait until the read that follows the subscription is over."""
    live.start()
    eventually(lambda: asked(vault, "POST", "/batch") == 2)


def test_a_rotation_shows_within_a_second(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """With subscriptions a change is in `current` long before the ttl of 300 s."""
    subscribe(live, vault)
    changes: list[Change[Settings]] = []
    live.on_change(changes.append)
    vault.rotate("db", {"port": 2})
    eventually(lambda: live.current.port == 2, seconds=1.0)
    assert [change.fields for change in changes] == [{"port"}]


def test_only_what_has_changed_is_read(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """A rotation, which the vault announces twice, costs one read of its own path."""
    subscribe(live, vault)
    before = len(vault.requests)
    vault.rotate("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    vault.put("api", {"key": "k2"})
    eventually(lambda: live.current.key == "k2")
    reads = [r for r in list(vault.requests)[before:] if "/subscriptions" not in r.path]
    assert [r.path for r in reads] == ["/v1/secrets/db", "/v1/secrets/api"]


def test_close_unsubscribes_at_once(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """The subscription is deleted though a poll is waiting on it."""
    subscribe(live, vault)
    began = time.monotonic()
    live.close()
    assert time.monotonic() - began < 1.0
    assert asked(vault, "DELETE", "/sub_1") == 1


def test_the_vault_forgets_the_subscription(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """After an outage that lost the subscription a new one is made, and everything read again."""
    subscribe(live, vault)
    vault.stop()
    vault.put("db", {"port": 2})
    vault.fault(path="/v1/subscriptions/sub_1/**", status=404)
    vault.start()
    eventually(lambda: live.current.port == 2)
    eventually(lambda: asked(vault, "POST", "/subscriptions") == 2)
    vault.clear_faults()
    vault.put("db", {"port": 3})
    eventually(lambda: live.current.port == 3)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "insufficient_scope"},
        {"status": 404},
        {"code": "rate_limited", "retry_after": 60},
    ],
    ids=["no permission", "no endpoint", "too many"],
)
def test_without_subscriptions_the_ttl_remains(
    vault: DevServer,
    live: LiveSettings[Settings],
    fault: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refused subscription is one line in the log, however often it is tried again."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.3")
    vault.fault(path="/v1/subscriptions", **fault)
    tries = 1 if "retry_after" in fault else 2
    with caplog.at_level(logging.INFO, "vaultconfig"):
        live.start()
        eventually(lambda: asked(vault, "POST", "/subscriptions") == tries)
        vault.put("db", {"port": 2})
        eventually(lambda: live.current.port == 2)
    told = [r.message for r in caplog.records if r.message.startswith("changes show after the ttl")]
    assert len(told) == 1


def test_pinned_versions_need_no_news(vault: DevServer) -> None:
    """Settings that are all pinned can't change, so there is no subscription."""

    class Pinned(VaultSettings):
        first: Annotated[str, "vault:api?version=1#key"]

    with LiveSettings(Pinned) as live:
        assert live.current.first == "k1"
        live.refresh()
        vault.put("api", {"key": "k2"})
        live.refresh()
        assert live.current.first == "k1"
    assert asked(vault, "POST", "/subscriptions") == 0
