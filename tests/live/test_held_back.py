"""A path whose new value does not fit: it is held back alone, and told of once."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tests.live.rig import Ahead, Clock, Load, eventually, heard, reads, reasons
from vaultconfig import LiveSettings, VaultConfigDict, VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import AccessDeniedError
from vaultconfig.live import following
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.loading.descriptions import described

CANARY = "hunter2-canary"
HOUR = 3600.0


class Settings(VaultSettings):
    password: Annotated[str, "vault:db#password"]
    workers: Annotated[int, "vault:tuning#workers"]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("db", {"password": "old"})
    vault_env.put("tuning", {"workers": 4})
    vault_env.fault(path="/v1/subscriptions", status=404)
    return vault_env


def told(refresher: Refresher[Any]) -> list[bool]:
    """Whether each refresh since the last look had something to tell."""
    found = [outcome.error is not None for outcome in refresher.outcomes]
    refresher.outcomes.clear()
    return found


def test_one_bad_number_for_longer_than_max_stale(
    vault: DevServer, load: Load, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password beside it rotates, the number stays as it was, and nothing expires."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "10")
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "60")
    refresher = load()
    vault.put("tuning", {"workers": CANARY})
    vault.put("db", {"password": "new"})
    for _ in range(20):
        clock.advance(10.0)
        refresher.step()
    settings, health = refresher.snapshot.settings, refresher.health()
    assert (settings.password, settings.workers) == ("new", 4)
    assert (health.state, health.age, health.versions) == ("invalid", 0.0, {"db": 2, "tuning": 1})
    assert "workers" in str(health.last_error)
    assert CANARY not in str(health.last_error)
    vault.put("tuning", {"workers": 8})
    clock.advance(10.0)
    refresher.step()
    assert (refresher.snapshot.settings.workers, refresher.health().state) == (8, "fresh")


def test_it_is_told_at_once_and_then_once_an_hour(
    vault: DevServer, load: Load, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same version is no news, and nothing is built for it; another one is news at once."""
    builds: list[object] = []
    build = following.build
    monkeypatch.setattr(following, "build", lambda *a, **k: builds.append(None) or build(*a, **k))
    refresher = load()
    vault.put("tuning", {"workers": "four"})
    assert isinstance(refresher.refresh(), ValidationError)
    assert told(refresher) == [True]
    builds.clear()
    for _ in range(3):
        clock.advance(HOUR / 4)
        assert isinstance(refresher.refresh(), ValidationError)  # who asks is told each time
    assert (told(refresher), builds) == ([False] * 3, [])
    clock.advance(HOUR / 4)
    refresher.refresh()
    vault.put("tuning", {"workers": "five"})
    refresher.refresh()
    refresher.refresh()
    assert told(refresher) == [True, True, False]


def test_it_is_tried_again_when_something_else_has_changed(vault: DevServer, load: Load) -> None:
    """Two paths that fit only together: once both are there, they are taken."""

    class Pair(VaultSettings):
        low: Annotated[int, "vault:low#n"]
        high: Annotated[int, "vault:high#n"]

        @model_validator(mode="after")
        def ordered(self) -> Pair:
            if self.low >= self.high:
                raise ValueError("low is not below high")
            return self

    vault.put("low", {"n": 1})
    vault.put("high", {"n": 5})
    refresher = load(Pair)
    vault.put("low", {"n": 7})
    assert isinstance(refresher.refresh(), ValidationError)
    assert refresher.health().versions == {"low": 1, "high": 1}
    vault.put("high", {"n": 9})
    assert refresher.refresh() is None
    settings = refresher.snapshot.settings
    assert (settings.low, settings.high, refresher.health().state) == (7, 9, "fresh")


def test_an_error_that_names_no_path_keeps_the_whole_snapshot(vault: DevServer, load: Load) -> None:
    """Also where it shows only once another path has gone back."""

    class Checked(VaultSettings):
        password: Annotated[str, "vault:db#password"]
        workers: Annotated[int, "vault:tuning#workers"]

        @model_validator(mode="after")
        def check(self) -> Checked:
            if self.password == "weak":
                raise ValueError("weak")
            return self

    refresher = load(Checked)
    old = refresher.snapshot.settings
    vault.put("db", {"password": "weak"})
    vault.put("tuning", {"workers": "four"})
    refresher.refresh()
    assert refresher.snapshot.settings is old
    assert refresher.health().state == "invalid"


class Pool(BaseModel):
    size: Annotated[int, "vault:pool#size"]
    name: str = "pool"


class Server(BaseModel):
    size: int


class Postgres(BaseModel):
    kind: Literal["postgres"]
    port: Annotated[int, "vault:tuning#workers"]


class Memory(BaseModel):
    kind: Literal["memory"]


