"""The tables of docs/reference/references.md, row by row."""

import html
import re
from pathlib import Path

import pytest

from vaultconfig.errors import InvalidReferenceError
from vaultconfig.references import parse

PAGE = Path(__file__).parents[2] / "docs/reference/references.md"
ROW = re.compile(r"^\| (?:`|<code>)(.+)(?:`|</code>) \| (\d+) \| (.+) \|$", re.MULTILINE)
ERRORS = ROW.findall(html.unescape(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("text", "column", "expected"), ERRORS)
def test_the_page_shows_the_errors_there_are(text: str, column: str, expected: str) -> None:
    """Each row of the table of errors is what happens."""
    with pytest.raises(InvalidReferenceError) as caught:
        parse(text)
    assert (caught.value.column, caught.value.expected) == (int(column), expected)


def test_the_page_has_a_table_of_errors() -> None:
    """The rows are found at all."""
    assert len(ERRORS) > 10
