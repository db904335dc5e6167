"""Counts what stands in the source: the folder, imports, lines, functions and names.

- Entries are modules and packages directly in ``vaultconfig/``, ``__init__.py`` left out. Internal
  modules are the files among them that are not in `PUBLIC`.
- Layers are those of the contract that covers the whole package. Floors are the entries in the
  longest chain of imports between them, or ``inf`` where two import each other; imports in
  functions count, those for type checkers don't.
- A line of code has at least one token that is neither comment nor docstring. Comments are counted
  wherever they stand, those for tools too.
- Functions are all that ``def`` makes, methods and nested ones too; their lines go from ``def`` to
  the last, docstring and comments included.
- The name of a private function begins with one underscore. It is used once if its name stands
  exactly once in its file apart from the definition; other things of that name count, too.
- Names are those of classes, functions, constants and type aliases at the top of a module, private
  ones too. ``__all__``, ``__getattr__`` and type variables are left out.
"""

from __future__ import annotations

import ast
import math
import statistics
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "vaultconfig"
PUBLIC = {"errors", "testing", "devserver", "fastapi", "asgi", "django", "drivers", "redaction"}
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the package; *entry* is what it belongs to, directly in ``vaultconfig/``."""

    entry: str
    length: int
    tokens: list[tokenize.TokenInfo]
    tree: ast.Module

    @classmethod
    def read(cls, file: Path, package: Path) -> Module:
        entry = file.relative_to(package).parts[0].removesuffix(".py")
        text = file.read_bytes()
        with file.open("rb") as lines:
            tokens = list(tokenize.tokenize(lines.readline))
        return cls(entry, text.count(b"\n"), tokens, ast.parse(text))

    @property
    def comments(self) -> int:
        return sum(token.type == tokenize.COMMENT for token in self.tokens)

    @property
    def lines_of_code(self) -> int:
        lines: set[int] = set()
        for token in self.tokens:
            if token.type not in LAYOUT:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            match node:
                case (
                    ast.Module(body=[first, *_])
                    | ast.ClassDef(body=[first, *_])
                    | ast.FunctionDef(body=[first, *_])
                    | ast.AsyncFunctionDef(body=[first, *_])
                ) if ast.get_docstring(node) is not None:
                    lines.difference_update(lines_of(first))
        return len(lines)

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    def uses_of_private(self) -> list[int]:
        """Return for each private function how often its name stands in this file."""
        uses: Counter[str] = Counter()
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    uses[name] += 1
        names = (function.name for function in self.functions)
        return [uses[n] for n in names if n.startswith("_") and not n.startswith("__")]

    def names(self) -> set[str]:
        """Return what is defined at the top of the module."""
        found = set()
        for node in self.tree.body:
            match node:
                case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                    pass
                case (
                    ast.ClassDef(name=name)
                    | ast.FunctionDef(name=name)
                    | ast.AsyncFunctionDef(name=name)
                    | ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name))
                ) if not name.startswith("__"):
                    found.add(name)
        return found


def figures(tree: Path) -> dict[str, float]:
    """Return what was counted in the package that lies in *tree*, by the name of the figure."""
    package = tree / PACKAGE
    modules = [Module.read(file, package) for file in sorted(package.rglob("*.py"))]
    entries = {module.entry for module in modules} - {"__init__"}
    internal = [name for name in entries - PUBLIC if (package / f"{name}.py").exists()]
    code = sum(module.lines_of_code for module in modules)
    lengths = [len(lines_of(function)) for module in modules for function in module.functions]
    uses = [count for module in modules for count in module.uses_of_private()]
    names = Counter(name for module in modules for name in module.names())
    return {
        "entries in the folder": len(entries),
        "  internal modules lying flat": len(internal),
        "layers of the import contract": layers(tree / "pyproject.toml"),
        "floors of imports": floors(modules, entries),
        "lines of code": code,
        "lines in all": sum(module.length for module in modules),
        "comments per 100 lines of code": 100 * sum(m.comments for m in modules) / code,
        "functions": len(lengths),
        "  lines: median": statistics.median(lengths),
        "  lines: 90th percentile": statistics.quantiles(lengths, n=10)[-1],
        "private functions": len(uses),
        "  used exactly once, %": 100 * uses.count(1) / len(uses),
        "names defined in more than one module": sum(count > 1 for count in names.values()),
    }


def lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def layers(pyproject: Path) -> int:
    contracts = tomllib.loads(pyproject.read_text())["tool"]["importlinter"]["contracts"]
    [main] = [c for c in contracts if c["type"] == "layers" and c.get("containers") == [PACKAGE]]
    return len(main["layers"])


def floors(modules: list[Module], entries: set[str]) -> float:
    """Return how many entries the longest chain of imports has; `math.inf` for a cycle."""
    imports: dict[str, set[str]] = {entry: set() for entry in entries}
    for module in modules:
        if module.entry in entries:
            imports[module.entry] |= set(imported(module.tree)) & entries - {module.entry}
    height: dict[str, int] = {}
    try:
        for entry in TopologicalSorter(imports).static_order():
            height[entry] = 1 + max((height[below] for below in imports[entry]), default=0)
    except CycleError:
        return math.inf
    return max(height.values())


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the entry of each import in *node* that happens at run time."""
    names: list[str] = []
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Import(names=aliases):
            names = [alias.name for alias in aliases]
        case ast.ImportFrom(module=module, names=aliases):
            names = [f"{module}.{alias.name}" for alias in aliases]
    for name in names:
        match name.split("."):
            case [root, entry, *_] if root == PACKAGE:
                yield entry
    for child in ast.iter_child_nodes(node):
        yield from imported(child)
