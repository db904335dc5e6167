"""Measures what one process does, and prints a table; it takes a minute or two.

Words choose among the measurements. Without any, what came of them is published: see `report`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from tests.benchmarks import loading, reading, rebuilding, redacting, starting
from tests.benchmarks.report import TABLES, publish, situation

MEASUREMENTS = (
    loading.noise,
    loading.one_batch,
    loading.without_batch,
    starting.cold_process,
    starting.cold_process_counted,
    starting.importing,
    *loading.again,
    loading.many_fields,
    *loading.linear,
    rebuilding.rebuild,
    reading.ratio,
    reading.time_of_a_read,
    reading.waiting,
    reading.requests,
    redacting.lines,
    starting.helping,
)


def measured(chosen: Collection[str]) -> dict[str, Any]:
    """Make the measurements whose name has one of the words *chosen*; all if there are none."""
    numbers = situation("pydantic", "pydantic-settings", "httpx")
    rows: list[dict[str, Any]] = []
    for measure in MEASUREMENTS:
        if not chosen or any(word in measure.__name__ for word in chosen):
            sys.stderr.write(f"{measure.__name__} …\n")
            row = asdict(measure())
            rows.append({**row, "measures": [float(f"{each:.4g}") for each in row["measures"]]})
    return {**numbers, "rows": rows}


def main(chosen: Collection[str]) -> None:
    """Over target is no failure: machines differ."""
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)  # where no .env is
        numbers = measured(chosen)
        os.chdir("/")
    for table in TABLES["bench"](numbers):
        sys.stdout.write(table.terminal() + "\n")
    if not chosen:
        publish("bench", numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
