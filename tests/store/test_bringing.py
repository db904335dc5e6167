"""How a process waits for another one that asks the vault, look by look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.store.hosts import DAY, Hosts
from vaultconfig.devserver import DevServer
from vaultconfig.errors import AuthenticationError, RateLimitedError, VaultUnavailableError
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store.entries import News
from vaultconfig.vaults import sharing
from vaultconfig.vaults.cache import Reading, SecretCache
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.sharing import Sharing

DB, LATE = SecretKey("db"), SecretKey("late")
LIFE = Lifetime(300.0, DAY)


class Bringing:
    """A process that shares a store with another one, and each step of its waiting.

    Attributes:
        other: The store as the other process has it.
        pauses: Seconds between two looks, each of which takes an eighth of a second.
        meanwhile: What the other one does before the look of a number.
        asked: What the vault was asked, within how many seconds, and whether it was tried again.
        weighed: The versions that `is_enough` was asked about.
        fails: What the vault does, if it does not answer.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.clock = hosts.clock
        self.store, self.other = hosts.store(), hosts.store()
        self.cache = SecretCache(clock=hosts.clock)
        self.older_since: dict[SecretKey, float] = {}
        self.sharing = Sharing(self.store, self.cache, self.older_since)
        self.waited = 0.0
        self.pauses: list[float] = []
        self.meanwhile: dict[int, Callable[[], object]] = {}
        self.asked: list[tuple[list[str], float, bool]] = []
        self.weighed: list[int] = []
        self.fails: VaultUnavailableError | None = None

    def monotonic(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += 0.125
        self.pauses.append(seconds)
        self.meanwhile.get(len(self.pauses), lambda: None)()

    def is_enough(self, key: SecretKey, reading: Reading) -> bool:
        self.weighed.append(reading.version)
        return reading.version == 2

    def ask(
        self, keys: Collection[SecretKey], *, seconds: float, retry: bool
    ) -> Mapping[SecretKey, Reading]:
        self.asked.append(([key.path for key in keys], seconds, retry))
        if self.fails is not None:
            raise self.fails
        return {key: Reading(secret(key, 3), self.clock()) for key in keys}

    def bring(
        self, *keys: SecretKey, deadline: float = 2.0, life: Lifetime = LIFE, **how: bool
    ) -> list[int]:
        """Return the versions that come."""
        found = self.sharing.bring(
            dict.fromkeys(keys or (DB,), life),
            is_enough=self.is_enough,
            ask=self.ask,
            deadline=deadline,
            **how,
        )
        return [reading.version for reading in found.values()]

    def store_other(self, version: int, key: SecretKey = DB) -> None:
        """Have the other one store *version*."""
        self.other.write({key: News(secret(key, version), self.other.clock(), 300.0, DAY)})


def secret(key: SecretKey, version: int) -> Secret:
    return Secret(key.path, version, {"key": "value"})


@pytest.fixture
def process(
    vault: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bringing]:
    process = Bringing(Hosts(vault, tmp_path / "store"))
    monkeypatch.setattr(sharing, "time", process)
    monkeypatch.setattr(sharing, "random", lambda: 0.5)
    yield process
    process.store.close()
    process.other.close()


def test_whoever_has_the_turn_asks(process: Bringing) -> None:
    """At once, within the deadline, and again if an attempt fails."""
    assert process.bring() == [3]
    assert process.asked == [(["db"], 2.0, True)]
    assert process.pauses == []


def test_the_others_wait_and_then_ask_by_themselves(process: Bringing) -> None:
    """They look at growing distances, for half of the time."""
    with process.other.turn([DB]):
        assert process.bring() == [3]
    assert process.asked == [(["db"], 1.0, True)]
    assert process.pauses == [0.03, 0.06, 0.12, 0.24, 0.3, 0.3, 0.25, 0.125]


def test_only_news_are_weighed(process: Bringing) -> None:
    """A mark that stands says that there are none; a turn that begins is worth a look anyway."""
    process.store_other(1)
    with process.other.turn([DB]):
        assert process.bring(is_refresh=True) == [3]
    assert process.weighed == [1]
    assert process.bring(is_refresh=True) == [3]
    assert process.weighed == [1] * 3


def test_the_pauses_differ(process: Bringing, monkeypatch: pytest.MonkeyPatch) -> None:
    """By half of each, up and down, so that those who wait do not look at the same time."""
    for factor, pause in ((0.0, 0.015), (1.0, 0.045)):
        monkeypatch.setattr(sharing, "random", lambda factor=factor: factor)
        with process.other.turn([DB]):
            process.bring()
        assert process.pauses[0] == pytest.approx(pause)
        process.pauses.clear()


def test_what_another_one_brings_ends_the_waiting(process: Bringing) -> None:
    """Not what it stores of other secrets, nor what is not new enough."""
    process.store_other(1)
    process.meanwhile = {
        1: lambda: process.store_other(1, LATE),
        3: lambda: process.store_other(2),
    }
    with process.other.turn([DB]):
        assert process.bring() == [2]
    assert process.asked == []
    assert process.weighed == [1, 1, 2]
    assert len(process.pauses) == 3


def test_the_rest_is_waited_for(process: Bringing) -> None:
    """What has come is not weighed again, and is there when the rest was asked for."""
    process.store_other(2)
    process.meanwhile = {1: lambda: process.store_other(1, LATE)}
    with process.other.turn([LATE]):
        assert process.bring(DB, LATE, is_refresh=True) == [2, 3]
    assert process.asked == [(["late"], 1.0, False)]
    assert process.weighed == [2, 1]


def test_a_turn_that_has_just_ended_is_worth_a_look(process: Bringing) -> None:
    """What its holder stored after our last look is there when ours begins."""
    there = process.store.turn

    def turn(*arguments: Any) -> Any:
        process.store_other(2)
        return there(*arguments)

    process.store.turn = turn  # type: ignore[method-assign]
    assert process.bring() == [2]
    assert process.asked == []


@pytest.mark.parametrize(("deadline", "looks"), [(60.0, 16), (1.0, 8)])
def test_where_the_store_can_serve_all_of_two_seconds_is_waited(
    process: Bringing, deadline: float, looks: int
) -> None:
    """Or of a shorter deadline; then what is known is served, and the vault is not asked."""
    process.store_other(1)
    with (
        process.other.turn([DB]),
        pytest.raises(VaultUnavailableError, match="has not answered another process in time"),
    ):
        process.bring(deadline=deadline)
    assert process.asked == []
    assert len(process.pauses) == looks


def test_where_the_store_can_serve_one_attempt_is_made(process: Bringing) -> None:
    """Of two seconds, without another one."""
    process.store_other(1)
    assert process.bring(deadline=60.0) == [3]
    assert process.asked == [(["db"], 2.0, False)]


def test_a_refresh_has_the_whole_deadline_for_one_attempt(process: Bringing) -> None:
    """Though the store could serve what is held: that is no answer to it."""
    process.store_other(1)
    assert process.bring(deadline=60.0, is_refresh=True) == [3]
    assert process.asked == [(["db"], 60.0, False)]


def test_the_time_that_was_waited_is_gone(process: Bringing) -> None:
    """Whoever gets the turn after some looks has what is left."""
    turn = process.other.turn([DB])
    turn.__enter__()
    process.meanwhile = {2: lambda: turn.__exit__(None, None, None)}
    assert process.bring() == [3]
    assert process.asked == [(["db"], 1.75, True)]


def test_all_has_to_be_known_to_be_served(process: Bringing) -> None:
    """With one that is not, the vault has the whole deadline; a short life counts to its end."""
    process.store_other(1)
    assert process.bring(DB, LATE, deadline=60.0) == [3, 3]
    assert process.bring(DB, deadline=60.0, life=Lifetime(0.5, 0.5)) == [3]
    assert [(seconds, retry) for _, seconds, retry in process.asked] == [(60.0, True), (2.0, False)]


def test_a_note_is_heeded_where_it_can_be_waited_for(process: Bringing) -> None:
    """What is known has to serve as long as the note stands; else the vault is asked."""
    process.store_other(1)
    process.other.leave_note("it was away", seconds=60.0)
    with pytest.raises(VaultUnavailableError, match="it was away"):
        process.bring(life=Lifetime(60.5, 60.5))
    assert process.asked == []
    assert process.bring(life=Lifetime(60.0, 60.0)) == [3]


def test_what_another_one_got_meanwhile_ends_a_failure(process: Bringing) -> None:
    """It is looked for once more before it is raised."""
    process.fails = VaultUnavailableError("it is away")
    asked = process.ask

    def ask(keys: Collection[SecretKey], **how: Any) -> Mapping[SecretKey, Reading]:
        process.store_other(2)
        return asked(keys, **how)

    process.ask = ask  # type: ignore[method-assign]
    assert process.bring() == [2]


@pytest.mark.parametrize(("later", "left"), [(-1.0, 1), (0.0, 1), (1.0, 0)])
def test_an_answer_of_another_one_ends_a_lag(process: Bringing, later: float, left: int) -> None:
    """If it was given after the first old answer to this process."""
    process.store_other(1)
    process.older_since[DB] = process.clock() - later
    process.sharing.find({DB: LIFE})
    assert len(process.older_since) == left


@pytest.mark.parametrize(("held", "kept"), [(1, 2), (3, 3)])
def test_the_newest_is_kept(process: Bringing, held: int, kept: int) -> None:
    """Of what the store has and what is in the cache; what the store has is returned anyway."""
    process.store_other(2)
    process.cache.put(DB, Reading(secret(DB, held), process.clock()), keep=DAY)
    assert [reading.version for reading in process.sharing.find({DB: LIFE}).values()] == [2]
    reading = process.cache.get(DB, max_age=DAY)
    assert reading is not None
    assert reading.version == kept


def test_answers_are_told(process: Bringing, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an old one that others heard of, too; no failure. It is kept for the longest use."""
    told: list[Mapping[SecretKey, News]] = []
    monkeypatch.setattr(process.store, "write", told.append)
    process.older_since[LATE] = process.clock()
    now, away = process.clock(), VaultUnavailableError("it is away")
    answers: list[tuple[SecretKey, Any]] = [
        (DB, secret(DB, 1)),
        (DB, away),
        (LATE, away),
        (LATE, AuthenticationError("rejected")),
    ]
    for key, answer in answers:
        process.store.is_barred = True
        process.sharing.tell({key: Reading(answer, now)}, {key: LIFE}, max_stale=60.0)
        assert not process.store.is_barred
    assert [list(news) for news in told] == [[DB], [LATE]]
    assert told[0][DB] == News(answers[0][1], process.store.clock(), 300.0, DAY)
    process.sharing.tell({DB: Reading(away, now)}, {DB: LIFE}, max_stale=60.0)
    process.sharing.tell({LATE: Reading(away, now)}, {LATE: LIFE}, max_stale=2 * DAY)
    assert [news.keep for each in told for news in each.values()] == [DAY, DAY, 2 * DAY]


def test_what_came_in_spite_of_a_failure_is_taken(process: Bringing) -> None:
    """By a load only if nothing is missing; a refresh takes a failure for the rest."""
    process.fails = VaultUnavailableError("it is away")
    process.store_other(2)
    with pytest.raises(VaultUnavailableError):
        process.bring(DB, LATE, insists=True)
    assert process.bring(DB, LATE, insists=True, is_refresh=True) == [2, 0]
    with pytest.raises(VaultUnavailableError):
        process.bring(LATE, insists=True, is_refresh=True)


@pytest.mark.parametrize(("retry_after", "left"), [(60.0, 60.0), (None, 5.0)])
def test_a_failure_is_noted_for_as_long_as_the_vault_says(
    process: Bringing, retry_after: float | None, left: float
) -> None:
    """Else for five seconds."""
    process.fails = RateLimitedError("too many", retry_after=retry_after)
    with pytest.raises(RateLimitedError):
        process.bring()
    note = process.other.note()
    assert note is not None
    assert note.left == left
