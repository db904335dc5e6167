"""Measures everything, and prints a table; it takes a minute or two."""

from __future__ import annotations

import os
import sys
import tempfile

from tests.benchmarks import loading, reading, rebuilding, redacting, starting
from tests.benchmarks.measuring import Result, quartiles

MEASUREMENTS = (
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
    redacting.lines,
    starting.helping,
)


def row(result: Result) -> str:
    if not result.measures:
        return f"{result.name:<76} {result.target:>5g} {result.unit:<2} not measured"
    first, median, third = quartiles(result.measures)
    measured = f"{median:.2f} {result.unit}"
    spread = f"{first:.2f} to {third:.2f}" if len(result.measures) > 1 else ""
    ours, theirs = (
        ""
        if value is None
        else f"{value:.0f} {result.counted}"
        if result.counted
        else seconds(value)
        for value in (result.ours, result.theirs)
    )
    verdict = "ok" if median <= result.target else "over"
    target = f"{result.target:g} {result.unit}"
    figures = f"{target:>7} {measured:>8}  {spread:<14} {ours:>9} {theirs:>9}"
    return f"{result.name:<76} {figures}  {verdict}"


def seconds(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.2f} {unit}"
    return f"{value * 1e9:.0f} ns"


def main() -> None:
    """Print a line a measurement; over target is no failure, machines differ."""
    head = f"{'':<76} {'target':>7} {'median':>8}  {'quartiles':<14} {'ours':>9} {'theirs':>9}"
    sys.stdout.write(f"{head}\n")
    chosen = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)  # where no .env is
        for measure in MEASUREMENTS:
            if not chosen or any(word in measure.__name__ for word in chosen):
                sys.stdout.write(row(measure()) + "\n")
                sys.stdout.flush()
        os.chdir("/")


if __name__ == "__main__":
    main()
