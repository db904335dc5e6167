"""What a refresh takes, keeps and tells; with a clock that stands still and a real vault."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tests.live.rig import LONG, Clock, Load, eventually, reads, reasons
from vaultconfig import VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    FieldNotFoundError,
    RateLimitedError,
    SecretNotFoundError,
    UnresolvedSettingsError,
    VaultUnavailableError,
)
from vaultconfig.loading.descriptions import described

MAX_STALE = 86_400.0
CANARY = "hunter2-canary"


class Database(BaseModel):
    host: str
    port: int


class Settings(VaultSettings):
    name: str = "app"
    key: Annotated[SecretStr, "vault:api#key"]
    database: Annotated[Database, "vault:db"]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.put("db", {"host": "h1", "port": 1})
    return vault_env


def test_a_refresh_may_take_five_seconds(load: Load) -> None:
    """From then on it is overdue."""
    refresher = load()
    assert refresher.overdue_at() == refresher.next_at() + 5.0


def test_a_snapshot_is_swapped_and_never_changed(vault: DevServer, load: Load) -> None:
    """A change makes new settings; those that somebody holds stay as they were, as a whole."""
    refresher = load()
    old = refresher.snapshot.settings
    vault.put("db", {"host": "h2", "port": 2})
    vault.put("api", {"key": "k2"})
    assert refresher.refresh() is None
    new = refresher.snapshot.settings
    assert (old.key.get_secret_value(), old.database) == ("k1", Database(host="h1", port=1))
    assert (new.key.get_secret_value(), new.database) == ("k2", Database(host="h2", port=2))


def test_arguments_are_remembered(vault: DevServer, load: Load) -> None:
    """Each time the settings are built, it is with the arguments that were given at first."""
    refresher = load(name="other")
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    assert refresher.snapshot.settings.name == "other"
    assert refresher.snapshot.settings.key.get_secret_value() == "k2"


def test_a_change_names_fields_and_versions(vault: DevServer, load: Load) -> None:
    """Nested fields are dotted; versions are of what has changed alone."""
    refresher = load()
    old = refresher.snapshot.settings
    vault.put("db", {"host": "h1", "port": 2})
    refresher.refresh()
    (outcome,) = refresher.outcomes
    assert outcome.change is not None
    assert set(outcome.change.fields) == {"database.port"}
    assert outcome.change.versions == {"db": 2}
    assert outcome.change.old is old
    assert outcome.change.new is refresher.snapshot.settings
    assert "h1" not in repr(outcome)


def test_a_new_version_with_the_same_values_is_no_change(vault: DevServer, load: Load) -> None:
    """The version goes up, and nobody is told of a change."""
    refresher = load()
    vault.put("api", {"key": "k1", "unused": "x"})
    refresher.refresh()
    assert refresher.outcomes.pop().change is None
    assert refresher.health().versions == {"api": 2, "db": 1}


def test_only_what_is_due_is_read(vault: DevServer, load: Load, clock: Clock) -> None:
    """A step reads in one request what is due, and before that nothing."""

    class Mixed(VaultSettings):
        a: Annotated[str, "vault:api?ttl=10#key"]
        b: Annotated[str, "vault:db?ttl=10#host"]
        c: Annotated[str, "vault:api?ttl=100#key"]
        d: Annotated[str, "vault:slow?ttl=100#x"]

    vault.put("slow", {"x": "1"})
    refresher = load(Mixed)
    refresher.refresh()  # the first refresh would come sooner
    clock.advance(7.4)
    refresher.step()
    assert len(reads(vault)) == 2
    clock.advance(0.2)
    refresher.step()
    clock.advance(7.6)
    refresher.step()
    assert reads(vault)[2:] == [("api", "db"), ("api", "db")]


def test_ages_are_per_path(vault: DevServer, load: Load, clock: Clock) -> None:
    """One denied path holds back no other, and its own age goes on."""
    refresher = load()
    clock.advance(100.0)
    vault.deny("api")
    vault.put("db", {"host": "h2", "port": 2})
    assert reasons(refresher.refresh()) == [AccessDeniedError]
    assert refresher.snapshot.settings.database.host == "h2"
    health = refresher.health()
    assert (health.state, round(health.age)) == ("denied", 100)
    clock.advance(MAX_STALE - 100.0)
    assert refresher.health().state == "expired"


def test_a_deleted_path_holds_back_no_other(vault: DevServer, load: Load) -> None:
    """What was deleted is served as it was, and the state says so."""
    refresher = load()
    vault.delete("api")
    vault.put("db", {"host": "h2", "port": 2})
    assert reasons(refresher.refresh()) == [SecretNotFoundError]
    settings = refresher.snapshot.settings
    assert (settings.key.get_secret_value(), settings.database.host) == ("k1", "h2")
    assert refresher.health().state == "denied"


def test_a_lost_field_holds_back_no_other_path(vault: DevServer, load: Load) -> None:
    """A secret without the field that is needed stays as it was; the others are taken."""
    refresher = load()
    vault.put("api", {"keys": "k2"})
    vault.put("db", {"host": "h2", "port": 2})
    error = refresher.refresh()
    assert reasons(error) == [FieldNotFoundError]
    assert "key (vault:api#key): api has no field 'key': it has keys" in str(error)
    settings = refresher.snapshot.settings
    assert (settings.key.get_secret_value(), settings.database.host) == ("k1", "h2")
    assert refresher.health().state == "invalid"
    assert refresher.health().versions == {"api": 1, "db": 2}


def test_what_fails_settings_comes_as_at_a_load(vault: DevServer, load: Load) -> None:
    """In one group, which names settings and references; also where it is one alone."""
    refresher = load()
    vault.deny("api")
    vault.delete("db")
    error = refresher.refresh()
    assert reasons(error) == [AccessDeniedError, SecretNotFoundError]
    assert reasons(refresher.outcomes.pop().error) == reasons(error)
    assert "  key (vault:api#key): the vault denies access to api" in str(error)
    assert "  database (vault:db): there is no secret at db" in str(error)


def test_only_settings_that_fail_are_named(vault: DevServer, load: Load) -> None:
    """Of two settings from one secret the one whose field is gone; without the secret, both."""

    class Login(VaultSettings):
        host: Annotated[str, "vault:db#host"]
        port: Annotated[int, "vault:db#port"]
        url: Annotated[str, "https://${vault:db#host}/${vault:api#key}"]

    refresher = load(Login)
    vault.put("db", {"host": "h2"})
    error = refresher.refresh()
    assert isinstance(error, UnresolvedSettingsError)
    assert [failure.field for failure in error.failures] == ["port"]
    vault.delete("db")
    error = refresher.refresh()
    assert isinstance(error, UnresolvedSettingsError)
    assert [failure.field for failure in error.failures] == ["host", "port", "url"]


def test_what_fails_the_request_comes_bare(vault: DevServer, load: Load) -> None:
    """An outage and a rejected token are about no single setting."""
    refresher = load()
    vault.fault(code="service_unavailable", times=1)
    assert type(refresher.refresh()) is VaultUnavailableError
    vault.revoke(vault.token)
    assert type(refresher.refresh()) is AuthenticationError


def test_values_that_do_not_fit_keep_the_old_snapshot(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """A failed validation changes nothing, ages nothing, and shows no value."""
    refresher = load()
    old = refresher.snapshot.settings
    clock.advance(100.0)
    vault.put("db", {"host": "h2", "port": CANARY})
    error = refresher.refresh()
    assert isinstance(error, ValidationError)
    assert refresher.snapshot.settings is old
    health = refresher.health()
    assert (health.state, health.age, health.versions["db"]) == ("invalid", 0.0, 1)
    assert str(health.last_error).startswith("database.port: Input should be a valid integer")
    assert CANARY not in str(health.last_error)
    vault.put("db", {"host": "h2", "port": 2})
    assert refresher.refresh() is None
    assert (refresher.health().state, refresher.health().age) == ("fresh", 0.0)


def test_a_validator_that_breaks_keeps_the_old_snapshot(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """Whatever an application's own code raises is a failed refresh, told without its words."""
    is_broken = {True}

    class Fragile(VaultSettings):
        key: Annotated[str, "vault:api#key"]

        @model_validator(mode="after")
        def break_down(self) -> Fragile:
            if self.key != "k1" and is_broken:
                raise RuntimeError(self.key)
            return self

    refresher = load(Fragile)
    vault.put("api", {"key": CANARY})
    for _ in range(3):  # a value that does not fit, however that is said, does not age
        clock.advance(MAX_STALE)
        assert isinstance(refresher.refresh(), RuntimeError)
        health = refresher.health()
        assert (health.state, health.age) == ("invalid", 0.0)
        assert health.last_error == "RuntimeError (its message may hold values)"
    assert refresher.snapshot.settings.key == "k1"
    is_broken.clear()  # it may have had a cause outside of the value
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.key == CANARY


