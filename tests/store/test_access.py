"""How a store is used: how long each use may take, and when one that failed is tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from tests.live.rig import Clock
from tests.store.rig import failure
from vaultconfig.store import access
from vaultconfig.store.access import Access
from vaultconfig.store.shelf import ShelfError, Swap

NEW = {"a/1": Swap(None, b"new")}


class Memory:
    """A shelf in memory, which fails if a test says so, and takes as long as it says.

    Attributes:
        takes: Seconds of each use, by `stopwatch`.
        problem: Of each use, if any.
        unwritable: Of each swap, if any.
        uses: The names of each use.
    """

    def __init__(self, stopwatch: Clock) -> None:
        self.held: dict[str, bytes] = {"a/1": b"one", "a/2": b"two", "b/1": b"three"}
        self.stopwatch = stopwatch
        self.takes = 0.0
        self.problem = self.unwritable = ""
        self.uses: list[list[str]] = []

    def _use(self, names: Sequence[str], problem: str) -> None:
        self.uses.append(list(names))
        self.stopwatch.advance(self.takes)
        if problem:
            raise ShelfError(problem)

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        self._use(names, self.problem)
        return [self.held.get(name) for name in names]

    def swap(self, swaps: Mapping[str, Swap], *, keep: float) -> bool:
        self._use(list(swaps), self.problem or self.unwritable)
        assert keep == 5.0
        return all(before == self.held.get(name) for name, (before, _) in swaps.items())

    def clear(self, scope: str) -> int:
        self._use([scope], self.problem)
        return sum(name.startswith(f"{scope}/") for name in self.held)

    def close(self) -> None:
        raise NotImplementedError


class Rig:
    """An access to a shelf in memory, and its clocks.

    Attributes:
        steady: By which a store that failed is tried again.
        patience: Seconds that each use had.
        hanging: What to run when those that hang go on; None while nothing hangs.
    """

    def __init__(self) -> None:
        self.steady, self.stopwatch = Clock(), Clock()
        self.steady.now = self.stopwatch.now = 0.0
        self.monotonic = self.stopwatch
        self.shelf = Memory(self.stopwatch)
        self.access = Access(self.shelf, self.steady)
        self.patience: list[float] = []
        self.hanging: list[Callable[[], object]] | None = None

    def within(self, seconds: float, call: Callable[[], Any]) -> Any:
        """Do as `within` does, in this thread."""
        self.patience.append(seconds)
        if self.hanging is None:
            return call()
        self.hanging.append(call)
        self.stopwatch.advance(seconds)
        raise TimeoutError

    def read(self) -> bool:
        """Return whether the first name could be read."""
        found = self.access.read(["a/1"])
        assert found in (None, {"a/1": b"one"})
        return found is not None

    def swap(self, **how: bool) -> bool:
        """Return whether a name could be looked at, to be written."""
        return self.access.swap(NEW, keep=5.0, **how) is not None


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Rig:
    caplog.set_level(logging.DEBUG, "vaultconfig")
    rig = Rig()
    monkeypatch.setattr(access, "within", rig.within)
    monkeypatch.setattr(access, "time", rig)
    return rig


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the level and the text of what was logged since the last call."""
    found = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def test_each_scope_is_asked_by_itself(rig: Rig) -> None:
    """A shelf takes names of one scope; what stands there comes back by its name."""
    found = rig.access.read(["a/1", "b/1", "a/2", "b/2"])
    assert found == {"a/1": b"one", "a/2": b"two", "b/1": b"three", "b/2": None}
    assert rig.shelf.uses == [["a/1", "a/2"], ["b/1", "b/2"]]
    assert len(rig.patience) == 1


def test_swaps_are_made_if_those_of_each_scope_are(rig: Rig) -> None:
    """Those of the second one, too; the first that is rejected ends it."""
    right, wrong = Swap(b"one", b"x"), Swap(b"x", b"y")
    assert rig.access.swap({"a/1": right, "b/1": Swap(b"three", None)}, keep=5.0) is True
    assert rig.access.swap({"a/1": right, "b/1": wrong}, keep=5.0) is False
    assert rig.access.swap({"a/1": wrong, "b/1": wrong}, keep=5.0) is False
    assert rig.shelf.uses == [["a/1"], ["b/1"], ["a/1"], ["b/1"], ["a/1"]]


