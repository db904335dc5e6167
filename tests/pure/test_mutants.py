"""Which changes `make mutants` makes of a file, and what it calls them."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

import pytest

from tests.mutants.mutating import Mutant, mutants_of


def made(directory: Path, code: str) -> list[Mutant]:
    file = directory / "module.py"
    file.write_text(code, encoding="utf-8")
    return list(mutants_of(file, directory))


def names(directory: Path, code: str) -> list[str]:
    return [mutant.name for mutant in made(directory, code)]


@pytest.mark.parametrize(
    ("statement", "changes"),
    [
        ("return a < b", ["return a < b → return a <= b"]),
        ("return a and b", ["return a and b → return b", "return a and b → return a"]),
        ("return not a", ["return not a → return a"]),
        ("return a + 1", ["return a + 1 → return None", "return a + 1 → return a - 1"]),
        ("return f(a, b=1)", ["return f(a, b=1) → return None", "return f(a, b=1) → return f(a)"]),
        ("f(a)", ["without f(a)"]),
        ("a.x = b", ["without a.x = b"]),
        ("raise a", ["without raise a"]),
        ("if a: f()", ["never: if a", "always: if a", "without f()"]),
        ("while a < 1: f()", ["never: if a < 1", "while a < 1: → while a <= 1:"]),
        ("return [c for c in a if c]", ["for … in …, without if c"]),
        ("return max(a, b)", ["return max(a, b) → return min(a, b)"]),
        ("x: int = 1", ["x: int = 1 → x: int = 2"]),
    ],
)
def test_the_changes_of_a_statement(tmp_path: Path, statement: str, changes: list[str]) -> None:
    """Each is shown with its function, as it was and as it is, or by what is left out."""
    found = names(tmp_path, f"def f(a, b):\n    {statement}\n")
    assert {f"f: {change}" for change in changes} <= set(found)


@pytest.mark.parametrize(
    "code",
    [
        *['"""A text."""', "x = 'text'", "x = f'{y + 1}'", "import x", "__all__ = ['a', 'b']"],
        *[
            "X: TypeAlias = int | str",
            "T = TypeVar('T', bound=int)",
            "def f(a: A | B) -> C | D: ...",
        ],
        *["if TYPE_CHECKING:\n    x = 1", "@f(1)\nclass A: ...", "class A(b[1]): ..."],
        "x = zip(a, b, strict=True)",
    ],
)
def test_what_is_not_changed(tmp_path: Path, code: str) -> None:
    """Texts, annotations, decorators, and what is there for type checkers and assertions."""
    assert names(tmp_path, code) == []


def test_the_rows_of_a_table(tmp_path: Path) -> None:
    """Outside of functions each may be missing."""
    assert names(tmp_path, "X = {'a': b, 'c': d}\nY = (a, b)\n") == [
        *["module: without 'a'", "module: without 'c'", "module: without a", "module: without b"]
    ]


def test_names_stay_when_lines_move(tmp_path: Path) -> None:
    """What happens twice in a function is numbered."""
    code = "class A:\n    def f(a):\n        f(a)\n        f(a)\n"
    assert names(tmp_path, code) == ["A.f: without f(a)", "A.f: without f(a) (2)"]
    assert names(tmp_path, f"\n\n# more\n{code}") == names(tmp_path, code)


def test_a_mutant_is_the_module_with_one_change(tmp_path: Path) -> None:
    """And with no trace of the ones before."""
    results = []
    for mutant in made(tmp_path, "def f(a, b):\n    return (a or b) * 2\n"):
        scope: dict[str, FunctionType] = {}
        exec(mutant.code, scope)
        results.append((mutant.lines, scope["f"](0, 4)))
    assert results == [(range(2, 3), value) for value in (None, 2.0, 8, 0, 12)]
