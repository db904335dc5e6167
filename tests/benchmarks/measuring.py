"""Times two things in one run, side by side, so that what disturbs one disturbs the other."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Action: TypeAlias = Callable[[], object]
Clock: TypeAlias = Callable[[], float]

wall: Clock = time.perf_counter
"""Waiting counts, too."""
cpu: Clock = time.thread_time
"""For what waits for nothing and is over in less than a time slice, which others would disturb."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one comparison.

    Attributes:
        name: What was measured, and against what.
        target: The most that the measure may be; None where it only tells.
        measures: One for each pair of runs; none where it could not be measured.
        ours: Seconds of the fastest run, or what *counted* says.
        theirs: The same for what it is compared with; None where it is compared with nothing.
        unit: Of *measures*.
        counted: What is counted instead of seconds.
    """

    name: str
    target: float | None
    measures: Sequence[float]
    ours: float | None = None
    theirs: float | None = None
    unit: str = "×"
    counted: str | None = None


def compare(
    name: str,
    target: float | None,
    *,
    ours: Action,
    theirs: Action,
    turns: int = 15,
    repeat: int = 1,
    clock: Clock = wall,
) -> Result:
    """Return the ratio of *turns* pairs of runs; each times *repeat* calls."""
    mine, others = pairs(ours, theirs, turns=turns, repeat=repeat, clock=clock)
    return result(name, target, mine, others)


def result(
    name: str, target: float | None, ours: Sequence[float], theirs: Sequence[float]
) -> Result:
    """Return the ratio of runs that were made side by side."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Result(name, target, ratios, min(ours), min(theirs))


def pairs(
    *actions: Action, turns: int, repeat: int = 1, clock: Clock = wall
) -> tuple[list[float], ...]:
    """Return the seconds that a call of each took, in each of *turns*."""
    for action in actions:
        action()  # warm
    timed = [[_timed(action, repeat, clock) for action in actions] for _ in range(turns)]
    return tuple(map(list, zip(*timed, strict=True)))


def _timed(action: Action, repeat: int, clock: Clock) -> float:
    gc.collect()
    gc.disable()
    try:
        began = clock()
        for _ in range(repeat):
            action()
        return (clock() - began) / repeat
    finally:
        gc.enable()
