"""What a store does with what it is kept on: names, seals, marks, notes, turns and leads."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import SecretBytes, SecretStr

from tests.live.rig import Clock
from tests.store.hosts import DAY, KEY, OTHER_KEY
from tests.store.rig import failure
from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.errors import AccessDeniedError
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store import store as module
from vaultconfig.store.directory import Directory
from vaultconfig.store.entries import News
from vaultconfig.store.server import Server
from vaultconfig.store.shelf import LARGEST, ShelfError, Swap
from vaultconfig.store.store import Look, Note, Store

DB, APP = SecretKey("db"), SecretKey("app")
WALL = 1e9


class Memory:
    """A shelf in memory.

    Attributes:
        held: What stands there.
        keeps: Seconds for which the last swap keeps what it wrote.
        rejects: How many swaps are rejected from now on, as if somebody had been faster.
        problem: Of each use, if any.
        reads, swaps: How often it was used.
    """

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.keeps = 0.0
        self.rejects = self.reads = self.swaps = 0
        self.problem = ""

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        self.reads += 1
        if self.problem:
            raise ShelfError(self.problem)
        return [self.held.get(name) for name in names]

    def swap(self, swaps: Mapping[str, Swap], *, keep: float) -> bool:
        self.swaps += 1
        if self.problem:
            raise ShelfError(self.problem)
        self.keeps = keep
        self.rejects -= 1
        before = {name: self.held.get(name) if b is ... else b for name, (b, _) in swaps.items()}
        if self.rejects >= 0 or any(self.held.get(name) != b for name, b in before.items()):
            return False
        self.held |= {name: after for name, (_, after) in swaps.items() if after is not None}
        for name in [name for name, (_, after) in swaps.items() if after is None]:
            self.held.pop(name, None)
        return True

    def clear(self, scope: str) -> int:
        names = [name for name in self.held if name.startswith(f"{scope}/")]
        for name in names:
            del self.held[name]
        return len(names)

    def close(self) -> None:
        self.problem = "closed"


class Rig:
    """Makes stores on one shelf in memory, and on one clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shelf = Memory()
        self.counts: Counter[str] = Counter()
        self.pauses: list[float] = []
        self.thread = 1

    def store(
        self, *keys: SecretBytes, address: str = "file:/nowhere", tenant: str | None = None
    ) -> Store:
        return Store(
            StoreSettings(SecretStr(address), keys or (KEY,), "shop", "production"),
            server="https://vault.example",
            tenant=tenant,
            clock=lambda: WALL + self.clock(),
            steady=self.clock,
        )

    def count(self, outcome: str, number: int) -> None:
        self.counts[outcome] += number

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def news(self, version: int = 1, *, keep: float = 60.0, age: float = 0.0) -> News:
        answer = Secret("", version, {"key": "value"})
        return News(answer, WALL + self.clock() - age, 300.0, keep)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Rig:
    rig = Rig()
    caplog.set_level(logging.DEBUG, "vaultconfig")
    monkeypatch.setattr(module, "count_store_reads", rig.count)
    monkeypatch.setattr(module, "time", rig)
    monkeypatch.setattr(module, "random", lambda: 0.5)
    monkeypatch.setattr(module, "get_ident", lambda: rig.thread)
    monkeypatch.setattr(module, "_shelf_for", lambda _: rig.shelf)
    return rig


