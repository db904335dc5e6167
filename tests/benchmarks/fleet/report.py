"""What is shown of the numbers: a table, in the terminal and in a page of the docs. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from tests.benchmarks.fleet.picture import alt_of

DOCS: Final = Path(__file__).parents[3] / "docs"
PAGE, NUMBERS, PICTURE = DOCS / "fleet.md", DOCS / "fleet.json", DOCS / "pictures" / "fleet.svg"
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
    Row("not up", "200 hosts start at once: not up after 10 s", 0),
    Row("all up", "the last of them is up after, in s", 10),
    Row("batches", "batches in these 10 s", 2),
    Row("polls", "two steady minutes: polls a minute", 15),
    Row("reads", "secrets asked for a minute, 1,000 allowed", None),
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


def _cells(numbers: Numbers) -> Iterable[tuple[str, ...]]:
    for row in ROWS:
        medians = {
            column: _median(numbers[column][row.name])
            for column in COLUMNS
            if row.name in numbers[column]
        }
        if medians:
            shown = [_shown(medians[c]) if c in medians else "–" for c in COLUMNS]
            final = medians.get("with", medians.get("without", math.inf))
            verdict = "" if row.target is None else "ok" if final <= row.target else "over"
            target = "" if row.target is None else f"{row.target:g}"
            yield (row.text, target, *shown, verdict)


def _median(measures: Sequence[float | None]) -> float:
    """Return it; infinity where it did not happen in time once."""
    known = [each for each in measures if each is not None]
    return statistics.median(known) if len(known) == len(measures) else math.inf


def _shown(value: float) -> str:
    if math.isinf(value):
        return "not all"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def page_with(numbers: Numbers, page: str) -> str:
    """Return *page* with what the numbers say between its marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    head = f"Measured on {numbers['date']} on {numbers['machine']}, which all processes shared:"
    picture = f"![{alt_of(numbers['courses'])}](pictures/{PICTURE.name})"
    return "\n\n".join([f"{before}{BEGIN}", head, table_of(numbers), picture, f"{END}{after}"])
