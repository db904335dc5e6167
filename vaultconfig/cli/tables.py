"""Rows and lines for people and for programs: what fits a terminal, else a line each with tabs.

It knows nothing of what they say.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TextIO

import click
from pydantic import TypeAdapter

Row = Sequence[str]

_ASCII: Final = str.maketrans({"✓": "+", "✗": "x", "–": "-", "·": "|", "…": "..."})


def show(rows: Sequence[Row], *, header: Row) -> None:
    """Print *rows*: on a terminal as a table, elsewhere as lines with tabs and no header.

    Args:
        rows: A cell for each column.
        header: The names of the columns.
    """
    aligned = bool(rows) and sys.stdout.isatty()
    print_lines(row_lines(rows, header=header, aligned=aligned), sys.stdout)


def row_lines(
    rows: Sequence[Row],
    *,
    header: Row,
    aligned: bool,
    paint: Callable[[int, str], str] = lambda _, text: text,
) -> Iterator[str]:
    """Yield the lines that show *rows*; header and colour only where they are *aligned*.

    Args:
        rows: A cell for each column.
        header: The names of the columns.
        aligned: Whether for a person, and not for a program.
        paint: Is called with a column and a cell of it, and returns the cell in colour.
    """
    cells = [[printable(cell) for cell in row] for row in ([header, *rows] if aligned else rows)]
    if not aligned:
        yield from ("\t".join(row) for row in cells)
        return
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        gaps = (" " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True))
        padded = (f"{paint(at, row[at])}{gap}" for at, gap in enumerate(gaps))
        yield "  ".join(padded).rstrip()


def print_lines(lines: Iterable[str], stream: TextIO) -> None:
    """Print *lines*, with what the encoding of *stream* does not have in other characters."""
    for line in lines:
        encoding = stream.encoding or "ascii"
        with suppress(UnicodeEncodeError):
            line.encode(encoding)
            click.echo(line, file=stream)
            continue
        plain = line.translate(_ASCII).encode(encoding, "backslashreplace")
        click.echo(plain.decode(encoding), file=stream)


def as_json(value: Any) -> str:
    """Return a dataclass, or a list of them, as JSON."""
    kind: Any = list[type(value[0])] if isinstance(value, list) and value else type(value)  # type: ignore[misc]  # made for TypeAdapter
    return TypeAdapter(kind).dump_json(value, indent=2).decode()


def printable(text: str) -> str:
    """Return *text* without what would move a terminal's cursor or break a line."""
    return "".join(character if character.isprintable() else "?" for character in text)


def wrapped(text: str, width: int) -> list[str]:
    """Return *text* in lines of *width*, broken between words only: a path can still be pasted."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(lines[-1]) + 1 + width_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def width_of(text: str) -> int:
    """Return how many columns *text* takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
