"""Makes the mutants of a file: it with one of the small changes. Runs nothing.

Texts, annotations, decorators and what only a type checker reads stay as they are.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple, TypeAlias

from tests.mutants.changes import changes

FOR_TYPES: Final = ("cast", "TypeVar", "ParamSpec", "TypeAlias", "__all__", "__slots__")
PASSED_OVER: Final = ("annotation", "returns", "decorator_list", "bases")
SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LEGIBLE: Final = 24  # characters; a shorter change is shown with what stands around it

Place: TypeAlias = tuple[tuple[ast.AST, ...], str, Callable[[ast.AST], None]]
"""A node behind those around it, the name of its function, and what puts another one there."""


class Mutant(NamedTuple):
    """A file with one change.

    Attributes:
        file: Its path inside the package.
        name: The function and the change, which stays the same when lines move.
        lines: A test has to come by at one of them to notice.
        code: The module.
    """

    file: str
    name: str
    lines: range
    code: CodeType


def mutants_of(file: Path, package: Path) -> Iterator[Mutant]:
    """Make each mutant of *file*, a module of *package*."""
    tree = ast.parse(file.read_bytes())
    seen: Counter[str] = Counter()
    for nodes, scope, put in _places(tree, (), ""):
        node = nodes[-1]
        statement = next(n for n in reversed(nodes) if isinstance(n, ast.stmt))
        # A compound statement is its head, of which the test alone may take several lines.
        last = node if isinstance(node, ast.expr) else getattr(statement, "test", statement)
        lines = range(statement.lineno, (last.end_lineno or 0) + 1)
        shown = next(filter(_is_legible, reversed(nodes)))
        for other, description in changes(node, nodes[-2], is_table=not scope):
            before = _text(shown)
            if not hasattr(other, "lineno"):  # else it is a part of *node*, and stays as it is
                ast.fix_missing_locations(ast.copy_location(other, statement))
            put(other)
            name = description or f"{before} → {_text(other if shown is node else shown)}"
            code = compile(tree, str(file), "exec", dont_inherit=True)
            put(node)
            name = f"{scope or 'module'}: {' '.join(name.split())}"
            seen[name] += 1
            name += f" ({seen[name]})" if seen[name] > 1 else ""
            yield Mutant(str(file.relative_to(package)), name, lines, code)


def _places(node: ast.AST, above: tuple[ast.AST, ...], scope: str) -> Iterator[Place]:
    """Give each place in *node* where something may be changed."""
    above = (*above, node)
    for field, value in ast.iter_fields(node):
        is_list = isinstance(value, list)
        for at, child in enumerate(value if is_list else [value]):
            if field in PASSED_OVER or not isinstance(child, ast.AST) or _means_nothing(child):
                continue
            put = partial(value.__setitem__, at) if is_list else partial(setattr, node, field)
            yield (*above, child), scope, put
            is_scope = isinstance(child, SCOPES)
            inside = f"{scope}.{child.name}".strip(".") if is_scope else scope
            yield from _places(child, above, inside)


def _means_nothing(node: ast.AST) -> bool:
    """Whether *node* is a text, or there for readers and type checkers."""
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
            return True
        case ast.If(ast.Name("TYPE_CHECKING")) | ast.keyword("strict"):
            return True
        case ast.Call(ast.Name(name)) | ast.Assign([ast.Name(name)]):
            return name in FOR_TYPES
        case ast.AnnAssign():
            return ast.unparse(node.annotation) in FOR_TYPES
    return False


def _is_legible(node: ast.AST) -> bool:
    is_long = isinstance(node, ast.expr) and len(ast.unparse(node)) >= LEGIBLE
    return is_long or isinstance(node, ast.stmt)


def _text(node: ast.AST) -> str:
    """Return *node* in one line; of what holds statements the head."""
    return ast.unparse(node).split("\n", 1)[0]