def test_an_optional_secret_comes_and_goes(vault: DevServer, load: Load, clock: Clock) -> None:
    """`optional` lets *not found* be the default, in a refresh as in a load; denied is not that."""

    class Tolerant(VaultSettings):
        key: Annotated[str, "vault:api#key"]
        extra: Annotated[str, "vault:extra?optional#x"] = "default"

    refresher = load(Tolerant)
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.extra == "default"
    vault.put("extra", {"x": "there"})
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.extra == "there"
    vault.delete("extra")
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.extra == "default"
    clock.advance(2 * MAX_STALE)
    assert refresher.refresh() is None
    assert refresher.health().state == "fresh"
    vault.deny("extra")
    assert reasons(refresher.refresh()) == [AccessDeniedError]
    assert refresher.health().state == "denied"


def test_a_pinned_version_is_its_own_read(vault: DevServer, load: Load) -> None:
    """A pin stays; versions are those of what can change."""

    class Pinned(VaultSettings):
        then: Annotated[str, "vault:api?version=1#key"]
        now: Annotated[str, "vault:api#key"]

    refresher = load(Pinned)
    vault.put("api", {"key": "k2"})
    refresher.refresh()
    assert (refresher.snapshot.settings.then, refresher.snapshot.settings.now) == ("k1", "k2")
    change = refresher.outcomes.pop().change
    assert change is not None
    assert change.versions == refresher.health().versions == {"api": 2}
    assert refresher.paths() == {"api"}


