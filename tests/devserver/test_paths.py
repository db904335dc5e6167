"""Globs over secret paths."""

from __future__ import annotations

import pytest

from vaultconfig.devserver.paths import matches


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "a/b", False),
        ("a/b", "a", False),
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", True),
        ("a/**", "ab", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/b/c", False),
        ("*", "a", True),
        ("*", "a/b", False),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/b/c", False),
        ("db-*", "db-1", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
    ],
)
def test_globs(glob: str, path: str, expected: bool) -> None:
    """``**`` is any number of segments, ``*`` one, ``?`` one character, the rest itself."""
    assert matches(glob, path) is expected