def test_a_store_that_failed_is_left_alone_for_a_while(rig: Rig, caplog: Any) -> None:
    """Neither read nor written for 30 s, and then tried once more for the next 30 s."""
    rig.shelf.problem = "no such host"
    for _ in range(2):
        assert not rig.read()
        rig.steady.advance(29.5)
        assert not rig.read()
        assert not rig.swap(anyway=True)
        rig.steady.advance(0.5)
    assert len(rig.shelf.uses) == 2
    text = (
        "the store can't be used, so the vault is asked directly, and rotations show after up to"
        " 3 ttls; next try in 30 s: no such host"
    )
    assert lines(caplog) == [("WARNING", text), ("DEBUG", text)]
    assert rig.access.is_unreadable
    assert rig.access.is_away


def test_a_store_that_is_back_is_used_at_once(rig: Rig, caplog: Any) -> None:
    """The log says so once, and warns of the next outage as of the first."""
    for _ in range(2):
        rig.shelf.problem = "no such host"
        rig.read()
        rig.shelf.problem = ""
        rig.steady.advance(30.0)
        assert rig.read()
        assert not rig.access.is_away
        assert [level for level, _ in lines(caplog)] == ["WARNING", "INFO"]
        assert rig.read()
        assert lines(caplog) == []


def test_a_store_that_is_full_is_read(rig: Rig, caplog: Any) -> None:
    """It is not written for 30 s, unless what is to be written removes something."""
    rig.shelf.unwritable = "no room"
    rig.stopwatch.advance(64.0)
    assert not rig.swap()
    assert (rig.access.is_away, rig.access.is_unreadable) == (True, False)
    rig.steady.advance(0.5)
    assert not rig.swap()
    assert rig.read()
    assert len(rig.shelf.uses) == 2
    assert lines(caplog) == [
        ("WARNING", "the store can't be written; next try in 30 s: no room"),
    ]
    rig.shelf.unwritable = ""
    assert rig.swap(anyway=True)
    assert rig.swap()
    assert not rig.access.is_away
    assert lines(caplog) == [("INFO", "the store can be written again")]


def test_one_that_is_written_is_read_at_once(rig: Rig) -> None:
    """And written again, read again."""
    for use in (rig.read, rig.swap, rig.read, rig.read, rig.swap, rig.swap):
        assert use()


def test_one_outage_is_one_warning(rig: Rig, caplog: Any) -> None:
    """What else can't be done is told below it, and so is what can be done again."""
    rig.shelf.unwritable = "no room"
    rig.swap()
    rig.shelf.problem = "no such host"
    rig.read()
    rig.shelf.unwritable = rig.shelf.problem = ""
    rig.steady.advance(30.0)
    rig.swap()
    rig.read()
    found = lines(caplog)
    assert [level for level, _ in found] == ["WARNING", "INFO", "INFO", "INFO"]
    assert [text for _, text in found[2:]] == [
        "the store can be written again",
        "the store can be used again",
    ]


@pytest.mark.parametrize(("seconds", "is_read"), [(0.45, True), (0.46, False)])
def test_what_hangs_when_it_is_written_is_not_read(rig: Rig, seconds: float, is_read: bool) -> None:
    """A failure that took almost all of the half second does not just reject something."""
    rig.shelf.unwritable = "no answer"
    rig.shelf.takes = seconds
    assert not rig.swap()
    rig.shelf.takes = 0.0
    assert rig.read() is is_read
    assert rig.access.is_unreadable is not is_read


def test_one_that_hangs_is_left(rig: Rig, caplog: Any) -> None:
    """After half a second, whatever was to be done with it."""
    rig.hanging = []
    assert not rig.swap()
    assert rig.access.is_unreadable
    assert lines(caplog)[0][1].endswith(": it did not answer within 0.5 s")


@pytest.mark.parametrize("use", [Rig.read, Rig.swap])
def test_one_that_answers_late_is_tried_again_soon(rig: Rig, use: Callable[[Rig], bool]) -> None:
    """A second after it was asked: it is there, but slow, or this process was."""
    rig.hanging = []
    assert not use(rig)
    (answer,), rig.hanging = rig.hanging, None
    rig.steady.advance(0.5)
    answer()
    assert not use(rig)
    rig.steady.advance(0.5)
    assert use(rig)
    assert rig.read()


