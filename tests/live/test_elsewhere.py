"""Readings that other processes have made: how old they are, what they replace, what they end."""

from __future__ import annotations

from collections.abc import KeysView, Mapping
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from tests.live.rig import Clock, Load, reads, reasons
from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import AccessDeniedError, SecretNotFoundError, VaultUnavailableError
from vaultconfig.masking.values import mask
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.vault import Vault

CANARY = "hunter2-canary"
DOWN = VaultUnavailableError("no connection to the vault")
API, DB, EXTRA = SecretKey("api"), SecretKey("db"), SecretKey("extra")


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    port: Annotated[int, "vault:db#port"]
    extra: Annotated[str, "vault:extra?optional#x"] = "default"


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"port": 1})
    return vault_env


def api(key: str, read_at: float, *, version: int = 2, **more: Any) -> dict[SecretKey, Reading]:
    return {API: stored(Secret("api", version, mask({"key": key})), read_at, **more)}


def db(port: object, read_at: float, *, version: int = 2) -> dict[SecretKey, Reading]:
    return {DB: stored(Secret("db", version, mask({"port": port})), read_at)}


def no_extra(read_at: float) -> dict[SecretKey, Reading]:
    return {EXTRA: stored(SecretNotFoundError("extra"), read_at)}


def stored(answer: SecretOrError, read_at: float, **more: Any) -> Reading:
    return Reading(answer, read_at, is_stored=True, **more)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[SecretKey, float]]:
    """From when on what is read has to have been read, for each time that the vault is asked."""
    found: list[Mapping[SecretKey, float]] = []
    reread = Vault.reread

    def noting(self: Vault, *args: Any, **options: Any) -> Mapping[SecretKey, Reading]:
        found.append(options["since"])
        return reread(self, *args, **options)

    monkeypatch.setattr(Vault, "reread", noting)
    return found


def test_it_is_used_as_if_it_had_been_read_here(vault: DevServer, load: Load, clock: Clock) -> None:
    """New settings, told of as a change, with the age of the reading; the vault is not asked."""
    refresher = load()
    clock.advance(10.0)
    refresher.take(api("k2", clock.now - 4.0) | db(1, clock.now - 3.0, version=1))
    assert refresher.snapshot.settings.key == "k2"
    (outcome,) = refresher.outcomes
    assert outcome.change is not None
    assert (set(outcome.change.fields), outcome.change.versions) == ({"key"}, {"api": 2})
    assert (outcome.error, outcome.has_failed, refresher.attempts) == (None, False, 1)
    assert (outcome.health.state, outcome.health.age) == ("fresh", 4.0)
    assert len(reads(vault)) == 1


def test_it_is_due_as_if_it_had_been_read_here(load: Load, clock: Clock) -> None:
    """Its ttl counts from when it was read."""
    refresher = load()
    clock.advance(10.0)
    now = clock.now
    refresher.take(api("k2", now - 2.0) | db(2, now - 1.0) | no_extra(now))
    assert refresher.next_at() == now - 2.0 + 0.75 * 300.0


def test_a_secret_that_is_not_there_is_an_answer(load: Load, clock: Clock) -> None:
    """An optional one goes to its default, and comes back."""
    refresher = load()
    extra = Secret("extra", 1, mask({"x": "there"}))
    clock.advance(1.0)
    refresher.take({EXTRA: stored(extra, clock.now)})
    assert refresher.snapshot.settings.extra == "there"
    clock.advance(1.0)
    refresher.take(no_extra(clock.now))
    assert refresher.snapshot.settings.extra == "default"
    assert refresher.health().state == "fresh"


@pytest.mark.parametrize(
    "readings",
    [
        {},
        api("k1", 1000.0, version=1),  # as old as what is held
        api("k2", 900.0),
        api("k0", 1001.0, version=0),
        {SecretKey("elsewhere"): stored(Secret("elsewhere", 1, {}), 1001.0)},
    ],
)
def test_what_is_not_newer_is_not_used(
    load: Load, clock: Clock, readings: Mapping[SecretKey, Reading]
) -> None:
    """Nothing, older readings, older versions and foreign secrets are no refresh at all."""
    refresher = load()
    old = refresher.snapshot
    clock.advance(1.0)
    refresher.take(readings)
    assert refresher.snapshot is old
    assert (refresher.attempts, len(refresher.outcomes)) == (0, 0)


