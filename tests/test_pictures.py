"""The pictures in the docs show what the commands print today."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks import pictures
from tests.pictures import (
    COLUMNS,
    PICTURES,
    SESSIONS,
    TOKEN,
    screen_of,
    screen_with,
    svg_of,
    text_of,
)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_picture_is_up_to_date(name: str) -> None:
    """It is what the commands make of it now; else run ``make pictures`` and look at it."""
    session = SESSIONS[name]
    picture = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert picture == svg_of(session, screen_of(session))


@pytest.mark.parametrize("name", SESSIONS)
def test_a_picture_is_all_there_is(name: str) -> None:
    """It names no other host, no font file and no script, and holds no secret."""
    picture = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[\w.]+", picture)) <= {
        "http://www.w3.org",  # the name of the format
        "https://vault.example.com",
    }
    assert not re.search("<(script|image|style|use|a)|href|url\\(|127\\.0\\.0\\.1", picture)
    assert TOKEN not in picture
    assert "not-a-secret" not in picture


def test_there_is_no_other_picture() -> None:
    """Each is made from a session here, or from the numbers of a benchmark."""
    measured = {picture.name for picture in pictures.PICTURES}
    assert {file.stem for file in PICTURES.glob("*")} == {*SESSIONS, *measured}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("one\r\ntwo\r\n\r\n", "one\ntwo"),
        ("10%\r100%\x1b[K", "100%"),
        ("a longer line\rb\x1b[K", "b"),
        ("\x1b[?25lhidden\x1b[?25h", "hidden"),
        ("x" * COLUMNS + "y", "x" * COLUMNS + "\ny"),
        ("x" * COLUMNS + "\r\ny", "x" * COLUMNS + "\ny"),
    ],
)
def test_what_a_terminal_makes_of_it(written: str, shown: str) -> None:
    """Line ends, what is written over, and lines that are too long."""
    assert text_of(screen_with(written)) == shown


def test_colours() -> None:
    """A colour holds until the next one, and a reset ends it."""
    (line,) = screen_with("a\x1b[31mb\x1b[0mc\x1b[32md\x1b[36me")
    assert [cell.colour for cell in line] == [None, 1, None, 2, 6]
