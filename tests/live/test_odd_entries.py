"""A batch with an entry that can't be used: it is the matter of its own path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from tests.client.scripted import TOKEN, Asked, Reply, ScriptedVault
from tests.live.rig import Clock, Load, reasons
from vaultconfig import VaultSettings
from vaultconfig.errors import (
    SecretError,
    UnresolvedSettingsError,
)

GOOD = '{"data": {"s": "old"}, "version": 1}'
NEWER = '{"data": {"s": "new"}, "version": 2}'
ODD = {
    "null as data": '{"data": null, "version": 2}',
    "no version": '{"data": {"s": "CANARY"}}',
    "another path": '{"data": {"s": "CANARY"}, "version": 2, "path": "a"}',
    "a large number": '{"data": {"s": "CANARY", "unread": 1e400}, "version": 2}',
    "many digits": f'{{"data": {{"s": "CANARY", "unread": {"7" * 5000}}}, "version": 2}}',
    "nested deeply": f'{{"data": {{"s": "CANARY", "x": {"[" * 110}{"]" * 110}}}, "version": 2}}',
    "nested without end": f'{{"data": {{"x": {"[" * 9999}{"]" * 9999}}}, "version": 2}}',
}


class Settings(VaultSettings):
    first: Annotated[str, "vault:a#s"]
    second: Annotated[str, "vault:b?optional#s"] = "default"


class Entries(dict[str, str]):
    """What the vault has at each path, as it stands in its answers."""

    def answer(self, asked: Asked) -> Any:
        if asked.method == "POST" and asked.target == "/v1/secrets/batch":
            held = [f'"{path}": {self[path]}' for path in asked.json["paths"] if path in self]
            return Reply(200, f'{{"secrets": {{{", ".join(held)}}}}}'.encode())
        path = asked.target.removeprefix("/v1/secrets/")
        if path in self:
            return Reply(200, self[path].encode())
        return Reply(404, json.dumps({"error": {"code": "secret_not_found"}}).encode())


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[Entries]:
    monkeypatch.setenv("SCAIVAULT_TOKEN", TOKEN)
    monkeypatch.setenv("VAULTCONFIG_TTL", "10")
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "60")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ScriptedVault() as vault:
        monkeypatch.setenv("SCAIVAULT_URL", vault.url)
        entries = Entries(a=GOOD, b=GOOD)
        vault.respond = entries.answer
        yield entries


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_the_others_rotate(entries: Entries, load: Load, clock: Clock, odd: str) -> None:
    """The last good value of its path is served, ages, and comes back once the entry is right."""
    refresher = load()
    entries |= {"a": NEWER, "b": odd}
    error = refresher.refresh()
    assert reasons(error) == [SecretError]
    assert "second (vault:b?optional#s): the vault's answer for b " in str(error)
    for _ in range(3):
        clock.advance(10.0)
        refresher.step()
    settings, health = refresher.snapshot.settings, refresher.health()
    assert (settings.first, settings.second) == ("new", "old")
    assert (health.state, health.age, health.versions) == ("stale", 30.0, {"a": 2, "b": 1})
    assert "the vault's answer for b " in str(health.last_error)
    assert "CANARY" not in f"{health} {error}"
    clock.advance(31.0)
    refresher.step()
    assert refresher.health().state == "expired"
    entries["b"] = NEWER
    assert refresher.refresh() is None
    assert (refresher.snapshot.settings.second, refresher.health().state) == ("new", "fresh")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_start_names_the_path_and_the_field(entries: Entries, odd: str) -> None:
    """Being optional is for what does not exist: the default is not taken for what is odd."""
    entries["b"] = odd
    with pytest.raises(UnresolvedSettingsError) as caught:
        Settings()
    (failure,) = caught.value.failures
    assert (failure.field, type(failure.error)) == ("second", SecretError)
    assert "the vault's answer for b " in str(failure)
    assert "CANARY" not in str(caught.value)


def test_a_path_that_the_batch_leaves_out(entries: Entries, load: Load) -> None:
    """A single read tells that it is gone, which is what an optional reference can do without."""
    refresher = load()
    del entries["b"]
    entries["a"] = NEWER
    assert refresher.refresh() is None
    settings = refresher.snapshot.settings
    assert (settings.first, settings.second) == ("new", "default")
    assert refresher.health().state == "fresh"
