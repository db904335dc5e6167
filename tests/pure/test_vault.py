"""A vault as settings see it: what comes from the cache, what is asked for, and what is stale."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from vaultconfig.connection.connection import Connection
from vaultconfig.errors import (
    AuthenticationError,
    ConfigurationError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.vault import Vault

A, B = SecretKey("a"), SecretKey("b")
TTL, STALE = 300.0, 900.0
LIFE = Lifetime(TTL, STALE)
DOWN = VaultUnavailableError("down")


class Client:
    """Answers with what a test has put into it, and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[SecretKey, Any] = {}
        self.asked: list[tuple[list[SecretKey], float, bool]] = []
        self.failure: VaultConfigError | None = None
        self.is_closed = False

    def put(self, key: SecretKey, version: int) -> None:
        self.answers[key] = Secret(key.path, version, {"k": f"{key.path}{version}"})

    def read_many(
        self, keys: Collection[SecretKey], *, deadline: float, retry: bool = True
    ) -> Mapping[SecretKey, Any]:
        self.asked.append((list(keys), deadline, retry))
        if self.is_closed:
            raise ConfigurationError("the client is closed")
        if self.failure:
            raise self.failure
        return {key: self.answers.get(key, SecretNotFoundError(key.path)) for key in keys}

    def close(self) -> None:
        self.is_closed = True


class World:
    """A vault with a client and a clock of the test's own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clients: list[Client] = []
        self.client = Client()
        self.client.put(A, 1)
        self.client.put(B, 1)
        connection = Connection.model_construct(ttl=TTL, max_stale=STALE)
        self.vault = Vault(connection, connect=self.connect, clock=lambda: self.now)

    def connect(self, _connection: Connection) -> Any:
        self.clients.append(self.client)
        return self.client

    def read(self, *keys: SecretKey, life: Lifetime = LIFE, **how: Any) -> dict[str, Any]:
        """Read *keys*, and return the version of each, or the kind of its error."""
        readings = self.vault.read(dict.fromkeys(keys or (A,), life), deadline=5.0, **how)
        return {
            key.path: reading.version or type(reading.answer) for key, reading in readings.items()
        }

    @property
    def asked(self) -> list[list[SecretKey]]:
        return [keys for keys, _, _ in self.client.asked]


@pytest.fixture
def world() -> World:
    return World()


def test_a_secret_is_asked_for_once_in_its_ttl(world: World) -> None:
    """Then it is asked for again, alone."""
    assert world.read(A) == {"a": 1}
    world.now += TTL - 0.1
    assert world.read(A, B) == {"a": 1, "b": 1}
    world.now += 0.1
    assert world.read(A, B) == {"a": 1, "b": 1}
    assert world.client.asked == [([A], 5.0, True), ([B], 5.0, True), ([A], 5.0, True)]


def test_a_value_and_an_error_for_each_reference(world: World) -> None:
    """A missing secret does not hide the others."""
    there, missing = VaultRef("vault:a#k"), VaultRef("vault:none#k")
    found = world.vault.resolve([there, missing], deadline=5.0)
    assert found[there] == Resolved("a1", world.client.answers[A])
    assert type(found[missing]) is SecretNotFoundError
    assert world.vault.resolve([there], deadline=5.0, vault_first=True)[there] == found[there]
    assert world.asked == [[A, SecretKey("none")], [A]]


def test_the_shortest_life_that_a_reference_asks_for(world: World) -> None:
    """Where none asks for anything, the connection's."""
    refs = [VaultRef(f"vault:{text}") for text in ("a#x", "a?ttl=5#y", "a?max_stale=7", "b")]
    assert world.vault.lifetimes(refs) == {A: Lifetime(5.0, 7.0), B: LIFE}


