"""What is shown of the numbers: a table, in the terminal and in a page of the docs. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from tests.benchmarks.fleet.picture import alt_of

DOCS: Final = Path(__file__).parents[3] / "docs"
PAGE, NUMBERS = DOCS / "explanation/fleet.md", DOCS / "explanation/fleet.json"
PICTURE = DOCS / "pictures/fleet.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Numbers: TypeAlias = Mapping[str, Any]
"""When and where it was measured; for each column the values by row; the courses by column."""


class Row(NamedTuple):
    """One line.

    Attributes:
        name: In the numbers.
        text: What was measured.
        target: The most that it may be; None where it only tells.
    """

    name: str
    text: str
    target: float | None


ROWS: Final = (
    Row("batches of one host", "16 processes start at once on one host: batches", 1),
    Row("not up", "200 hosts start together: not up after 10 s", 0),
    Row("all up", "the last of them is up after, in s", 10),
    Row("batches", "batches in these 10 s", 2),
    Row("polls", "two steady minutes: polls a minute", 15),
    Row("reads", "secrets asked for a minute (1,000 are allowed)", None),
    Row("rotation", "a rotation reaches all, in s", 2),
    Row("leader killed", "the leader is killed, and a rotation reaches all, in s", 12),
    Row("master killed", "the same, where the leader is a master of gunicorn", 12),
    Row("peak to mean", "reads in the busiest minute after a start, by the mean", 1.5),
    Row("outage", "requests a minute and process in an hour's outage", 1),
)
COLUMNS: Final = ("without", "with")
"""A store."""


def lines_of(numbers: Numbers) -> list[str]:
    """Return the table for a terminal."""
    cells = [("", "target", *COLUMNS, ""), *_cells(numbers)]
    return ["{:<58} {:>7} {:>8} {:>8}  {}".format(*row).rstrip() for row in cells]


def table_of(numbers: Numbers) -> str:
    """Return the table for the docs, in Markdown."""
    head = ["| | to reach | without a store | with a store |", "|---|---|---|---|"]
    rows = [" | ".join(("", *row[:-1])).strip() + " |" for row in _cells(numbers)]
    return "\n".join([*head, *rows])


def _cells(numbers: Numbers) -> Iterator[tuple[str, ...]]:
    for row in ROWS:
        found = [_median(numbers[column].get(row.name)) for column in COLUMNS]
        known = [value for value in found if value is not None]
        if not known:
            continue
        target = verdict = ""
        if row.target is not None:  # which is meant for a fleet with a store, if that matters
            target, verdict = f"{row.target:g}", "ok" if known[-1] <= row.target else "over"
        yield (row.text, target, *map(_shown, found), verdict)


def _median(measures: Sequence[float | None] | None) -> float | None:
    """Return it; infinity if it did not happen in time once."""
    if measures is None:
        return None
    known = [each for each in measures if each is not None]
    return statistics.median(known) if len(known) == len(measures) else math.inf


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "not all"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def page_with(numbers: Numbers, page: str) -> str:
    """Return *page* with what the numbers say between its marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    head = f"Measured on {numbers['date']} on {numbers['machine']}, which all processes shared:"
    picture = f"![{alt_of(numbers['courses'])}](../pictures/{PICTURE.name})"
    return "\n\n".join([f"{before}{BEGIN}", head, table_of(numbers), picture, f"{END}{after}"])
