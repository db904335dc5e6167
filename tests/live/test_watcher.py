"""Subscriptions: a change is picked up at once, or after the ttl where the vault makes no news."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from tests.live.rig import VERY_LONG, Ahead, eventually, heard
from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.client import Event, subscriptions
from vaultconfig.devserver import DevServer
from vaultconfig.errors import VaultUnavailableError
from vaultconfig.live.leading import Alone
from vaultconfig.live.refresher import Seams
from vaultconfig.live.watcher import ATTEMPT_EVERY, FAILURES_BEFORE_TOLD, LOOK_AGAIN, Watcher


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    port: Annotated[int, "vault:db#port"]


@pytest.fixture(autouse=True)
def seeded(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"port": 1})
    return vault_env


@pytest.fixture
def live(ahead: Ahead) -> Iterator[LiveSettings[Settings]]:
    live = LiveSettings(Settings, Seams(clock=ahead))
    yield live
    live.close()


def a_minute_later(live: LiveSettings[Settings], ahead: Ahead) -> None:
    """Let the time be over in which there is no second attempt to subscribe."""
    ahead.seconds += ATTEMPT_EVERY
    assert live._watcher is not None
    live._watcher._thread.wake()


def asked(vault: DevServer, method: str, ending: str) -> int:
    return sum(r.method == method and r.path.endswith(ending) for r in vault.requests)


def subscribe(live: LiveSettings[Settings], vault: DevServer) -> None:
    """Start, and wait until the read that follows the subscription is over."""
    live.start()
    eventually(lambda: live._refresher.attempts == 1)
    assert asked(vault, "POST", "/batch") == 2


def test_a_rotation_shows_within_a_second(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """With subscriptions a change is in `current` long before the ttl of 300 s."""
    subscribe(live, vault)
    changes: list[Change[Settings]] = []
    live.on_change(changes.append)
    vault.rotate("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    heard(live)
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


def test_a_deletion_is_news(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """Also where its event has the version that is held, as that of the dev server does."""
    subscribe(live, vault)
    vault.delete("api")
    eventually(lambda: live.health().state == "denied")


def test_which_events_are_news(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """What is not known yet; the newest version counts, and no event takes back another one's."""
    subscribe(live, vault)
    watcher = live._watcher
    assert watcher is not None

    def news(*events: tuple[str, int | None]) -> int | str | None:
        made = [Event("e", f"secret.{kind}", "api", version) for kind, version in events]
        return watcher._news(made).get("api", "none")

    announced = ("updated", 2)
    assert news(("updated", 1)) == "none"
    assert news(announced, ("rotated", 2)) == 2
    assert news(announced, ("rotated", None)) == news(("rotated", None), announced) == 2
    assert news(("updated", 3), announced) == 3
    assert news(("rotated", None)) is None
    assert news(announced, ("deleted", None)) is None
    assert news(("deleted", None), ("created", 1)) is None
    vault.delete("api")
    eventually(lambda: live.health().state == "denied")
    assert news(("created", 1)) == 1  # it was deleted for good, and begins anew


def test_a_restored_vault_announces_a_version_again(
    vault: DevServer, live: LiveSettings[Settings], ahead: Ahead
) -> None:
    """What was announced a ttl ago does not hide that."""
    subscribe(live, vault)
    vault.put("api", {"key": "k2"})
    eventually(lambda: live.current.key == "k2")
    vault.rollback("api", 1)
    live._refresher.refresh()
    ahead.seconds += 301.0
    live._refresher.refresh()
    assert live.current.key == "k1"
    vault.put("api", {"key": "k2 again"})
    eventually(lambda: live.current.key == "k2 again")