def test_what_is_older_than_was_announced_is_not_used(load: Load, clock: Clock) -> None:
    """Nor does it end the wait for what was announced."""
    refresher = load()
    refresher.hasten({"api": 3}, clock.now + 0.5)
    refresher.step()
    clock.advance(0.1)
    refresher.take(api("k2", clock.now))
    assert refresher.snapshot.settings.key == "k1"
    assert refresher.next_at() == clock.now + 0.4
    refresher.take(api("k3", clock.now, version=3))
    assert refresher.snapshot.settings.key == "k3"
    assert refresher.next_at() > clock.now + 0.4


def test_after_the_end_nothing_is_taken(load: Load, clock: Clock) -> None:
    """Closed settings stay as they are."""
    refresher = load()
    refresher.is_ended = True
    clock.advance(1.0)
    refresher.take(api("k2", clock.now))
    assert refresher.snapshot.settings.key == "k1"


def test_a_value_that_does_not_fit_is_held_back(load: Load, clock: Clock) -> None:
    """As one that was read here; the value in use instead is as old as that reading."""
    refresher = load()
    clock.advance(100.0)
    refresher.take(api("k2", clock.now) | db(CANARY, clock.now - 10.0))
    settings, health = refresher.snapshot.settings, refresher.health()
    assert (settings.key, settings.port) == ("k2", 1)
    assert (health.state, health.age) == ("invalid", 10.0)
    assert refresher.in_child().health().age == 10.0
    assert isinstance(refresher.outcomes.pop().error, ValidationError)
    assert CANARY not in str(health)


def test_what_an_outage_has_brought_is_used_and_said(load: Load, clock: Clock) -> None:
    """A reading past its ttl is better than an older one; the state tells why it is that old."""
    refresher = load()
    clock.advance(1000.0)
    brought = api("k2", clock.now - 400.0, outage=DOWN) | db(2, clock.now)
    refresher.take(brought | no_extra(clock.now))
    assert refresher.snapshot.settings.key == "k2"
    outcome, health = refresher.outcomes.pop(), refresher.health()
    assert outcome.change is not None
    assert reasons(outcome.error) == [VaultUnavailableError]
    assert (health.state, health.age, health.source) == ("stale", 400.0, "store")
    assert "no connection" in str(health.last_error)
    assert health.next_refresh == 0.5


def test_the_source_is_the_store_only_in_need(vault: DevServer, load: Load, clock: Clock) -> None:
    """While what is older than its ttl came from there."""
    refresher = load()
    assert refresher.health().source == "vault"
    clock.advance(10.0)
    refresher.take(api("k2", clock.now))
    clock.advance(299.9)
    assert refresher.health().source == "vault"  # db, from the vault, is the older one
    clock.advance(0.1)
    assert refresher.health().source == "store"
    vault.put("api", {"key": "k2"})
    assert refresher.refresh() is None
    assert refresher.health().source == "vault"


def test_without_secrets_there_is_no_source(load: Load, clock: Clock) -> None:
    """Nor anything that could expire, also where an optional secret is looked for."""

    class Optional(VaultSettings):
        extra: Annotated[str, "vault:extra?optional#x"] = "default"

    class Plain(VaultSettings):
        name: str = "app"

    for settings_cls in (Optional, Plain):
        health = load(settings_cls).health()
        assert (health.source, health.expires_in) == (None, None)


def test_expiry_counts_down(vault: DevServer, load: Load, clock: Clock) -> None:
    """From max_stale after the oldest reading; at zero reads raise, and then it is how long ago."""
    refresher = load()
    assert refresher.health().expires_in == 86_400.0
    clock.advance(100.0)
    refresher.take(api("k2", clock.now))
    assert refresher.health().expires_in == 86_300.0
    clock.advance(86_300.0)
    health = refresher.health()
    assert (health.state, health.expires_in) == ("expired", 0.0)
    clock.advance(1.0)
    assert refresher.health().expires_in == -1.0
    vault.put("api", {"key": "k2"})
    assert refresher.refresh() is None
    assert refresher.health().expires_in == 86_400.0


def test_it_ends_an_outage(vault: DevServer, load: Load, clock: Clock) -> None:
    """Where others reach the vault and this process does not, it is fresh through them."""
    refresher = load()
    clock.advance(300.0)
    vault.fault(code="service_unavailable")
    refresher.step()
    assert refresher.health().state == "stale"
    refresher.take(api("k2", clock.now) | db(2, clock.now))
    health = refresher.health()
    assert (health.state, health.next_refresh) == ("stale", 0.5)
    assert "service_unavailable" in str(health.last_error)
    refresher.take(no_extra(clock.now))
    assert (refresher.health().state, refresher.health().age) == ("fresh", 0.0)


