"""What is shown of the numbers: tables in the terminal, and a page with them and its pictures.

All three commands keep theirs in one file, by the command's name; the page is made of it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from tests.benchmarks import pictures
from tests.benchmarks.measuring import Result, result

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "explanation" / "benchmarks.md"
NUMBERS: Final = PAGE.with_suffix(".json")

Numbers: TypeAlias = Mapping[str, Any]
"""What one command has measured: when, where and with which versions, and then what it wants."""


class Table(NamedTuple):
    """A line of heads above lines of cells; the first cell of a line says what it is about."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self, *, is_alone: bool) -> str:
        """Return it for the page; one that *is_alone* stands under a heading that says the same."""
        rule = ["---"] * len(self.head)
        lines = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            for cells in (self.head, rule, *self.rows)
        ]
        return "\n".join(lines if is_alone else [f"**{self.title}**", "", *lines])

    def terminal(self) -> str:
        """Return it in columns."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            "  ".join([first.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]).rstrip()
            for first, *cells in (self.head, *self.rows)
        ]
        return "\n".join([self.title, *lines, ""])


def situation(*distributions: str) -> dict[str, Any]:
    """Return when and where it is measured, and with which versions."""
    return {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores with Python {platform.python_version()}",
        "versions": {name: version(name) for name in distributions},
    }


def publish(command: str, measured: Numbers) -> None:
    """Keep what *command* has measured, and make the page and its pictures anew."""
    numbers = {**json.loads(NUMBERS.read_text("utf-8")), command: measured}
    sections = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(numbers[name], separators=(',', ':'))}"
        for name in sorted(numbers)
    )
    NUMBERS.write_text(f"{{\n{sections}\n}}\n", encoding="utf-8")
    for picture in pictures.PICTURES:
        if picture.name == command:
            picture.file.write_text(picture.svg_of(measured), encoding="utf-8")
    PAGE.write_text(page_with(numbers, PAGE.read_text("utf-8")), encoding="utf-8")


def page_with(numbers: Mapping[str, Numbers], page: str) -> str:
    """Return *page* with what each command has measured between its marks."""
    for command, measured in numbers.items():
        begin, end = (f"<!-- {command}: {mark} -->" for mark in ("begin", "end"))
        before, rest = page.split(begin)
        _, after = rest.split(end)
        made = [f"{name} {number}" for name, number in measured["versions"].items()]
        made += [f"{measured['turns']} turns"] if "turns" in measured else []
        where = ", ".join([f"Measured on {measured['date']} on {measured['machine']}", *made])
        shown = [
            f"![{picture.alt_of(measured)}](../pictures/{picture.file.name})"
            for picture in pictures.PICTURES
            if picture.name == command
        ]
        tables = TABLES[command](measured)
        shown.append(f"{where}.")
        shown += [table.markdown(is_alone=len(tables) == 1) for table in tables]
        page = "\n\n".join([before + begin, *shown, end + after])
    return page


def tables_of_bench(numbers: Numbers) -> list[Table]:
    """Return each measurement beside what it is to reach."""
    results = [Result(**row) for row in numbers["rows"]]
    return [_table_of_results("One process", results)]


COLUMNS: Final = ("without", "with")
"""A store."""
FLEET_ROWS: Final = {
    "batches of one host": ("16 processes start at once on one host: batches", 1),
    "not up": ("200 hosts start together: not up after 10 s", 0),
    "all up": ("the last of them is up after, in s", 10),
    "batches": ("batches in these 10 s", 2),
    "polls": ("two steady minutes: polls a minute", 15),
    "reads": ("secrets asked for a minute (1,000 are allowed)", None),
    "rotation": ("a rotation reaches all, in s", 2),
    "leader killed": ("the leader is killed, and a rotation reaches all, in s", 12),
    "master killed": ("the same, where the leader is a master of gunicorn", 12),
    "peak to mean": ("reads in the busiest minute after a start, by the mean", 1.5),
    "outage": ("requests a minute and process in an hour's outage", 1),
}
"""By the name in the numbers, what it is, and the most that it may be with a store."""


def tables_of_fleet(numbers: Numbers) -> list[Table]:
    """Return the medians, with a store and without; "not all" if it failed to happen once."""
    rows = []
    for name, (text, target) in FLEET_ROWS.items():
        found = [_median(numbers[column].get(name)) for column in COLUMNS]
        known = [value for value in found if value is not None]
        if known:
            # A target is meant for a fleet with a store, if a store matters.
            aim, verdict = "" if target is None else f"{target:g}", _verdict(known[-1], target)
            rows.append([text, aim, *map(_count, found), verdict])
    head = ("", "to reach", "without a store", "with a store", "")
    return [Table("Many processes", head, rows)]


def tables_of_peers(numbers: Numbers) -> list[Table]:
    """Return how fast each library does each work, and what else there is to say of it."""
    works, peers = numbers["works"], numbers["peers"]
    tables = [_table_of_results("Compared turn by turn", _comparisons(works))]
    head = "|typed|a load|by the limit|quartiles|second load|in a new process|whole process"
    head += "|by the limit|requests|connections|kB"
    for work, runs in works.items():
        rows = []
        for name in _by_load(runs):
            run, times = runs[name], _medians(runs[name])
            by_limit = _ratios(run["load"], run["limits"])
            whole = statistics.median(_ratios(run["process"], runs["limit"]["process"]))
            rows.append(
                [
                    peers[name]["title"],
                    "yes" if peers[name]["typed"] else "no",
                    times["load"],
                    f"{statistics.median(by_limit):.2f}",
                    _quartiles(by_limit),
                    times["second"],
                    times["first"],
                    times["process"],
                    f"{whole:.2f}",
                    f"{run['requests']:,}",
                    f"{run['connections']:,}",
                    f"{run['bytes'] / 1e3:,.0f}",
                ]
            )
        tables.append(Table(work, head.split("|"), rows))
    rows, runs = [], next(iter(works.values()))
    for name, peer in peers.items():
        if "missing" in peer:
            told = ["–", "–", "–", f"not measured: {peer['missing']}"]
        else:
            memory = statistics.median(runs[name]["memory"])
            told = [_medians(runs[name])["import"], f"{memory:.0f} MB", str(peer["wrong"])]
            told.append(f"{peer['denied']}, after {seconds(peer['denied_after'])}")
        rows.append([peer["title"], *told])
    head = "|import|peak memory|wrong values of 200|one of 10 secrets is denied"
    return [*tables, Table("Each library", head.split("|"), rows)]


def _by_load(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of *runs*, those that load fastest first."""
    return sorted(runs, key=lambda name: statistics.median(runs[name]["load"]))


