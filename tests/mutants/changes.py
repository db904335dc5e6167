"""What may stand in the place of a node of a syntax tree: the small changes. Pure.

A change that no test can miss where it notices another one is left out: a test that notices a
comparison that always fails, and one that never fails, also notices its opposite.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import singledispatch
from typing import Any, Final, TypeAlias

Change: TypeAlias = tuple[ast.AST, str]
"""The other node, and what to call it; without a name both are shown."""

PAIRS: Final[list[tuple[type[ast.AST], type[ast.AST]]]] = [
    *[(ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot)],
    *[(ast.In, ast.NotIn), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.FloorDiv, ast.Mod)],
    *[(ast.BitOr, ast.BitAnd), (ast.LShift, ast.RShift), (ast.Pow, ast.BitXor)],
]
SWAPS: Final = dict(PAIRS) | {second: first for first, second in PAIRS}
BOUNDS: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
WITH_DEFAULT: Final = ("next", "getattr", "get", "pop")


@singledispatch
def changes(node: ast.AST, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    """Give the changes of *node*.

    Args:
        node: A part of a statement, or one.
        parent: The node that it is a part of.
        is_table: Whether it is outside of functions and classes.
    """
    yield from ()


@changes.register
def _(node: ast.Constant, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value), ""
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1), ""


@changes.register
def _(node: ast.Compare, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for at, op in enumerate(node.ops):
        if isinstance(op, BOUNDS) or not _is_condition(node, parent):
            yield _with(node, ops=[*node.ops[:at], SWAPS[type(op)](), *node.ops[at + 1 :]]), ""


@changes.register
def _(node: ast.BinOp, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    yield _with(node, op=SWAPS[type(node.op)]()), ""


@changes.register
def _(node: ast.BoolOp, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for values in _shorter(node.values):
        yield (_with(node, values=values) if len(values) > 1 else values[0]), ""


@changes.register
def _(node: ast.UnaryOp, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    if not _is_condition(node, parent):
        yield node.operand, ""


@changes.register
def _(node: ast.IfExp, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    yield node.body, ""
    yield node.orelse, ""


@changes.register
def _(node: ast.comprehension, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for at, ifs in enumerate(_shorter(node.ifs)):
        yield _with(node, ifs=ifs), f"for … in …, without if {ast.unparse(node.ifs[at])}"


@changes.register
def _(node: ast.Call, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for keyword, keywords in zip(node.keywords, _shorter(node.keywords), strict=True):
        if keyword.arg != "strict":  # an assertion
            yield _with(node, keywords=keywords), ""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name in NAMES:
        yield _with(node, func=ast.Name(NAMES[name], ast.Load())), ""
        for args in _shorter(node.args) if len(node.args) > 1 else ():
            yield _with(node, args=args), ""
    elif name in WITH_DEFAULT and len(node.args) > 1:
        yield _with(node, args=node.args[:-1]), ""


@changes.register(ast.Tuple | ast.List | ast.Set)
def _(node: Any, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for at, elts in enumerate(_shorter(node.elts) if is_table else ()):
        yield _with(node, elts=elts), f"without {ast.unparse(node.elts[at])}"


@changes.register
def _(node: ast.Dict, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    rows = zip(node.keys, _shorter(node.keys), _shorter(node.values), strict=True)
    for key, keys, values in rows if is_table else ():
        yield ast.Dict(keys, values), f"without {ast.unparse(key) if key else '**'}"


@changes.register(ast.If | ast.While)
def _(node: Any, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    joined = type(getattr(node.test, "op", None))  # what its parts show already is left out
    if joined is not ast.Or:
        yield _with(node, test=ast.Constant(value=False)), f"never: if {ast.unparse(node.test)}"
    if joined is not ast.And and isinstance(node, ast.If):
        yield _with(node, test=ast.Constant(value=True)), f"always: if {ast.unparse(node.test)}"


@changes.register
def _(node: ast.Match, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    for case, cases in zip(node.cases, _shorter(node.cases), strict=True):
        other = _with(node, cases=cases) if cases else ast.Pass()
        yield other, f"without case {ast.unparse(case.pattern)}"


@changes.register
def _(node: ast.match_case, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    if node.guard:
        yield _with(node, guard=None), f"without if {ast.unparse(node.guard)}"


@changes.register
def _(node: ast.Return, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    if node.value and not isinstance(
        node.value, ast.Constant | ast.Compare | ast.BoolOp | ast.UnaryOp | ast.IfExp
    ):
        yield ast.Return(ast.Constant(None)), ""


@changes.register(ast.Break | ast.Continue | ast.Expr | ast.Raise | ast.AugAssign | ast.Delete)
@changes.register(ast.Assign)
def _(node: Any, parent: ast.AST, *, is_table: bool) -> Iterator[Change]:
    is_local = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Tuple)
    if not is_local and not isinstance(getattr(node, "value", None), ast.Yield | ast.YieldFrom):
        yield ast.Pass(), f"without {ast.unparse(node)}"


def _is_condition(node: ast.expr, parent: ast.AST) -> bool:
    """Whether another change of *parent* makes *node* true or false for good."""
    return isinstance(parent, ast.BoolOp) or node in (
        getattr(parent, "test", None),
        *getattr(parent, "ifs", ()),
    )


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def _shorter(elements: list[Any]) -> Iterator[list[Any]]:
    """Give *elements* without one, for each of them."""
    return (elements[:at] + elements[at + 1 :] for at in range(len(elements)))
