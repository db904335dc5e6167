"""What counts as a quotation of a value in a message."""

from __future__ import annotations

import pytest

from vaultconfig.validation import quotes


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
    assert quotes(text, value) is quoted