def test_while_one_is_stuck_no_other_is_begun(rig: Rig) -> None:
    """For an hour: on a file system that has gone, each would leave a thread behind."""
    rig.hanging = []
    assert not rig.read()
    rig.steady.advance(3599.0)
    assert not rig.read()
    assert len(rig.hanging) == 1
    rig.steady.advance(1.0)
    assert not rig.read()
    assert len(rig.hanging) == 2
    rig.steady.advance(3599.0)
    assert not rig.read()
    assert len(rig.hanging) == 2
    rig.steady.advance(-3599.0)
    child = rig.access.in_child(Memory(rig.stopwatch))
    rig.steady.advance(30.0)
    hanging, rig.hanging = rig.hanging, None
    assert child.read(["a/1"]) is not None  # which does not have that thread
    rig.hanging = hanging
    for answer in rig.hanging:
        answer()
    rig.hanging = None
    rig.steady.advance(30.0)
    assert rig.read()


def test_one_that_ends_at_the_last_moment_is_not_stuck(rig: Rig) -> None:
    """Between the end of the wait and the note of it."""

    class Ending(list[Callable[[], object]]):
        def append(self, call: Callable[[], object]) -> None:
            call()

    rig.hanging = Ending()
    assert not rig.read()
    rig.hanging = None
    rig.steady.advance(30.0)
    assert rig.read()


def test_slow_uses_count_for_a_second(rig: Rig) -> None:
    """A server that is far away is slow each time, and is used all the same."""
    rig.steady.advance(50.0)
    rig.shelf.takes = 0.125
    for pause in (1.0, 1.01, 1.01):
        assert rig.read()
        rig.steady.advance(pause)
    assert rig.patience == [0.5, 0.375, 0.5]


def test_slow_uses_together_take_what_one_may(rig: Rig) -> None:
    """Each takes from the patience of the next one, which keeps a tenth of a second."""
    rig.shelf.takes = 0.125
    for _ in range(5):
        assert rig.read()
    assert rig.patience == [0.5, 0.375, 0.25, 0.125, 0.1]


@pytest.mark.parametrize("takes", [0.0, 0.1])
def test_a_quick_use_begins_anew(rig: Rig, takes: float) -> None:
    """One of a tenth of a second, too: then the next one has the whole half second."""
    rig.shelf.takes = 0.125
    rig.read()
    rig.shelf.takes, rig.stopwatch.now = takes, 0.0
    rig.read()
    rig.read()
    assert rig.patience == [0.5, 0.375, 0.5]


def test_after_an_outage_the_patience_is_whole(rig: Rig) -> None:
    """What was slow before it does not count any more; nor does what failed slowly."""
    rig.shelf.takes = 0.125
    rig.read()
    rig.shelf.problem = "no such host"
    rig.read()
    rig.shelf.problem, rig.shelf.takes = "", 0.0
    rig.steady.advance(30.0)
    rig.read()
    assert rig.patience == [0.5, 0.375, 0.5]


def test_a_slow_store_hangs_in_its_shorter_time(rig: Rig) -> None:
    """What takes almost all of what was left hangs, though it is no half second."""
    rig.shelf.takes = 0.25
    rig.read()
    rig.shelf.unwritable = "no answer"
    assert not rig.swap()
    assert rig.access.is_unreadable


def test_a_child_knows_of_an_outage(rig: Rig) -> None:
    """It uses a shelf of its own, as soon as its parent would."""
    rig.shelf.problem = "no such host"
    rig.read()
    other = Memory(rig.stopwatch)
    child = rig.access.in_child(other)
    assert child.is_away
    assert child.read(["a/1"]) is None
    rig.steady.advance(30.0)
    assert child.read(["a/1"]) == {"a/1": b"one"}
    assert len(rig.shelf.uses) == len(other.uses) == 1


def test_to_clear_may_take_longer(rig: Rig) -> None:
    """A server with many names needs more than half a second: a minute and a half for all."""
    assert rig.access.clear(["a", "b"]) == 3
    assert rig.patience == [90.0]


def test_a_failure_says_what_it_was(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use that takes too long, or for which the system has no thread."""
    for error, said in (
        (TimeoutError(), "it did not answer within 0.5 s"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
    ):

        def within(seconds: float, call: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(access, "within", within)
        trial = partial(rig.access.try_out, "a/1", "a/2", creates=False, keep=5.0)
        assert failure(trial) == said
