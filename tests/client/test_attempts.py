"""How often a call is tried, how long it waits in between, and when it says so: the bare rules."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import pytest

from vaultconfig.client.attempts import LONGEST_DEADLINE, Deadline, Retries, Terms
from vaultconfig.client.codes import Retry
from vaultconfig.client.failures import Failure
from vaultconfig.errors import RateLimitedError, VaultUnavailableError

DOWN = Failure(VaultUnavailableError("down"), Retry.BACKOFF)
ODD = Failure(VaultUnavailableError("odd"), Retry.ONCE)
GONE = Failure(VaultUnavailableError("gone"), Retry.NEVER)


def limited(seconds: float | None) -> Failure:
    return Failure(RateLimitedError("slow down", retry_after=seconds), Retry.BACKOFF)


class World:
    """A clock that waits move, and attempts that give what a test tells them."""

    def __init__(self, seconds: float, *, part: float = 0.5, retry: bool = True) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.asked: list[list[str]] = []
        self.terms = Terms(Deadline(seconds, clock=lambda: self.now), retry=retry)
        self.retries = Retries(sleep=self.sleep, random=lambda: part)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def many(self, **outcomes: list[Failure | str]) -> Mapping[str, Failure | str]:
        """Try, where each key has its outcomes in turn, the last of them for ever."""

        def attempt(keys: Collection[str]) -> Mapping[str, Failure | str]:
            self.asked.append(list(keys))
            return {k: (outcomes[k].pop(0) if outcomes[k][1:] else outcomes[k][0]) for k in keys}

        return self.retries.many(attempt, keys=list(outcomes), terms=self.terms)


def test_waits_double_up_to_five_seconds() -> None:
    """The wait after the n-th failure is a random part of 0.2 s × 2ⁿ, at most of 5 s."""
    world = World(1000.0)
    assert world.many(a=[DOWN] * 8 + ["value"]) == {"a": "value"}
    assert world.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5, 2.5])


def test_there_is_an_end_of_tries() -> None:
    """A hundred times it is tried again, however much time is left."""
    world = World(1e4, part=0.0)
    assert world.many(a=[DOWN]) == {"a": DOWN}
    assert len(world.asked) == 101


def test_one_more_try() -> None:
    """What is worth one more try gets that one, also when something else failed in between."""
    world = World(1000.0)
    assert world.many(a=[ODD], b=[DOWN, DOWN, DOWN, "value"]) == {"a": ODD, "b": "value"}
    assert world.asked == [["a", "b"], ["a", "b"], ["b"], ["b"]]
    world = World(1000.0)
    assert world.many(a=[DOWN, ODD, ODD, "never"]) == {"a": ODD}
    assert len(world.asked) == 3


def test_only_what_may_work_is_asked_for_again() -> None:
    """A verdict stays; the rest is asked for alone."""
    world = World(1000.0)
    assert world.many(a=[GONE], b=["b"], c=[DOWN, "c"]) == {"a": GONE, "b": "b", "c": "c"}
    assert world.asked == [["a", "b", "c"], ["c"]]
    world = World(1000.0)
    assert world.many(a=[GONE]) == {"a": GONE}
    assert world.waits == []


def test_a_call_may_have_one_attempt_only() -> None:
    """Without retries nothing is tried again."""
    world = World(1000.0, retry=False)
    assert world.many(a=[DOWN, "value"]) == {"a": DOWN}
    assert Terms(Deadline(1.0)).retry


def test_one_thing_is_tried_as_many_are() -> None:
    """`once` gives what came in the end."""
    world = World(1000.0)
    outcomes = [DOWN, ODD, "value"]
    assert world.retries.once(lambda: outcomes.pop(0), terms=world.terms) == "value"
    assert world.waits == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(("asked", "wait"), [(None, 0.1), (0.0, 0.1), (3.0, 3.1)])
def test_the_wait_that_the_vault_asks_for(asked: float | None, wait: float) -> None:
    """It comes before the random one."""
    world = World(1000.0)
    world.many(a=[limited(asked), "value"])
    assert world.waits == pytest.approx([wait])


def test_the_longest_of_several_waits_counts() -> None:
    """Keys that are asked for together wait together."""
    world = World(1000.0)
    world.many(a=[limited(3.0), "a"], b=[limited(7.0), "b"], c=[DOWN, "c"])
    assert world.waits == pytest.approx([7.1])


@pytest.mark.parametrize("asked", [10.0, 11.0])
def test_a_wait_beyond_the_deadline_holds_up_no_other(asked: float) -> None:
    """What may be asked for only when time is up is left, and the rest goes on."""
    world = World(10.0)
    limit = limited(asked)
    assert world.many(a=[limit], b=[DOWN, "b"]) == {"a": limit, "b": "b"}
    assert world.asked == [["a", "b"], ["b"]]


@pytest.mark.parametrize(("seconds", "tries"), [(0.1, 1), (0.11, 2), (0.3, 2), (0.31, 3)])
def test_no_try_comes_after_the_deadline(seconds: float, tries: int) -> None:
    """A wait that would use up the time that is left is not begun."""
    world = World(seconds)
    world.now = 0.0
    world.terms = Terms(Deadline(seconds, clock=lambda: round(world.now, 9)))
    assert world.many(a=[DOWN]) == {"a": DOWN}
    assert len(world.asked) == tries


@pytest.mark.parametrize(("left", "lines"), [(1.9, 0), (2.0, 0), (2.1, 1), (2.9, 1), (60.0, 1)])
def test_a_call_that_goes_on_says_so_once(
    left: float, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What may take longer than two seconds says so at the first failure, and never again."""
    world = World(left)
    with caplog.at_level(logging.WARNING):
        world.many(a=[DOWN, DOWN, "value"])
    assert [record.levelname for record in caplog.records] == ["WARNING"] * lines
    text = f"down; trying again for up to {left:.0f} s"
    assert [record.getMessage() for record in caplog.records] == [text] * lines
    assert {record.name for record in caplog.records} <= {"vaultconfig.client"}


def test_a_deadline_counts_down_and_can_be_ended() -> None:
    """It says what is left of it, nothing once it was ended, and less than nothing later."""
    now = [5.0]

    def clock() -> float:
        return now[0]

    deadline = Deadline(3.0, clock=clock)
    assert (float(deadline), deadline.remaining()) == (3.0, 3.0)
    now[0] = 9.0
    assert deadline.remaining() == -1.0
    deadline = Deadline(3.0, clock=clock)
    deadline.end()
    assert deadline.remaining() == 0.0
    assert Deadline(float("inf")) == LONGEST_DEADLINE == 86_400.0
