"""Rows for people and for programs: aligned on a terminal, else a line each with tabs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from pydantic import TypeAdapter

Row = Sequence[str]


def show(rows: Sequence[Row], *, header: Row) -> None:
    """Print *rows*: on a terminal as a table, elsewhere as lines with tabs and no header.

    Args:
        rows: A cell for each column.
        header: The names of the columns.
    """
    for line in lines_of(rows, header=header, aligned=bool(rows) and sys.stdout.isatty()):
        click.echo(line)


def lines_of(rows: Sequence[Row], *, header: Row, aligned: bool) -> Iterator[str]:
    """Yield the lines that show *rows*; the header only where they are *aligned*."""
    cells = [[printable(cell) for cell in row] for row in ([header, *rows] if aligned else rows)]
    if not aligned:
        yield from ("\t".join(row) for row in cells)
        return
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def as_json(value: Any) -> str:
    """Return a dataclass, or a list of them, as JSON."""
    kind: Any = list[type(value[0])] if isinstance(value, list) and value else type(value)  # type: ignore[misc]  # made for TypeAdapter
    return TypeAdapter(kind).dump_json(value, indent=2).decode()


def printable(text: str) -> str:
    """Return *text* without what would move a terminal's cursor or break a line."""
    return "".join(character if character.isprintable() else "?" for character in text)
