"""Paths of secrets: which are taken, and how what is wrong with the others is said."""

from __future__ import annotations

import pytest

from vaultconfig.errors import ConfigurationError
from vaultconfig.references.paths import fill, find_flaw, path_problem

UNSAFE = "a path without control characters, '?' and '#'"


@pytest.mark.parametrize("path", ["a", "a/b.c", "é/{x}", "a" * 512, "/".join("abcdefghij")])
def test_a_path_of_a_secret(path: str) -> None:
    """It has 1 to 10 segments and at most 512 characters; the server checks the rest."""
    assert find_flaw(path) is None
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("path", "at"), [("a?b", 1), ("ab#", 2), ("a/\x00", 2), ("\x9f", 0), ("a\ud800b", 1)]
)
def test_what_would_end_a_path_in_a_url(path: str, at: int) -> None:
    """A path with such a character would reach another resource of the API."""
    assert find_flaw(path) == (at, UNSAFE)


def test_a_problem_names_the_path() -> None:
    """The error has the path, and says what was expected."""
    problem = path_problem("a?b")
    assert problem is not None
    assert problem.path == "a?b"
    assert f"'a?b' is not a secret's path: expected {UNSAFE}" in str(problem)


@pytest.mark.parametrize(
    ("path", "shown"), [("x" * 79 + "/", "x" * 79 + "/"), ("x" * 80 + "/", "x" * 80 + "…")]
)
def test_a_long_path_is_shown_short(path: str, shown: str) -> None:
    """An error shows 80 characters of a path, and that there are more."""
    assert _unfilled(path).endswith(f"not {shown!r}")


@pytest.mark.parametrize("value", ["..", "a..b", "\ud800"])
def test_what_a_placeholder_stands_for_is_a_segment(value: str) -> None:
    """The error is about the value alone, not about the path that it would make."""
    assert "{x} in a/{x}: expected one path segment" in _unfilled(value)


def _unfilled(value: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        fill("a/{x}", {"x": value})
    return str(caught.value)