def test_a_plain_base_settings_class_works_too(vault: DevServer, load: Load) -> None:
    """Whoever adds the source by hand gets refreshes as well."""

    class Plain(BaseSettings):
        key: Annotated[str, "vault:api#key"]

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (*sources.values(), VaultSettingsSource(settings_cls))

    refresher = load(Plain)
    assert refresher.snapshot.settings.key == "k1"
    vault.put("api", {"key": "k2"})
    assert refresher.refresh() is None
    assert refresher.snapshot.settings.key == "k2"


def test_an_outage_is_one_attempt_a_step(vault: DevServer, load: Load, clock: Clock) -> None:
    """A background refresh is one attempt, and the next one waits for the backoff."""
    refresher = load()
    vault.fault(code="service_unavailable")
    clock.advance(300.0)
    for step in (0.5, 1.0, 2.0):
        before = len(reads(vault))
        refresher.step()
        assert len(reads(vault)) == before + 1
        assert refresher.next_at() == clock.now + step
        clock.advance(step * 0.99)
        refresher.step()
        assert len(reads(vault)) == before + 1
        clock.advance(step * 0.01)
    health = refresher.health()
    assert (health.state, health.next_refresh) == ("stale", 0.0)
    assert health.age == pytest.approx(303.5, abs=0.1)
    vault.clear_faults()
    refresher.step()
    assert (refresher.health().state, refresher.health().age) == ("fresh", 0.0)


def test_retry_after_is_kept(vault: DevServer, load: Load, clock: Clock) -> None:
    """A vault that asks us to come back in a minute is left alone for a minute."""
    refresher = load()
    vault.fault(code="rate_limited", retry_after=60, times=1)
    clock.advance(300.0)
    refresher.step()
    assert isinstance(refresher.outcomes.pop().error, RateLimitedError)
    clock.advance(59.9)
    refresher.step()
    assert len(reads(vault)) == 2
    clock.advance(0.1)
    refresher.step()
    assert len(reads(vault)) == 3