class TestEntries:
    def test_each_read_is_counted(self, rig: Rig, caplog: Any) -> None:
        """What it found, what it ignored, and what there was nothing of."""
        store = rig.store()
        store.write({DB: rig.news(), APP: rig.news(age=30.0)})
        caplog.clear()
        longest = {DB: DAY, APP: 10.0} | {SecretKey(f"none{n}"): DAY for n in range(3)}
        assert list(store.read(longest)) == [DB]
        assert +rig.counts == {"hit": 1, "ignored": 1, "miss": 3}
        assert caplog.messages == ["entries of the store that are ignored: 1 older than max_stale"]

    def test_what_is_ignored_under_one_key_is_no_miss(self, rig: Rig) -> None:
        """Where the entry under another one is used."""
        rig.store(OTHER_KEY).write({DB: rig.news(age=30.0)})
        store = rig.store(KEY)
        store.write({DB: rig.news()})
        assert list(rig.store(KEY, OTHER_KEY).read({DB: 10.0})) == [DB]
        assert +rig.counts == {"hit": 1, "ignored": 1}

    def test_a_store_that_is_away_is_counted(self, rig: Rig) -> None:
        """Each secret that was looked for."""
        rig.shelf.problem = "no such host"
        assert rig.store().read({DB: DAY, APP: DAY}) == {}
        assert rig.counts == {"away": 2}

    def test_what_is_missing_is_told_to_those_who_look(self, rig: Rig, caplog: Any) -> None:
        """How many there are of how many; nothing where all are there."""
        store = rig.store()
        store.write({DB: rig.news()})
        caplog.clear()
        store.read({DB: DAY, APP: DAY})
        assert caplog.messages == [
            "the store has 1 of 2 secrets of this application, environment, tenant, server and key"
        ]
        caplog.clear()
        store.read({DB: DAY})
        assert caplog.messages == []

    def test_a_reason_is_told_once(self, rig: Rig, caplog: Any) -> None:
        """Until a read ignores nothing; another reason is another line."""
        store = rig.store()
        store.write({DB: rig.news(age=30.0), APP: rig.news()})
        for path, longest in ((DB, 10.0), (DB, 10.0), (DB, DAY), (DB, 10.0)):
            store.read({path: longest})
        rig.shelf.held[store._first.name("secret", *APP)] = b"\1"
        store.read({APP: DAY})
        reasons = [message.partition(": ")[2] for message in caplog.messages]
        assert reasons == ["1 older than max_stale"] * 2 + ["1 truncated"]

    def test_the_newest_of_all_keys_is_read(self, rig: Rig) -> None:
        """Whichever comes first."""
        rig.store(OTHER_KEY).write({DB: rig.news(2), APP: rig.news(1)})
        rig.store(KEY).write({DB: rig.news(1), APP: rig.news(2)})
        found = rig.store(KEY, OTHER_KEY).read({DB: DAY, APP: DAY})
        assert [entry.answer.version for entry in found.values()] == [2, 2]  # type: ignore[union-attr]

    def test_a_tenant_has_its_own(self, rig: Rig) -> None:
        """Without a name it is the one that has none."""
        rig.store(tenant="").write({DB: rig.news()})
        assert list(rig.store(tenant=None).read({DB: DAY})) == [DB]
        assert rig.store(tenant="other").read({DB: DAY}) == {}

    def test_reasons_are_told_together(self, rig: Rig, caplog: Any) -> None:
        """Each with its number, in one warning."""
        store = rig.store()
        store.write({DB: rig.news(), APP: rig.news(age=30.0)})
        store.write({SecretKey("old"): rig.news(age=30.0)})
        name = store._first.name("secret", *DB)
        rig.shelf.held[name] = b"\1"
        store.read({DB: DAY, APP: 10.0, SecretKey("old"): 10.0})
        assert caplog.messages == [
            "entries of the store that are ignored: 1 truncated; 2 older than max_stale"
        ]


