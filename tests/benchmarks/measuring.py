"""Times two things in one run, turn by turn, so that what disturbs one disturbs the other."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one comparison.

    Attributes:
        name: What was measured, and against what.
        target: The most that the measure may be.
        measured: A ratio, or what *unit* says.
        ours: Seconds.
        theirs: Seconds of what it is compared with; None where it is compared with nothing.
        unit: Of *measured*.
    """

    name: str
    target: float
    measured: float
    ours: float
    theirs: float | None = None
    unit: str = "×"

    @property
    def verdict(self) -> str:
        return "ok" if self.measured <= self.target else "over"


def compare(
    name: str, target: float, *, ours: Action, theirs: Action, turns: int = 15, repeat: int = 1
) -> Result:
    """Return the ratio of the fastest of *turns*; each times *repeat* calls."""
    best_of_ours, best_of_theirs = fastest(ours, theirs, turns=turns, repeat=repeat)
    ratio = best_of_ours / best_of_theirs
    return Result(name, target, ratio, best_of_ours, best_of_theirs)


def fastest(*actions: Action, turns: int, repeat: int = 1) -> tuple[float, ...]:
    """Return the least seconds that a call of each took."""
    best = [float("inf")] * len(actions)
    for action in actions:
        action()  # warm
    for _ in range(turns):
        for index, action in enumerate(actions):
            best[index] = min(best[index], timed(action, repeat))
    return tuple(best)


def timed(action: Action, repeat: int = 1) -> float:
    """Return the seconds of one call, of *repeat* of them."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(repeat):
            action()
        return (time.perf_counter() - began) / repeat
    finally:
        gc.enable()
