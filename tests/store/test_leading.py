"""One subscription for all processes that share a store, whatever becomes of the leader."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rig import LONG, eventually, reads
from tests.store.fleet import Fleet, Process, all_see, leader, leaders, start
from tests.store.hosts import Hosts, environ_of
from tests.valkey import Valkey
from vaultconfig.devserver import DevServer
from vaultconfig.live import kept_fresh, watcher
from vaultconfig.live.leading import LEASE, Progress, Shared
from vaultconfig.secret import Secret
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.sharing import is_newer


@pytest.fixture
def environ(vault: DevServer, tmp_path: Path) -> dict[str, str]:
    vault.put("app/api", {"key": "k1"})
    vault.put("app/db", {"port": 1})
    return environ_of(vault, tmp_path / "store")


@pytest.fixture(params=["file", "valkey"])
def anywhere(
    request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The environment with a store of each kind."""
    if request.param == "file":
        yield environ
        return
    with Valkey(tmp_path) as server:
        yield environ | {"VAULTCONFIG_STORE": f"redis://127.0.0.1:{server.port}"}


def asked(vault: DevServer, method: str, ending: str) -> int:
    return sum(r.method == method and r.path.endswith(ending) for r in list(vault.requests))


def subscribed(vault: DevServer, made: list[Process]) -> Process:
    """Start all, and return the leader once it has read what it has subscribed to."""
    start(made)
    eventually(lambda: asked(vault, "GET", "/poll") and len(reads(vault)) == 2)
    return leader(made)


def is_file(environ: dict[str, str]) -> bool:
    """Whether the store is a directory, of one host."""
    return environ["VAULTCONFIG_STORE"].startswith("file:")


def test_the_times_add_up() -> None:
    """At most 15 polls a minute, and 12 s from the death of a leader until a rotation is seen."""
    assert 60 / Shared.poll <= 15
    assert Shared.poll + Shared.longest_pause < LEASE
    assert LEASE + watcher.LOOK_AGAIN + kept_fresh.LOOK < 12


@pytest.mark.parametrize(
    ("version", "seconds", "is_news"),
    [
        (3, 0.0, True),
        (3, -4.9, True),  # by the clock of another host
        (3, -5.1, False),  # put back from before the secret was deleted and made anew
        (2, 0.01, False),
        (2, 0.2, True),
        (1, 0.2, False),
    ],
)
def test_a_rotation_right_after_a_read_is_news(version: int, seconds: float, is_news: bool) -> None:
    """The same version within a tenth of a second is the same reading, a higher one is not."""
    held = Reading(Secret("api", 2, {}), 100.0)
    found = Reading(Secret("api", version, {}), 100.0 + seconds, is_stored=True)
    assert is_newer(found, held) is is_news


def test_a_set_of_paths_has_one_leader(hosts: Hosts) -> None:
    """Who follows other paths from now on leaves the lead first; others may then have it."""
    one, other = (Shared(hosts.store(), hosts.clock) for _ in range(2))
    assert one.take({"a", "b"})
    assert one.take({"b", "a"})
    assert not other.take({"a", "b"})
    assert not one.take({"a"})
    assert other.take({"a", "b"})
    assert one.take({"a"})
    other.leave()
    assert not one.take({"a", "b"})
    assert one.take({"a", "b"})


def test_a_lead_is_lost_in_time(hosts: Hosts) -> None:
    """A process that was stopped knows it by its own clock, before it asks the store."""
    lead = Shared(hosts.store(), hosts.clock)
    assert lead.is_lost
    assert lead.take({"a"})
    hosts.clock.advance(LEASE - 0.1)
    assert not lead.is_lost
    hosts.clock.advance(0.1)
    assert lead.is_lost
    assert lead.take({"a"})
    lead.bar()
    assert lead.is_lost
    assert not lead.take({"a"})


def test_the_next_leader_knows_what_the_last_one_knew(hosts: Hosts) -> None:
    """To the digit; what another version of this library has saved is not there."""
    one, other = (Shared(hosts.store(), hosts.clock) for _ in range(2))
    assert one.take({"a"})
    other.take({"a"})
    assert other.load() is None
    announced = {"a": (2, 1_790_000_000.1234567), "b/ü": (None, 0.1)}
    progress = Progress("sub_1", "evt_1", announced, 1.5)
    one.save(progress)
    assert other.load() == progress
    for fields in ({"subscription": 1}, {"announced": {"a": 2}}, {"announced": []}):
        hosts.store().save("progress", {**fields, "saved_at": 0.0}, "a", keep=60.0)
        assert other.load() is None


def test_the_next_leader_does_not_believe_a_clock_that_is_ahead(hosts: Hosts) -> None:
    """Its times are taken back by what it is ahead: they lie in the future of no other host."""
    one, other = (Shared(hosts.store(), hosts.clock) for _ in range(2))
    now = one.clock()
    one.clock = lambda: now + 3600.0
    one.take({"a"})
    other.take({"a"})
    one.save(Progress("sub_1", None, {"a": (2, now + 3590.0)}, now + 3660.0))
    other.clock = lambda: now
    found = other.load()
    assert found is not None
    assert found.announced["a"] == (2, pytest.approx(now - 10.0))
    assert found.next_attempt_at == pytest.approx(now + 60.0)