def test_a_denial_ends_where_another_process_may_read(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """The error of a path goes once there is a newer reading of it."""
    refresher = load()
    vault.deny("api")
    assert reasons(refresher.refresh()) == [AccessDeniedError]
    clock.advance(1.0)
    refresher.take(api("k2", clock.now))
    assert refresher.health().state == "fresh"


def test_what_is_due_asks_for_anything_newer(
    load: Load, clock: Clock, asked: list[Mapping[SecretKey, float]]
) -> None:
    """A refresh of what is old enough takes what another process has read since it was read."""
    refresher = load()
    clock.advance(1.0)
    refresher.take(api("k2", clock.now))
    clock.advance(300.0)
    refresher.step()
    assert asked == [{API: 1001.0, DB: 1000.0, EXTRA: 1000.0}]


def test_an_event_asks_for_what_was_read_since(
    load: Load, clock: Clock, asked: list[Mapping[SecretKey, float]]
) -> None:
    """From when it was heard, not from when it is read; only its own path."""
    refresher = load()
    clock.advance(2.0)
    refresher.hasten({"api": None}, clock.now + 5.0)
    clock.advance(5.0)
    refresher.step()
    clock.advance(300.0)
    refresher.step()
    assert asked == [{API: 1002.0}, {API: 1007.0, DB: 1000.0, EXTRA: 1000.0}]


def test_whoever_asks_gets_what_was_read_since(
    vault: DevServer, load: Load, clock: Clock, asked: list[Mapping[SecretKey, float]]
) -> None:
    """`refresh()` and a login that was rejected; a failure leaves that for the next attempt."""
    refresher = load()
    clock.advance(1.0)
    refresher.refresh()
    clock.advance(1.0)
    refresher.catch_up(refresher.snapshot.settings)
    clock.advance(1.0)
    vault.fault(code="service_unavailable", times=1)
    refresher.refresh()
    clock.advance(0.5)
    refresher.step()
    clock.advance(300.0)
    refresher.step()
    since = [set(each.values()) for each in asked]
    assert since == [{1001.0}, {1002.0}, {1003.0}, {1003.0}, {1003.5}]
    assert all(each.keys() == {API, DB, EXTRA} for each in asked)


def test_a_signal_in_between_reads_once_more(
    vault: DevServer, load: Load, clock: Clock, asked: list[Mapping[SecretKey, float]]
) -> None:
    """What a handler asks for while others' readings are settled is read from the vault."""

    class Interrupted(Settings):
        def model_post_init(self, _: object) -> None:
            if self.key == "k2":
                vault.put("api", {"key": "k3"})
                vault.put("api", {"key": "k3"})
                assert refresher.refresh() is None  # nested, as a signal handler's

    refresher = load(Interrupted)
    clock.advance(1.0)
    refresher.take(api("k2", clock.now - 0.5))
    assert refresher.snapshot.settings.key == "k3"
    assert [set(each.values()) for each in asked] == [{clock.now}]


def test_a_signal_before_it_leaves_what_it_has_read(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """What others have read is compared with what is held then, not before."""

    class Interrupted(dict[SecretKey, Reading]):
        def keys(self) -> KeysView[SecretKey]:
            assert refresher.refresh() is None  # as a signal handler that comes right here
            return super().keys()

    refresher = load()
    vault.put("api", {"key": "k2"})
    clock.advance(1.0)
    refresher.take(Interrupted(api("other", clock.now - 0.5)))
    assert refresher.snapshot.settings.key == "k2"


def test_what_breaks_is_a_failed_refresh(load: Load, clock: Clock) -> None:
    """An application's own code that raises, told without its words."""

    class Fragile(Settings):
        def model_post_init(self, _: object) -> None:
            if self.key != "k1":
                raise RuntimeError(self.key)

    refresher = load(Fragile)
    clock.advance(1.0)
    refresher.take(api(CANARY, clock.now))
    (outcome,) = refresher.outcomes
    assert (outcome.has_failed, refresher.attempts) == (True, 1)
    assert refresher.snapshot.settings.key == "k1"
    assert CANARY not in str(refresher.health())
    assert CANARY not in repr(outcome)
