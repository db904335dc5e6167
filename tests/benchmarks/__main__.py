"""Measures everything, and prints a table; it takes about a minute."""

from __future__ import annotations

import os
import sys
import tempfile

from tests.benchmarks import loading, reading, rebuilding, starting
from tests.benchmarks.measuring import Result

MEASUREMENTS = (
    loading.one_batch,
    loading.without_batch,
    *loading.again,
    loading.many_fields,
    loading.many_fields_by_settings,
    loading.linear,
    rebuilding.rebuild,
    reading.ratio,
    reading.time_of_a_read,
    starting.importing,
    starting.importing_the_class,
    starting.helping,
)


def row(result: Result) -> str:
    theirs = "" if result.theirs is None else seconds(result.theirs)
    measured = f"{result.measured:.2f} {result.unit}"
    target = f"{result.target:g} {result.unit}"
    times = f"{seconds(result.ours):>10} {theirs:>10}"
    return f"{result.name:<66} {target:>7} {measured:>9} {times}  {result.verdict}"


def seconds(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.2f} {unit}"
    return f"{value * 1e9:.0f} ns"


def main() -> None:
    """Print a line a measurement; over target is no failure, machines differ."""
    sys.stdout.write(f"{'':<66} {'target':>7} {'measured':>9} {'ours':>10} {'theirs':>10}\n")
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