def test_one_subscribes_for_all(
    vault: DevServer, processes: Fleet, anywhere: dict[str, str]
) -> None:
    """Of eight one polls, and reads what has changed; all of them see it."""
    made = processes.fork(8, anywhere)
    subscribed(vault, made)
    vault.rotate("app/api", {"key": "k2"})
    all_see(made, "k2")
    polls = asked(vault, "GET", "/poll")
    eventually(lambda: asked(vault, "GET", "/poll") >= polls + 4)
    *_, before, last = [r.at for r in list(vault.requests) if r.path.endswith("/poll")]
    assert last - before > 0.9  # of one second; a busy machine takes longer
    assert reads(vault)[2:] == [("app/api",)]
    assert asked(vault, "POST", "/subscriptions") == 1
    assert len(leaders(made)) == 1


def test_the_store_tells_nothing(
    vault: DevServer, processes: Fleet, environ: dict[str, str], tmp_path: Path
) -> None:
    """Neither the subscription nor a path is legible in there."""
    made = processes.fork(1, environ)
    subscribed(vault, made)
    vault.rotate("app/api", {"key": "canary-of-this-test"})
    all_see(made, "canary-of-this-test")
    content = b"".join(file.read_bytes() for file in (tmp_path / "store").glob("*/*"))
    assert content
    assert not any(
        word in content for word in (b"sub_1", b"evt_1", b"app/api", b"canary-of-this-test")
    )


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_leader_ends(
    vault: DevServer, processes: Fleet, anywhere: dict[str, str], sign: signal.Signals
) -> None:
    """The next one goes on with its subscription; continued, it has lost the lead, and follows."""
    made = processes.fork(4, anywhere)
    first = subscribed(vault, made)
    gate = vault.hold("/v1/subscriptions/*/poll")
    gate.wait_until_asked(timeout=LONG)
    first.send(sign)  # while it polls, and does not write to the store
    gate.release()
    vault.rotate("app/api", {"key": "k2"})
    others = [process for process in made if process is not first]
    all_see(others, "k2")
    # By the clocks of several hosts it can't be told what was read since it was subscribed to.
    since = [paths for paths in reads(vault)[2:] if len(paths) == 1 or not is_file(anywhere)]
    assert since.count(("app/api",)) == 1
    assert len(since) == len(reads(vault)[2:]) <= 2
    second = leader(others)
    if sign is signal.SIGSTOP:
        first.send(signal.SIGCONT)
        all_see(made, "k2")
        assert leaders(made) == [second]
        vault.rotate("app/api", {"key": "k3"})
        all_see(made, "k3")
        assert len(reads(vault)) == len(since) + 3
    assert asked(vault, "POST", "/subscriptions") == 1
    assert asked(vault, "DELETE", "/sub_1") == 0


def test_the_leader_closes(vault: DevServer, processes: Fleet, environ: dict[str, str]) -> None:
    """It gives up the lead at once, and leaves the subscription to the others."""
    made = processes.fork(3, environ)
    while len(made) > 1:
        first = leader(made) if asked(vault, "GET", "/poll") else subscribed(vault, made)
        first.ask("close")
        made.remove(first)
        vault.rotate("app/api", {"key": f"without {first.pid}"})
        all_see(made, f"without {first.pid}")
    assert reads(vault).count(("app/api",)) == 2
    made[0].ask("close")
    assert asked(vault, "POST", "/subscriptions") == 1
    assert vault.subscriptions == ("sub_1",)


