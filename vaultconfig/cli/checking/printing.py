"""Prints what `check` found: laid out for a terminal, as lines with tabs, or for GitHub Actions."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import click

from vaultconfig.cli.checking.findings import FieldFinding, Findings, Problem
from vaultconfig.cli.tables import print_lines, printable, width_of, wrapped
from vaultconfig.cli.wording import moment
from vaultconfig.connection.environment import Environment

_HEADER: Final = ("FIELD", "STATUS", "SOURCE", "VERSION", "EXPIRES", "REFERENCE")
_OK, _WRONG, _DOUBTFUL, _NEUTRAL = ("✓", "green"), ("✗", "red"), ("!", "yellow"), ("–", None)
_MARKS: Final[Mapping[str, tuple[str, str | None]]] = {
    "ok": _OK,
    "fallback": _DOUBTFUL,
    "not asked": _NEUTRAL,
    "not set": _NEUTRAL,
    "error": _WRONG,
    "warning": _DOUBTFUL,
    "note": _NEUTRAL,
}
_LEVELS: Final = {"error": "error", "warning": "warning", "note": "notice"}
_INDENT: Final = 4
_STATUS, _REFERENCE = 1, 5  # their columns


def show_table(findings: Findings) -> None:
    """Print *findings*: on a terminal as a table, with what is wrong with a field below it.

    Elsewhere a line a field with tabs, and what is wrong on standard error: neither is wrapped.
    """
    around = [str(found) for found in (findings.store, findings.reads) if found is not None]
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        print_lines(_laid_out(findings, width), sys.stdout)
        for line in ("", *around, findings.summary):
            print_lines(wrapped(line, width) or [""], sys.stdout)
        return
    rows = map(_cells, findings.fields)
    # In the order that programs which cut columns know.
    print_lines(("\t".join((*row[:3], row[5], *row[3:5])) for row in rows), sys.stdout)
    for problem, items in _by_problem(findings.fields).items():
        print_lines(
            [f"{', '.join(item.field for item in items)}: {printable(problem)}"], sys.stderr
        )
        print_lines(_commands(items, ""), sys.stderr)
    for item in findings.problems:
        word = _coloured(f"{item.severity.capitalize()}:", item.severity)
        print_lines([f"{word} {printable(item.message)}", *_commands([item], "")], sys.stderr)
    print_lines([*around, findings.summary], sys.stderr)


def show_annotations(findings: Findings) -> None:
    """Print a workflow command of GitHub Actions for each problem, at its line of the class."""
    for field in findings.fields:
        if field.problem:
            level = "warning" if field.status == "fallback" else "error"
            _annotate(level, f"{field.field}: {field.status}", field.problem, field)
    for item in findings.problems:
        _annotate(_LEVELS[item.severity], item.kind, item.message, item)
    around = [str(found) for found in (findings.store, findings.reads) if found is not None]
    print_lines([*around, findings.summary], sys.stderr)


def _annotate(level: str, title: str, message: str, item: FieldFinding | Problem) -> None:
    text = "\n".join([printable(message), *_commands([item], "")])
    places = {"file": item.file, "line": item.line, "title": f"vaultconfig check: {title}"}
    properties = ",".join(
        f"{name}={_escaped(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in places.items()
        if value is not None
    )
    print_lines([f"::{level} {properties}::{_escaped(text)}"], sys.stdout)


def _escaped(text: str) -> str:
    """Return *text* as GitHub's own toolkit writes it into a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _laid_out(findings: Findings, width: int) -> Iterator[str]:
    yield (
        f"{findings.target} in {Environment(findings.environment)}, "
        f"{printable(findings.identity or 'without an identity')} at "
        f"{findings.url or 'no vault'}"
    )
    yield ""
    yield from _rows(findings.fields, width)
    for number, item in enumerate(findings.problems):
        if number == 0:
            yield ""
        word = f"{item.severity.capitalize()}:"
        first, *more = wrapped(f"{word} {printable(item.message)}", width - _INDENT)
        head = _coloured(f"{_mark(item.severity)[0]} {word}", item.severity)
        yield head + first.removeprefix(word)
        yield from (" " * _INDENT + line for line in more)
        yield from _commands([item], " " * _INDENT)


def _rows(items: Sequence[FieldFinding], width: int) -> Iterator[str]:
    """Yield the table. A column without an entry is left out, and a cause is told once."""
    rows = [_cells(item) for item in items]
    used = [column for column, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    # A very long name pushes its own row to the right, and not all others.
    usual = [row for row in rows if width_of(row[0]) <= max(width // 3, 20)] or rows
    widths = [max(map(width_of, column)) for column in zip(_HEADER, *usual, strict=True)]

    def row_of(cells: Sequence[str], mark: str, word: str) -> Iterator[str]:
        parts, length = [f"{_coloured(mark, word)} "], 2
        for column in used:
            text, gap = cells[column], max(0, widths[column] - width_of(cells[column])) + 2
            if column == _REFERENCE and text and length + width_of(text) > width:
                # Below, in one piece, so that it can be pasted.
                parts.append(f"\n{' ' * _INDENT}")
            parts.append(_coloured(text, word) if column == _STATUS else text)
            parts.append(" " * gap)
            length += width_of(text) + gap
        yield from (line.rstrip() for line in "".join(parts).split("\n"))

    yield from row_of(_HEADER, " ", "note") if rows else ()
    told = _by_problem(items)
    for item, row in zip(items, rows, strict=True):
        yield from row_of(row, _mark(item.status)[0], item.status)
        first, *others = told.get(item.problem or "", [item])
        if item.problem and item is first:
            also = f" (also {', '.join(other.field for other in others)})" if others else ""
            text = printable(f"{item.problem}{also}")
            yield from (" " * _INDENT + line for line in wrapped(text, width - _INDENT))
        yield from _commands([item], " " * _INDENT)


def _cells(item: FieldFinding) -> tuple[str, ...]:
    version = "" if item.version is None else str(item.version)
    expires = moment(item.expires_at) if item.expires_at else ""
    cells = item.field, item.status, item.source, version, expires, item.reference or ""
    return tuple(map(printable, cells))


def _by_problem(items: Iterable[FieldFinding]) -> dict[str, list[FieldFinding]]:
    found: dict[str, list[FieldFinding]] = {}
    for item in items:
        if item.problem:
            found.setdefault(item.problem, []).append(item)
    return found


def _commands(items: Iterable[FieldFinding | Problem], indent: str) -> list[str]:
    return [f"{indent}Run: {printable(item.command)}" for item in items if item.command]


def _mark(word: str) -> tuple[str, str | None]:
    return _MARKS.get(word, _WRONG)


def _coloured(text: str, word: str) -> str:
    colour = _mark(word)[1]
    return click.style(text, fg=colour) if colour else text