class TestWrites:
    def test_they_are_legible_for_a_day_longer(self, rig: Rig) -> None:
        """So that a reader can say that they are old; the longest of them counts for all."""
        rig.store().write({DB: rig.news(keep=60.0), APP: rig.news(keep=600.0)})
        assert rig.shelf.keeps == 600.0 + 86_400.0

    def test_they_move_the_marks_of_all_keys(self, rig: Rig) -> None:
        """By 8 random bytes; what changes nothing moves none, and is not written."""
        store = rig.store(KEY, OTHER_KEY)
        assert store.mark() == b""
        store.write({DB: rig.news()})
        mark = store.mark()
        assert mark is not None
        assert len(mark) == 16
        assert rig.shelf.swaps == 2  # one a key
        store.write({DB: rig.news(age=1.0)})
        assert (store.mark(), rig.shelf.swaps) == (mark, 2)
        assert rig.store(OTHER_KEY).mark() == mark[8:]

    def test_they_end_the_note(self, rig: Rig) -> None:
        """The vault has answered, though with nothing new."""
        store = rig.store()
        store.write({DB: rig.news()})
        mark = store.mark()
        store.leave_note("it was away", seconds=60.0)
        store.write({DB: rig.news(age=1.0)})
        assert store.note() is None
        assert store.mark() == mark

    def test_who_was_beaten_tries_again(self, rig: Rig) -> None:
        """After a pause of its own, on what stands there by then; five times in all."""
        store = rig.store()
        rig.shelf.rejects = 4
        store.write({DB: rig.news()})
        assert list(store.read({DB: DAY})) == [DB]
        assert rig.pauses == [0.01] * 4
        rig.shelf.rejects = 5
        store.write({APP: rig.news()})
        assert store.read({APP: DAY}) == {}
        assert len(rig.pauses) == 9

    def test_nothing_is_written_while_the_store_is_away(self, rig: Rig) -> None:
        """Neither is it tried again."""
        rig.shelf.problem = "no such host"
        rig.store().write({DB: rig.news()})
        assert (rig.shelf.reads, rig.shelf.swaps, rig.pauses) == (1, 0, [])

    def test_what_can_not_be_written_is_not_tried_again(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A failure is no other writer."""

        def full(_swaps: object, *, keep: float) -> bool:
            raise ShelfError("no room")

        monkeypatch.setattr(rig.shelf, "swap", full)
        rig.store().write({DB: rig.news()})
        assert (rig.shelf.reads, rig.pauses) == (1, [])

    def test_what_is_too_large_is_not_stored(self, rig: Rig, caplog: Any) -> None:
        """The others are; the log says how large it is. The largest has 1 MiB sealed."""
        store = rig.store()
        news, none = rig.news(), Secret("", 1, {"key": ""})
        store.write({DB: news._replace(answer=none)})
        room = LARGEST - len(rig.shelf.held[store._first.name("secret", *DB)])
        for size, found in ((room, [DB, APP]), (room + 1, [APP])):
            rig.shelf.held.clear()
            caplog.clear()
            answer = Secret("", 1, {"key": "x" * size})
            store.write({DB: news._replace(answer=answer), APP: news})
            assert list(store.read({DB: DAY, APP: DAY})) == found
        assert caplog.messages[0] == (
            "a secret is not stored, because sealed it has 1048577 bytes; the most is 1 MiB"
        )

    def test_a_denial_removes_what_every_key_has(self, rig: Rig) -> None:
        """The second one, wherever there is something; else there is nothing to write."""
        store = rig.store(KEY, OTHER_KEY)
        denial = rig.news()._replace(answer=AccessDeniedError("db"))
        store.write({DB: denial})
        assert rig.shelf.swaps == 0
        rig.store(OTHER_KEY).write({DB: rig.news()})
        for _ in range(2):
            rig.clock.advance(10.0)
            denial = rig.news()._replace(answer=AccessDeniedError("db"))
            store.write({DB: denial})
        names = {seal.name("secret", *DB) for seal in store._seals}
        assert not names & rig.shelf.held.keys()

    def test_what_is_from_the_future_counts_for_its_version(self, rig: Rig) -> None:
        """And what is as old as can be, too."""
        store = rig.store()
        for age in (-1e8, 9e8):
            rig.shelf.held.clear()
            store.write({DB: rig.news(2, age=age)})
            before = dict(rig.shelf.held)
            store.write({DB: rig.news(1)})
            assert rig.shelf.held == before


class TestLooks:
    def test_a_look_has_all(self, rig: Rig) -> None:
        """In one use: the marks, the note, and whose turn it is."""
        store = rig.store()
        assert store.look([DB]) == Look(b"", None, None)
        store.write({DB: rig.news()})
        store.leave_note("it was away", seconds=0.0)
        rig.clock.advance(2.0)
        with store.turn([DB]):
            reads = rig.shelf.reads
            mark, note, turn = store.look([DB])
            assert rig.shelf.reads == reads + 1
        assert mark == store.mark()
        assert note == Note("it was away", 2.0, 3.0)
        assert turn is not None
        assert len(turn) == 8

    def test_of_one_that_is_away_there_is_nothing(self, rig: Rig) -> None:
        """No mark either, which is another thing than an empty one."""
        rig.shelf.problem = "no such host"
        store = rig.store()
        assert store.look([DB]) == Look(b"", None, None)
        assert (store.mark(), store.note(), store.load("kind")) == (None, None, None)
        assert (store.is_away, store.is_unreadable, store.is_barred) == (True, True, False)

    @pytest.mark.parametrize(("seconds", "left"), [(0.0, 5.0), (5.5, 5.5)])
    def test_a_note_holds_for_five_seconds_or_more(
        self, rig: Rig, seconds: float, left: float
    ) -> None:
        """And is kept for as long."""
        store = rig.store()
        store.leave_note("it was away", seconds=seconds)
        assert store.note() == Note("it was away", 0.0, left)
        assert rig.shelf.keeps == left
        rig.clock.advance(left - 0.5)
        assert store.note() == Note("it was away", left - 0.5, 0.5)
        rig.clock.advance(0.5)
        assert store.note() is None

    def test_a_note_may_be_from_another_clock(self, rig: Rig) -> None:
        """Which is up to five seconds ahead; then it is of now."""
        store = rig.store()
        store.leave_note("it was away", seconds=60.0)
        rig.clock.advance(-4.5)
        assert store.note() == Note("it was away", 0.0, 64.5)
        rig.clock.advance(-0.5)
        assert store.note() is None

    def test_what_is_no_object_is_not_there(self, rig: Rig) -> None:
        """Nor is what was sealed for something else, or is damaged."""
        store = rig.store()
        name = store._first.name("kind", "a")
        for raw in (store._first.close(name, b"[1]"), store._first.close("x", b"{}"), b"x"):
            rig.shelf.held[name] = raw
            assert store.load("kind", "a") is None

    def test_what_was_saved_is_loaded(self, rig: Rig) -> None:
        """By its kind and the parts of its name, over whatever stood there."""
        store = rig.store()
        for value in ("one", "t\udcfc"):
            store.save("kind", {"a": value, "b": 1.5}, "x", "y", keep=7.0)
            assert rig.store().load("kind", "x", "y") == {"a": value, "b": 1.5}
        assert rig.shelf.keeps == 7.0
        assert store.load("kind", "x") is None


class TestTurns:
    def test_a_turn_has_an_end(self, rig: Rig) -> None:
        """After 3 s, by what it is kept on."""
        with rig.store().turn([DB]):
            assert rig.shelf.keeps == 3.0
            assert len(rig.shelf.held) == 1
        assert rig.shelf.held == {}

    def test_a_turn_is_for_a_set(self, rig: Rig) -> None:
        """In whatever order, and for that one alone."""
        store, other = rig.store(), rig.store()
        with store.turn([DB, APP]):
            for keys, is_ours in (([APP, DB], False), ([DB], True)):
                with other.turn(keys) as found:
                    assert found is is_ours

    def test_without_a_store_there_are_no_turns(self, rig: Rig) -> None:
        """Everybody has one."""
        rig.shelf.problem = "no such host"
        for _ in range(2):
            with rig.store().turn([DB]) as is_ours:
                assert is_ours is True

    def test_one_that_is_interrupted_ends(self, rig: Rig) -> None:
        """By an error of its holder; and what was taken within it ends with it, not before."""
        store = rig.store()
        with store.turn([DB]):
            with store.turn([DB]):
                pass
            assert rig.shelf.held
        with pytest.raises(KeyError), store.turn([DB]):
            raise KeyError
        assert rig.shelf.held == {}

    def test_it_ends_although_nothing_can_be_written(self, rig: Rig) -> None:
        """Which was found out meanwhile."""
        store = rig.store()
        with store.turn([DB]):
            store._access._unwritable.until = rig.clock() + 30.0
        assert rig.shelf.held == {}

    def test_one_that_stands_for_too_long_is_taken(self, rig: Rig) -> None:
        """After more than three seconds since it was first seen; another one begins anew."""
        store = rig.store()
        name = store._turn([DB])
        for turn, seconds, is_ours in (
            (b"planted", 0.0, False),
            (b"planted", 3.0, False),
            (b"another", 0.5, False),
            (b"another", 3.0, False),
            (b"another", 0.5, True),
        ):
            rig.shelf.held[name] = turn
            rig.clock.advance(seconds)
            with store.turn([DB], store.look([DB])) as found:
                assert found is is_ours

    def test_one_that_is_over_is_not_ours(self, rig: Rig) -> None:
        """Not even of the thread that had it."""
        store = rig.store()
        with store.turn([DB]):
            pass
        with rig.store().turn([DB]), store.turn([DB]) as is_ours:
            assert is_ours is False

    def test_two_threads_may_end_theirs(self, rig: Rig) -> None:
        """The first one took so long that the second one has got it meanwhile."""
        first = (store := rig.store()).turn([DB])
        assert first.__enter__()
        rig.shelf.held.clear()
        rig.thread = 2
        with store.turn([DB]) as is_ours:
            assert is_ours is True
            first.__exit__(None, None, None)
        assert rig.shelf.held == {}

    def test_a_child_has_none(self, rig: Rig) -> None:
        """Those of its parent are the parent's."""
        store = rig.store()
        with store.turn([DB]):
            child = store.in_child()
            with child.turn([DB]) as is_ours:
                assert is_ours is False
            with store.turn([DB]) as is_ours:
                assert is_ours is True

    def test_a_child_has_a_shelf_of_its_own(self, rig: Rig) -> None:
        """And knows of the outage that its parent had."""
        store, shelf = rig.store(), rig.shelf
        rig.shelf = Memory()
        store.in_child().mark()
        assert (shelf.reads, rig.shelf.reads) == (0, 1)
        shelf.problem = "no such host"
        store.mark()
        assert store.in_child().is_unreadable


class TestLeads:
    def test_one_has_the_lead(self, rig: Rig) -> None:
        """Keeps it, and gives it up; each time for as long as it says."""
        store = rig.store()
        assert store.lead(["a", "b"], b"one", seconds=7.0)
        assert store.lead(["b", "a"], b"one", seconds=8.0)
        assert rig.shelf.keeps == 8.0
        assert not store.lead(["a", "b"], b"two", seconds=8.0)
        store.give_up_lead(["b", "a"], b"two")
        assert not store.lead(["a", "b"], b"two", seconds=8.0)
        store.give_up_lead(["b", "a"], b"one")
        assert store.lead(["a", "b"], b"two", seconds=8.0)


class TestTrials:
    @pytest.mark.parametrize(
        ("is_there", "creates", "swaps"),
        [(False, False, 0), (False, True, 2), (True, False, 2), (True, True, 2)],
    )
    def test_what_is_tried(self, rig: Rig, is_there: bool, creates: bool, swaps: int) -> None:
        """It is read, and written where something is there; that leaves nothing."""
        store = rig.store()
        if is_there:
            store.write({DB: rig.news()})
        before, done = dict(rig.shelf.held), rig.shelf.swaps
        assert store.try_out(creates=creates) is is_there
        assert rig.shelf.swaps - done == swaps
        assert rig.shelf.held == before

    def test_a_failure_is_told(self, rig: Rig) -> None:
        """With its reason."""
        store = rig.store()
        rig.shelf.problem = "no such host"
        assert failure(lambda: store.try_out(creates=True)) == "no such host"

    def test_all_keys_are_cleared(self, rig: Rig) -> None:
        """Of this application alone."""
        rig.shelf.held["ab/1"] = b"other"
        store = rig.store(KEY, OTHER_KEY)
        store.write({DB: rig.news()})
        assert store.clear() == 3  # an entry, and a mark for each key
        assert rig.shelf.held == {"ab/1": b"other"}

    def test_a_store_that_was_closed_has_closed_its_shelf(self, rig: Rig) -> None:
        """It opens again by itself."""
        rig.store().close()
        assert rig.shelf.problem == "closed"


@pytest.mark.parametrize(
    ("address", "slack"), [("file:/nowhere", 0.1), ("redis://127.0.0.1:1", 5.0)]
)
def test_the_clocks_of_one_host_agree(rig: Rig, address: str, slack: float) -> None:
    """Those of several hosts may differ by five seconds."""
    assert rig.store(address=address).slack == slack


def test_what_it_is_kept_on() -> None:
    """A directory, or a server, which is waited for four times as long as a use takes."""
    settings = StoreSettings(SecretStr("file:/nowhere"), (KEY,), "shop", "production")
    directory = module._shelf_for(settings)
    assert isinstance(directory, Directory)
    assert directory._path == "/nowhere"
    server = module._shelf_for(settings._replace(address=SecretStr("redis://127.0.0.1:1")))
    assert isinstance(server, Server)
    assert server._patience == 2.0
