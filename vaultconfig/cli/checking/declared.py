"""The fields of a settings class as its source has them: in which order, and on which lines."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic_settings import BaseSettings

from vaultconfig.loading.annotations import class_of
from vaultconfig.loading.fields import ModelField, walk


class Declared(NamedTuple):
    """A field of a class, or of a model in it.

    Attributes:
        position: In the class; the fields of a model follow the field that holds it.
        owner: The class or model.
        field: The field.
    """

    position: int
    owner: type
    field: ModelField


class DeclaredFields:
    """The fields of the settings class *model*, and of the models in it.

    Attributes:
        by_name: Dotted, in the order of the class.
    """

    def __init__(self, model: type[BaseSettings]) -> None:
        self.model = model
        self.by_name: dict[str, Declared] = {}
        for name, owner, field in walk(model):
            # The models of a union may have fields of one name.
            self.by_name.setdefault(name, Declared(len(self.by_name), owner, field))

    def order(self, name: str) -> tuple[int, list[tuple[int, str]]]:
        """Return where *name* stands, as a key to sort by; what the class does not have is last."""
        known, inside = self._find(name)
        steps = [(int(step), "") if step.isdecimal() else (-1, step) for step in inside]
        return (len(self.by_name) if known is None else known.position), steps

    def line_of(self, name: str) -> tuple[str, int] | None:
        """Return the file below the working directory, and the line, that declare *name*."""
        known, _ = self._find(name)
        if known is None:
            return None
        for base in class_of(known.owner).__mro__:  # a field may be inherited
            file, lines = _source_of(base)
            if known.field.name in lines:
                return (shown, lines[known.field.name]) if (shown := below_here(file)) else None
        return None

    def _find(self, name: str) -> tuple[Declared | None, list[str]]:
        """Return the field that *name* is of, and the steps inside it: keys, and indexes."""
        inside: list[str] = []
        while name and name not in self.by_name:
            name, _, step = name.rpartition(".")
            inside.insert(0, step)
        return self.by_name.get(name), inside


@cache
def _source_of(cls: type) -> tuple[str, dict[str, int]]:
    """Return the file of *cls*, and the line of each annotation in its body."""
    try:
        source, first = inspect.getsourcelines(cls)
        (body,) = ast.parse(textwrap.dedent("".join(source))).body
    except (OSError, TypeError, SyntaxError, ValueError):  # made by a function, or no source here
        return "", {}
    nodes = (node for node in getattr(body, "body", ()) if isinstance(node, ast.AnnAssign))
    lines = {ast.unparse(node.target): first + node.lineno - 1 for node in nodes}
    return inspect.getsourcefile(cls) or "", lines


def below_here(file: str | Path) -> str | None:
    """Return *file* as it is called from the working directory, if it is below that."""
    path = Path(file).resolve()
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else None
