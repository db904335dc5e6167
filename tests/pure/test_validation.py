"""What counts as a quotation of a value in a message."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultconfig.loading.mistakes import Quotations


@pytest.mark.parametrize(
    ("text", "value", "quoted"),
    [
        ("the value abc is wrong", "abc", True),
        ("the valueabc is wrong", "abc", False),
        ("the alphabet", "a", False),
        ("got 'a'", "a", True),
        ("expected 42 items", "42", True),
        ("expected 142 items", "42", False),
        ("postgres://u:hunter2@db", "hunter2", True),
        ("starts with supersec…", "supersecret-value", True),
        ("ends with …et-value", "supersecret-value", True),
        ("starts with supers…", "supersecret-value", False),
        (r"got 'line\none' here", "line\none", True),
        ("nothing of it", "supersecret-value", False),
    ],
)
def test_quotations(text: str, value: str, quoted: bool) -> None:
    """A short value counts as a whole word, a longer one by any eight characters in a row."""
    assert Quotations([value], [text]).are_in(text) is quoted


@given(
    st.lists(st.text("ab\n'", max_size=12), max_size=4),
    st.lists(st.text("ab\n'", max_size=24), max_size=4),
)
def test_each_by_itself(values: list[str], texts: list[str]) -> None:
    """Many values and texts at a time give the same verdicts as one of each."""
    values = [value for value in values if value]
    together = Quotations(values, texts)
    for text in texts:
        alone = any(Quotations([value], [text]).are_in(text) for value in values)
        assert together.are_in(text) is alone


def test_large_values_and_messages() -> None:
    """The cost is that of reading value and message, not their product, which takes minutes."""
    program = (
        "import random; from vaultconfig.loading.mistakes import Quotations\n"
        "value, text = (random.Random(n).randbytes(200_000).decode('latin-1') for n in (1, 2))\n"
        "assert not Quotations([value], [text]).are_in(text)\n"
        "assert Quotations([value], [text, value[-9:]]).are_in(value[-9:])\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)