def test_close_unsubscribes(
    vault: DevServer, live: LiveSettings[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscription is deleted, and the poll ended that is waiting on it."""
    monkeypatch.setattr(subscriptions, "LONGEST_POLL", VERY_LONG)
    monkeypatch.setattr(Alone, "poll", VERY_LONG)
    gate = vault.hold("/v1/subscriptions/*/poll")
    subscribe(live, vault)
    gate.wait_until_asked()
    following = live._watcher
    assert following is not None
    live.close()
    eventually(lambda: not following.is_alive)
    eventually(lambda: asked(vault, "DELETE", "/sub_1") == 1)


def test_the_vault_forgets_the_subscription(
    vault: DevServer, live: LiveSettings[Settings], ahead: Ahead
) -> None:
    """After an outage that lost the subscription a new one is made, and everything read again."""
    subscribe(live, vault)
    vault.stop()
    vault.put("db", {"port": 2})
    vault.fault(path="/v1/subscriptions/sub_1/**", status=404)
    vault.start()
    eventually(lambda: live.current.port == 2)
    assert asked(vault, "POST", "/subscriptions") == 1
    a_minute_later(live, ahead)
    eventually(lambda: asked(vault, "POST", "/subscriptions") == 2)
    vault.clear_faults()
    vault.put("db", {"port": 3})
    eventually(lambda: live.current.port == 3)


def test_in_an_outage_only_the_refresh_asks(vault: DevServer, live: LiveSettings[Settings]) -> None:
    """Polls that fail would double the requests; once the vault has answered they go on."""
    subscribe(live, vault)
    watcher = live._watcher
    assert watcher is not None
    vault.stop()
    eventually(lambda: watcher._failures)
    with pytest.raises(VaultUnavailableError):
        live.refresh()
    failures = watcher._failures
    assert watcher._step() == LOOK_AGAIN
    assert watcher._failures == failures
    vault.start()
    live.refresh()
    vault.put("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    eventually(lambda: not watcher._failures)


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
    ahead: Ahead,
) -> None:
    """A refused subscription is one line in the log, however often it is tried again."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.3")
    vault.fault(path="/v1/subscriptions", **fault)
    with caplog.at_level(logging.INFO, "vaultconfig"):
        live.start()
        for attempts in (1, 2, 3):
            eventually(lambda attempts=attempts: asked(vault, "POST", "/subscriptions") == attempts)
            a_minute_later(live, ahead)
        vault.put("db", {"port": 2})
        eventually(lambda: live.current.port == 2)
    told = [r.message for r in caplog.records if r.message.startswith("changes show after the ttl")]
    assert len(told) == 1


@pytest.mark.parametrize("ending", ["", "/*/poll"], ids=["none is made", "no poll is answered"])
def test_what_fails_again_and_again_is_told(
    vault: DevServer,
    live: LiveSettings[Settings],
    ahead: Ahead,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ending: str,
) -> None:
    """A gateway that lets no request about events through is one line, and again after it did."""
    monkeypatch.setattr(Alone, "poll", 1.0)

    def told() -> int:
        return caplog.text.count("changes show after the ttl, because ")

    def following() -> Watcher:
        assert live._watcher is not None
        return live._watcher

    def stand_in_the_way() -> None:
        vault.fault(path=f"/v1/subscriptions{ending}", status=504)

    def fail() -> None:
        for failures in range(FAILURES_BEFORE_TOLD):
            a_minute_later(live, ahead)
            eventually(lambda failures=failures: following()._failures > failures)

    with caplog.at_level(logging.INFO, "vaultconfig"):
        stand_in_the_way()
        live.start()
        fail()
        eventually(lambda: told() == 1)
        vault.clear_faults()
        vault.put("db", {"port": 2})
        a_minute_later(live, ahead)
        eventually(lambda: live.current.port == 2 and not following()._failures)
        stand_in_the_way()
        vault.lose_subscriptions()
        fail()
        eventually(lambda: told() == 2)
        fail()
    assert told() == 2


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


def test_attempts_have_a_floor(
    vault: DevServer, live: LiveSettings[Settings], monkeypatch: pytest.MonkeyPatch, ahead: Ahead
) -> None:
    """However short the ttl, and whatever fails: at most one attempt to subscribe a minute."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.1")
    live.start()
    eventually(lambda: asked(vault, "GET", "/poll") == 1)
    vault.lose_subscriptions()
    vault.put("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    following = live._watcher
    assert following is not None
    eventually(lambda: following._subscription is None)
    for _ in range(20):
        following._thread.wake()
    eventually(lambda: asked(vault, "POST", "/batch") > 5)
    assert asked(vault, "POST", "/subscriptions") == 1
    a_minute_later(live, ahead)
    eventually(lambda: asked(vault, "POST", "/subscriptions") == 2)


def test_repeated_events_are_dropped(
    vault: DevServer, live: LiveSettings[Settings], ahead: Ahead
) -> None:
    """A vault that tells the same again and again is read once, and asked ever less often."""
    subscribe(live, vault)
    polls = asked(vault, "GET", "/poll")
    vault.fault(path="/v1/subscriptions/*/*", repeat=True)
    vault.rotate("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    eventually(lambda: asked(vault, "GET", "/poll") >= polls + 3)
    following = live._watcher
    assert following is not None
    assert following._early_polls > 0
    assert len(following._seen) == 2
    assert asked(vault, "GET", "/db") == 1
    assert asked(vault, "POST", "/ack") == 0
    ahead.seconds += ATTEMPT_EVERY  # where it repeats itself, an acknowledgement may help
    following._thread.wake()
    eventually(lambda: asked(vault, "POST", "/ack") == 1)
    (ack,) = [request for request in vault.requests if request.path.endswith("/ack")]
    assert len(ack.event_ids) == len(set(ack.event_ids)) == 2


def test_what_came_of_a_lost_subscription_is_not_acknowledged(
    vault: DevServer, live: LiveSettings[Settings], ahead: Ahead
) -> None:
    """The ids of its events mean nothing to the next one."""
    subscribe(live, vault)
    vault.rotate("db", {"port": 2})
    eventually(lambda: live.current.port == 2)
    vault.lose_subscriptions()
    a_minute_later(live, ahead)
    eventually(lambda: asked(vault, "POST", "/subscriptions") == 2)
    ahead.seconds += 300.0
    vault.rotate("db", {"port": 3})
    eventually(lambda: live.current.port == 3)
    eventually(lambda: asked(vault, "POST", "/ack") == 1)
    (ack,) = [request for request in vault.requests if request.path.endswith("/ack")]
    assert 1 <= len(ack.event_ids) <= 2


def test_a_vault_that_does_not_wait_is_not_asked_at_once(
    vault: DevServer, live: LiveSettings[Settings]
) -> None:
    """Polls that come back empty and early are made ever less often."""
    vault.fault(path="/v1/subscriptions/*/poll", status=200, body='{"events": []}')
    live.start()
    eventually(lambda: asked(vault, "GET", "/poll") >= 3)
    following = live._watcher
    assert following is not None
    assert following._early_polls >= 2