@pytest.mark.usefixtures("few_tries")
def test_stale_answers_have_the_age_of_their_reading(
    vault: DevServer, load: Load, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an outage brings from the cache is as old as it is, and the state tells the reason."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.001")
    load()
    clock.advance(5.0)
    vault.fault(code="service_unavailable")
    refresher = load()
    health = refresher.health()
    assert (health.state, health.age, health.next_refresh) == ("stale", 5.0, 0.5)
    assert "service_unavailable" in str(health.last_error)
    vault.clear_faults()
    clock.advance(0.5)
    refresher.step()
    assert (refresher.health().state, refresher.health().age) == ("fresh", 0.0)


@pytest.mark.usefixtures("few_tries")
def test_a_forked_child_knows_of_the_outage(
    vault: DevServer, load: Load, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state and age are those of its parent; once the parent has read again, so is that."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "10")
    load()
    clock.advance(20.0)
    vault.fault(code="service_unavailable")
    refresher = load()
    child = refresher.in_child().health()
    assert (child.state, child.age) == ("stale", 20.0)
    vault.clear_faults()
    assert refresher.refresh() is None
    child = refresher.in_child().health()
    assert (child.state, child.age, child.last_error) == ("fresh", 0.0, None)


@pytest.mark.usefixtures("few_tries")
def test_what_is_too_old_is_not_loaded(vault: DevServer, load: Load, clock: Clock) -> None:
    """A reference's own max_stale holds although the cache keeps longer."""

    class Strict(VaultSettings):
        key: Annotated[str, "vault:api?ttl=0.001&max_stale=0#key"]
        then: Annotated[str, "vault:db?version=1&ttl=0.001#host"]

    load(Strict)
    clock.advance(1.0)
    vault.fault(path="/v1/secrets/api", code="service_unavailable")
    with pytest.raises((VaultUnavailableError, UnresolvedSettingsError)):
        load(Strict)


def test_a_refresh_that_others_wait_for_is_shared(vault: DevServer, load: Load) -> None:
    """Whoever asks while one is under way shares the next one, so that two serve them all."""
    refresher = load()
    vault.hold("/v1/secrets/batch")
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(refresher.refresh)
        vault.wait_until_asked()
        vault.put("api", {"key": "k2"})
        others = [pool.submit(refresher.refresh) for _ in range(8)]
        eventually(lambda: len(threading.enumerate()) >= 9 and all(f.running() for f in others))
        vault.release()
        assert [future.result(LONG) for future in (first, *others)] == [None] * 9
    assert 2 <= len(reads(vault)) - 1 <= 3  # a slow starter may have missed the second
    assert sum(outcome.change is not None for outcome in refresher.outcomes) == 1


def test_a_shared_failure_is_told_once(vault: DevServer, load: Load) -> None:
    """Each who asked gets the error; the log and the callbacks get it once a request."""
    refresher = load()
    vault.deny("api")
    refresher.refresh()
    refresher.refresh()
    assert len(refresher.outcomes) == len(reads(vault)) - 1 == 2


def test_whoever_is_behind_catches_up(vault: DevServer, load: Load, clock: Clock) -> None:
    """It reads only if nobody else has, not in an outage, and not again and again in vain."""
    refresher = load()
    before = refresher.snapshot.settings
    refresher.catch_up(before)
    refresher.catch_up(before)
    assert len(reads(vault)) == 2
    clock.advance(0.1)
    vault.put("api", {"key": "k2"})
    refresher.catch_up(before)
    refresher.catch_up(before)
    assert len(reads(vault)) == 3
    assert refresher.snapshot.settings.key.get_secret_value() == "k2"
    vault.fault(code="service_unavailable")
    now = refresher.snapshot.settings
    refresher.catch_up(now)
    refresher.catch_up(now)
    assert len(reads(vault)) == 4


@pytest.mark.parametrize("error", [KeyError(CANARY), ValueError(CANARY)])
def test_foreign_errors_are_told_without_their_words(error: Exception) -> None:
    """The message of an exception that is not ours may quote a value."""
    assert CANARY not in described(error)