def test_the_leader_dies_before_it_has_read(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """What was announced to it is read by the next one, though the vault does not tell it again."""
    made = processes.fork(3, environ)
    first = subscribed(vault, made)
    gate = vault.hold("app/api")
    vault.rotate("app/api", {"key": "k2"})
    gate.wait_until_asked(timeout=LONG)
    first.send(signal.SIGKILL)
    gate.release()
    made.remove(first)
    all_see(made, "k2")
    second = leader(made)
    assert reads(vault)[2:] == [("app/api",), ("app/api",)]
    second.ask("close")  # and it is not read again by the one after
    made.remove(second)
    polls = asked(vault, "GET", "/poll")
    eventually(lambda: asked(vault, "GET", "/poll") > polls + 1)
    assert len(reads(vault)) == 4


def test_nobody_may_subscribe(vault: DevServer, processes: Fleet, environ: dict[str, str]) -> None:
    """There is one attempt for all; a rotation shows after the ttl, for one read."""
    vault.fault(method="POST", path="/v1/subscriptions", code="insufficient_scope")
    made = processes.fork(8, environ | {"VAULTCONFIG_TTL": "8"})
    start(made)
    first = leader(made)
    eventually(lambda: first.ask("is_put_off"))  # one that is killed before makes it twice
    first.send(signal.SIGKILL)
    made.remove(first)
    vault.put("app/api", {"key": "k2"})
    all_see(made, "k2")
    leader(made)
    assert asked(vault, "POST", "/subscriptions") == 1


def test_two_refresh(vault: DevServer, processes: Fleet, environ: dict[str, str]) -> None:
    """The second takes what the first has read since it asked; else it reads for itself."""
    vault.fault(method="POST", path="/v1/subscriptions", code="insufficient_scope")
    made = processes.fork(2, environ)
    start(made)
    assert len(reads(vault)) == 1
    vault.put("app/api", {"key": "k2"})
    assert made[0].ask("refresh") == "k2"
    all_see(made, "k2")
    assert len(reads(vault)) == 2
    assert made[1].ask("refresh") == "k2"  # what the first has read is from before
    assert len(reads(vault)) == 3
    gate = vault.hold("/v1/secrets/**")
    made[0].tell("refresh")
    gate.wait_until_asked(timeout=LONG)
    made[1].tell("refresh")  # what the first reads may be from before: so it waits and reads
    vault.put("app/api", {"key": "k3"})
    gate.release()
    assert {process.answer() for process in made} == {"k3"}
    assert len(reads(vault)) <= 5


def test_the_vault_forgets_the_subscription(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """The leader makes a new one, and reads everything again."""
    made = processes.fork(3, environ)
    subscribed(vault, made)
    vault.lose_subscriptions()
    vault.put("app/api", {"key": "k2"})
    all_see(made, "k2")
    eventually(lambda: vault.subscriptions == ("sub_2",))
    vault.put("app/api", {"key": "k3"})
    all_see(made, "k3")


def test_the_next_leader_is_another_identity(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """It may not poll what another identity has subscribed to, so it makes its own."""
    first = subscribed(vault, processes.fork(1, environ))
    scopes = ["secrets:read", "subscriptions:write"]
    token = vault.add_token(identity_id="other", scopes=scopes, read=["**"])
    made = processes.fork(2, environ | {"SCAIVAULT_TOKEN": token})
    start(made)
    first.send(signal.SIGKILL)
    eventually(lambda: asked(vault, "POST", "/subscriptions") == 2)
    vault.rotate("app/api", {"key": "k2"})
    all_see(made, "k2")


def test_a_rejected_token_neither_leads_nor_follows(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """What others were given is nothing for it, until the vault has answered it again."""
    token = vault.add_token(scopes=["secrets:read", "subscriptions:write"], read=["**"])
    alone = processes.fork(1, environ | {"SCAIVAULT_TOKEN": token})
    subscribed(vault, alone)
    others = processes.fork(2, environ)
    start(others)
    vault.revoke(token)
    second = leader(others)
    vault.rotate("app/api", {"key": "k2"})
    all_see(others, "k2")
    eventually(lambda: alone[0].ask("state") == "denied")
    assert (alone[0].value, alone[0].ask("leads"), second.ask("leads")) == ("k1", False, True)


def test_a_forked_child_is_no_leader(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """It follows its parent, and takes over when that is gone."""
    (parent,) = processes.fork(1, environ)
    subscribed(vault, [parent])
    parent.tell("fork")
    child = processes.join()
    assert child.pid == parent.answer()
    assert child.ask("current") == "k1"
    vault.rotate("app/api", {"key": "k2"})
    all_see([parent, child], "k2")
    assert leaders([parent, child]) == [parent]
    parent.ask("close")
    vault.rotate("app/api", {"key": "k3"})
    all_see([child], "k3")
    assert asked(vault, "POST", "/subscriptions") == 1


def test_a_dormant_process_is_served_by_the_store(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """Its first read after a long time gets what another has read meanwhile; nobody is asked."""
    vault.fault(method="POST", path="/v1/subscriptions", code="insufficient_scope")
    (other,) = processes.fork(1, environ)
    (dormant,) = processes.fork(1, environ | {"VAULTCONFIG_TTL": "0.5"})
    assert dormant.ask("load") == "k1"
    start([other])
    vault.put("app/api", {"key": "k2"})
    assert other.ask("refresh") == "k2"
    asked_before = len(reads(vault))
    vault.stop()
    eventually(lambda: dormant.ask("is_outdated"))
    assert dormant.ask("current") == "k2"
    assert len(reads(vault)) == asked_before


def test_the_store_goes_away_and_comes_back_empty(
    vault: DevServer, processes: Fleet, environ: dict[str, str], tmp_path: Path
) -> None:
    """Nobody polls meanwhile, and refreshes spread; afterwards one leads anew."""
    with Valkey(tmp_path) as server:
        address = f"redis://127.0.0.1:{server.port}"
        made = processes.fork(3, environ | {"VAULTCONFIG_STORE": address})
        subscribed(vault, made)
        server.kill()
        eventually(lambda: all(process.ask("is_spread") for process in made))
        eventually(lambda: not leaders(made))
        assert {process.ask("state") for process in made} == {"fresh"}
        vault.rotate("app/api", {"key": "k2"})
        assert made[0].ask("refresh") == "k2"
        server.start()
        leader(made)
        all_see(made, "k2")
        vault.rotate("app/api", {"key": "k3"})
        all_see(made, "k3")
        assert not any(process.ask("is_spread") for process in made)