def _comparisons(works: Mapping[str, Any]) -> list[Result]:
    runs = next(iter(works.values()))
    limit, again = runs["limit"], runs["limit_again"]
    results = []
    if {"ours", "hvac_threads_settings"} <= runs.keys():
        name = "our whole process : that of hvac over 16 threads into pydantic-settings"
        ours, theirs = runs["ours"]["process"], runs["hvac_threads_settings"]["process"]
        results.append(result(name, 0.7, ours, theirs))
    return [
        *results,
        result("the limit : itself, a load", None, again["load"], again["limits"]),
        result("the limit : itself, a whole process", None, again["process"], limit["process"]),
    ]


def _table_of_results(title: str, results: Iterable[Result]) -> Table:
    rows = []
    for each in results:
        target = "" if each.target is None else f"{each.target:g} {each.unit}".rstrip()
        if not each.measures:
            rows.append([each.name, target, "not measured", "", "", "", "", ""])
            continue
        median = statistics.median(each.measures)
        both = [
            "" if x is None else f"{x:.0f} {each.counted}" if each.counted else seconds(x)
            for x in (each.ours, each.theirs)
        ]
        shown = [f"{median:.2f} {each.unit}".rstrip(), _quartiles(each.measures)]
        values = str(len(each.measures))
        verdict = _verdict(median, each.target)
        rows.append([each.name, target, *shown, values, *both, verdict])
    head = ("", "to reach", "median", "quartiles", "values", "left", "right", "")
    return Table(title, head, rows)


def _quartiles(measures: Sequence[float]) -> str:
    """Return the first and the third; of fewer than four values they would be invented."""
    if len(measures) < 4:
        return ""
    first, _, third = statistics.quantiles(measures, n=4, method="inclusive")
    return f"{first:.2f} to {third:.2f}"


def _verdict(value: float, target: float | None) -> str:
    return "" if target is None else "ok" if value <= target else "over"


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _medians(run: Mapping[str, Any]) -> dict[str, str]:
    names = ("load", "second", "first", "process", "import")
    return {name: seconds(statistics.median(run[name])) for name in names}


def seconds(value: float) -> str:
    """Return *value* in the unit in which it is read best."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.0f} ns"


def _median(measures: Sequence[float | None] | None) -> float | None:
    """Return it; infinity if it did not happen in time once."""
    if measures is None:
        return None
    known = [each for each in measures if each is not None]
    return statistics.median(known) if len(known) == len(measures) else math.inf


def _count(value: float | None) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "not all"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


TABLES: Final[Mapping[str, Callable[[Numbers], list[Table]]]] = {
    "peers": tables_of_peers,
    "bench": tables_of_bench,
    "fleet": tables_of_fleet,
}
"""By command; in the order of the page."""