class Everywhere(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__", title="Other")
    password: Annotated[str, "vault:db#password"]
    aliased: Annotated[int, "vault:alias#n"] = Field(validation_alias="OTHER_NAME")
    whole: Annotated[dict[str, int], "vault:whole"]
    model: Annotated[Server, "vault:model"]
    pool: Pool
    url: Annotated[int, "1${vault:one#n}${vault:two#n}"]
    kind: Postgres | Memory = Field(discriminator="kind")
    items: list[int] = Field([])


@pytest.mark.parametrize(
    ("path", "value", "others"),
    [
        ("alias", {"n": "x"}, ()),
        ("whole", {"a": "x"}, ()),
        ("model", {"size": "x"}, ()),
        ("pool", {"size": "x"}, ()),
        ("two", {"n": "x"}, ("one",)),
        ("tuning", {"workers": "x"}, ()),
        ("item", {"n": "x"}, ()),
    ],
)
def test_the_place_of_an_error_names_its_paths(
    vault: DevServer,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    value: dict[str, Any],
    others: tuple[str, ...],
) -> None:
    """Aliases, whole secrets, nested models, members of a union, lists; all of a template."""
    first = {"alias": {"n": 1}, "whole": {"a": 1}, "model": {"name": "m", "size": 1}}
    first |= {"pool": {"size": 1}, "one": {"n": 1}, "two": {"n": 1}, "item": {"n": 1}}
    for name, data in first.items():
        vault.put(name, data)
    monkeypatch.setenv("KIND__KIND", "postgres")
    monkeypatch.setenv("ITEMS", '[5, "vault:item#n"]')
    refresher = load(Everywhere)
    for name in others:
        vault.put(name, {"n": 2})
    vault.put(path, value)
    vault.put("db", {"password": "new"})
    assert isinstance(refresher.refresh(), ValidationError)
    assert refresher.snapshot.settings.password == "new"
    versions = refresher.health().versions
    assert {name for name, version in versions.items() if version > 1} == {"db"}


def test_nested_settings_classes_name_their_paths_too(vault: DevServer, load: Load) -> None:
    """An error of one that a default factory makes has places of its own."""

    class Inner(VaultSettings):
        workers: Annotated[int, "vault:tuning#workers"]

    class Outer(VaultSettings):
        workers: Annotated[str, "vault:db#password"]
        inner: Any = Field(default_factory=Inner)

    refresher = load(Outer)
    vault.put("tuning", {"workers": "four"})
    vault.put("db", {"password": "new"})
    refresher.refresh()
    settings = refresher.snapshot.settings
    assert (settings.workers, settings.inner.workers) == ("new", 4)


def test_a_plain_class_holds_back_too(vault: DevServer, load: Load) -> None:
    """Its errors are pydantic's own; their places serve all the same."""

    class Plain(BaseSettings):
        password: Annotated[str, "vault:db#password"]
        workers: Annotated[int, "vault:tuning#workers"]

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (*sources.values(), VaultSettingsSource(settings_cls))

    refresher = load(Plain)
    vault.put("tuning", {"workers": "four"})
    vault.put("db", {"password": "new"})
    refresher.refresh()
    settings = refresher.snapshot.settings
    assert (settings.password, settings.workers) == ("new", 4)


def test_the_worst_path_tells_the_state(vault: DevServer, load: Load, clock: Clock) -> None:
    """From good to bad: fresh, stale, invalid, denied, expired."""
    refresher = load()
    states = [refresher.health().state]
    vault.put("tuning", {"workers": "four"})
    refresher.refresh()
    states.append(refresher.health().state)
    vault.fault(code="service_unavailable", times=1)
    refresher.refresh()
    states.append(refresher.health().state)
    vault.deny("db")
    refresher.refresh()
    states.append(refresher.health().state)
    clock.advance(86_400.0)
    states.append(refresher.health().state)
    assert states == ["fresh", "invalid", "invalid", "denied", "expired"]


def test_what_cannot_be_asked_ages_beside_it(vault: DevServer, load: Load, clock: Clock) -> None:
    """In an outage a path that is held back gets old like any other."""
    refresher = load()
    vault.put("tuning", {"workers": "four"})
    refresher.refresh()
    vault.fault(code="service_unavailable")
    clock.advance(100.0)
    refresher.refresh()
    assert (refresher.health().state, refresher.health().age) == ("invalid", 100.0)
    clock.advance(86_400.0)
    assert refresher.health().state == "expired"


def test_it_is_read_again_when_it_would_be_anyway(
    vault: DevServer, load: Load, clock: Clock
) -> None:
    """Without a backoff of its own: a bad value costs no more requests than a good one."""
    refresher = load()
    vault.put("tuning", {"workers": "four"})
    refresher.refresh()
    assert refresher.next_at() == clock.now + 0.75 * 300.0
    assert len(reads(vault)) == 2


def test_beside_what_fails_settings_it_is_told_too(vault: DevServer, load: Load) -> None:
    """A secret that is denied does not hide a value that does not fit; both stand in one error."""
    refresher = load()
    vault.deny("db")
    vault.put("tuning", {"workers": CANARY})
    error = refresher.refresh()
    assert reasons(error) == [AccessDeniedError]
    assert "beside these: workers: Input should be a valid integer" in str(error)
    assert "workers: Input" in described(refresher.outcomes.pop().error or KeyError())
    assert CANARY not in str(error)


def test_a_forked_child_knows_what_is_held_back(vault: DevServer, load: Load) -> None:
    """Its state is that of its parent, and the same version is no news for it either."""
    refresher = load()
    vault.put("tuning", {"workers": "four"})
    refresher.refresh()
    child = refresher.in_child()
    child.outcomes.clear()
    assert child.health().state == "invalid"
    child.refresh()
    assert told(child) == [False]


def test_listeners_and_log_hear_of_it_once(
    vault: DevServer, ahead: Ahead, caplog: pytest.LogCaptureFixture
) -> None:
    """`on_error` and one warning; `refresh()` raises each time."""
    caplog.set_level(logging.DEBUG, "vaultconfig")
    errors: list[Exception] = []
    with LiveSettings(Settings, Seams(clock=ahead)) as live:
        live.on_error(errors.append)
        vault.put("tuning", {"workers": CANARY})
        for _ in range(3):
            with pytest.raises(ValidationError):
                live.refresh()
        heard(live)
        eventually(lambda: errors)
        assert live.current.workers == 4
    assert [type(error) for error in errors] == [ValidationError]
    lines = [line for line in caplog.messages if "workers" in line]
    assert len(lines) == 1
    assert CANARY not in caplog.text
