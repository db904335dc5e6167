"""Measures a fleet, and prints a table; it takes six minutes.

Words choose among the runs. Without any, what came of them is published: see `report`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

from tests.benchmarks.fleet import phases, simulated
from tests.benchmarks.fleet.phases import Measured
from tests.benchmarks.report import COLUMNS, TABLES, publish, situation

SEEDS: Final = range(25)

RUNS: Final[dict[str, Callable[[], Measured]]] = {
    "host-none": partial(phases.one_host, "none"),
    "host-file": partial(phases.one_host, "file"),
    "fleet-none": partial(phases.two_minutes, "none"),
    "fleet-redis": partial(phases.two_minutes, "redis"),
    "gunicorn-redis": partial(phases.preloaded, "redis"),
    "drift-none": lambda: Measured({"peak to mean": [*map(simulated.peak_to_mean, SEEDS)]}),
    "outage-none": lambda: Measured({"outage": [*map(simulated.asked_in_an_outage, SEEDS)]}),
}
"""By name, which ends with the store."""


def measured(chosen: Collection[str]) -> dict[str, Any]:
    """Make the runs whose name has one of the words *chosen*; all if there are none."""
    numbers: dict[str, Any] = {
        **situation("redis", "gunicorn"),
        **{column: {} for column in COLUMNS},
        "courses": {},
    }
    for name, run in RUNS.items():
        if chosen and not any(word in name for word in chosen):
            continue
        sys.stderr.write(f"{name} …\n")
        column, result = "without" if name.endswith("none") else "with", run()
        for row, values in result.rows.items():
            numbers[column][row] = [None if each is None else round(each, 2) for each in values]
        if result.course is not None:
            numbers["courses"][column] = result.course
    return numbers


def main(chosen: Collection[str]) -> None:
    numbers = measured(chosen)
    for table in TABLES["fleet"](numbers):
        sys.stdout.write(table.terminal() + "\n")
    if not chosen:
        publish("fleet", numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