def test_the_vault_may_come_first(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Then the cache serves only what the vault can't give."""
    world.read()
    world.client.put(A, 2)
    assert world.read() == {"a": 1}
    reading = world.vault.read({A: LIFE}, deadline=5.0, vault_first=True)[A]
    assert (reading.version, reading.outage) == (2, None)
    assert not caplog.records
    world.client.failure = DOWN
    assert world.read(vault_first=True) == {"a": 2}
    assert "serving 1 secret(s) read up to 0 s ago" in caplog.text


def test_an_outage_is_made_up_for_by_the_cache(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What is younger than max_stale is served with the outage beside it, and the log says so."""
    world.read(A, B)
    world.now += TTL + 1
    world.client.failure = DOWN
    readings = world.vault.read({A: LIFE, B: LIFE}, deadline=5.0)
    assert [reading.version for reading in readings.values()] == [1, 1]
    assert all(str(reading.outage) == "down" for reading in readings.values())
    text = "the vault is unavailable: serving 2 secret(s) read up to 301 s ago: down"
    assert [record.getMessage() for record in caplog.records] == [text]
    world.now = 1000.0 + STALE - 0.1
    assert world.read() == {"a": 1}
    world.now = 1000.0 + STALE
    with pytest.raises(VaultUnavailableError, match="down") as caught:
        world.read()
    assert caught.value is not DOWN


def test_an_outage_of_one_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The rest is fresh; without anything in the cache the error stands for the secret."""
    world.read(A)
    world.now += TTL
    world.client.answers[A] = VaultUnavailableError("not that one")
    readings = world.vault.read({A: LIFE, B: LIFE}, deadline=5.0)
    assert (readings[A].version, readings[B].version) == (1, 1)
    assert (str(readings[A].outage), readings[B].outage) == ("not that one", None)
    assert caplog.records[0].getMessage().endswith("read up to 300 s ago")
    world.client.answers[B] = VaultUnavailableError("nor this one")
    world.now += TTL
    assert world.read(A, B, life=Lifetime(TTL, 0.0)) == {
        "a": VaultUnavailableError,
        "b": VaultUnavailableError,
    }
    assert len(caplog.records) == 1


def test_a_rejected_token_is_never_made_up_for(world: World) -> None:
    """It is not an outage: all that is in the cache does not hide it."""
    world.read()
    world.now += TTL
    world.client.failure = AuthenticationError("rejected")
    with pytest.raises(AuthenticationError, match="rejected"):
        world.read()


def test_a_failure_is_one_where_something_is_missing(world: World) -> None:
    """What the cache has of it does not help."""
    world.read(A)
    world.now += TTL
    world.client.failure = DOWN
    with pytest.raises(VaultUnavailableError, match="down"):
        world.read(A, B)


def test_what_was_taken_away_does_not_come_back(world: World) -> None:
    """A secret that is gone is out of the cache, so that an outage does not serve it."""
    world.read()
    world.now += TTL
    del world.client.answers[A]
    assert world.read() == {"a": SecretNotFoundError}
    world.client.failure = DOWN
    with pytest.raises(VaultUnavailableError):
        world.read()


def test_that_there_is_none_is_asked_for_again(world: World) -> None:
    """It is not kept, even where it is optional."""
    optional = Lifetime(TTL, STALE, is_optional=True)
    for _ in range(2):
        assert world.read(SecretKey("none"), life=optional) == {"none": SecretNotFoundError}
    assert len(world.asked) == 2


def test_it_is_kept_for_the_longest_that_any_may_want(world: World) -> None:
    """References of other classes may be content with an older one."""
    world.read(A, life=Lifetime(1.0, 0.0))
    world.now += STALE - 1
    world.client.failure = DOWN
    assert world.read(A) == {"a": 1}
    world.client.failure = None
    world.read(A, life=Lifetime(2000.0, 0.0))
    world.now += 1999.0
    assert world.read(A, life=Lifetime(2000.0, 0.0)) == {"a": 1}


def reread(world: World, *, newest: Mapping[SecretKey, int] | None = None) -> Any:
    readings = world.vault.reread({A: LIFE}, deadline=7.0, newest=newest or {})
    return readings[A].answer


def test_a_refresh_asks_in_any_case_and_once(world: World) -> None:
    """Whatever the cache has; what comes is in the cache for others."""
    world.read()
    world.client.put(A, 2)
    assert reread(world).version == 2
    assert world.client.asked[-1] == ([A], 7.0, False)
    assert world.read() == {"a": 2}


def test_an_older_version_is_believed_after_a_ttl(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then a replica may lag, and the answer is as good as none."""
    world.client.put(A, 3)
    world.read()
    world.client.put(A, 2)
    world.now += 10.0
    answer = reread(world)
    assert isinstance(answer, VaultUnavailableError)
    assert "version 2 of a, though there has been version 3: a replica may lag" in str(answer)
    world.now += TTL - 0.1
    assert isinstance(reread(world), VaultUnavailableError)
    assert not caplog.records
    world.now += 0.1
    assert reread(world).version == 2
    assert "for a whole ttl the vault has answered with version 2" in caplog.text
    assert reread(world).version == 2


def test_the_ttl_counts_anew_when_the_newest_was_there_in_between(world: World) -> None:
    """A replica that lags now and then is never believed."""
    world.client.put(A, 3)
    world.read()
    for _ in range(3):
        world.client.put(A, 2)
        assert isinstance(reread(world), VaultUnavailableError)
        world.now += TTL / 2
        world.client.put(A, 3)
        assert reread(world).version == 3
        world.now += TTL / 2


def test_what_was_announced_is_the_newest(world: World) -> None:
    """An answer of before the announcement is older, though nothing else was read."""
    assert isinstance(reread(world, newest={A: 2}), VaultUnavailableError)
    assert reread(world, newest={A: 1}).version == 1


def test_a_client_that_was_closed_meanwhile_is_replaced(world: World) -> None:
    """Another thread that shares the vault may have closed it; a broken one raises."""
    world.read()
    closed, world.client = world.client, Client()
    world.client.put(A, 2)
    world.now += TTL
    world.vault.close()
    assert closed.is_closed
    assert world.read() == {"a": 2}
    world.vault.close()
    world.now += TTL
    with pytest.raises(ConfigurationError, match="closed"):
        world.read()


def test_a_client_that_is_closed_during_a_request_is_replaced(world: World) -> None:
    """The request is made anew, by the client that is there by then."""
    old, world.client = world.client, Client()
    world.vault._clients[None] = old
    world.client.put(A, 2)
    read_many = old.read_many

    def closing(*args: Any, **kwargs: Any) -> Any:
        world.vault.close()
        return read_many(*args, **kwargs)

    old.read_many = closing
    assert world.read() == {"a": 2}
    assert world.clients == [world.client]


def test_closing_closes_the_store_too(world: World) -> None:
    """Its connections are those of the vault."""
    closed: list[str] = []
    world.vault.store = SimpleNamespace(close=lambda: closed.append("store"))
    world.vault.close()
    assert closed == ["store"]


def test_closing_what_was_never_open(world: World) -> None:
    """Nothing was connected, and nothing is."""
    world.vault.close()
    assert not world.clients


def test_subscriptions_are_the_client_s(world: World) -> None:
    """What the vault keeps is what the client returns."""
    world.client.subscribe = lambda paths: ("new", paths)
    world.client.subscription = lambda number: ("old", number)
    assert world.vault.subscribe(["a"]) == ("new", ["a"])
    assert world.vault.subscription("7") == ("old", "7")


def test_a_forked_child_has_the_client_and_nothing_else(world: World) -> None:
    """What was read is read again; the connections' settings stay those of the parent."""
    world.read()
    child = world.vault.in_child()
    child.read({A: LIFE}, deadline=5.0)
    assert world.asked == [[A], [A]]
    assert len(world.clients) == 1
    assert (child.connection, child.cache.clock) == (
        world.vault.connection,
        world.vault.cache.clock,
    )
    world.vault.close()
    assert child._clients != world.vault._clients


def test_without_a_store_there_is_no_news(world: World) -> None:
    """And no mark that would change."""
    held = world.vault.read({A: LIFE}, deadline=5.0)
    assert world.vault.news(held, {A: LIFE}, None) == (None, {})
