"""What a YAML text means, if it is mappings and texts and no more. Pure; needs PyYAML.

It is composed and never constructed, so that nothing in it is expanded or executed.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import yaml

from vaultconfig.render.rules import ForeignFileError

Tree: TypeAlias = dict[str, "str | Tree"]

_LONGEST: Final = 2 * 1024 * 1024  # characters
_DEEPEST: Final = 4  # a Secret has labels in its metadata; PyYAML is slow, then fails, on thousands
_TEXT: Final = "tag:yaml.org,2002:str"
_MAPPING: Final = "tag:yaml.org,2002:map"


def tree_of(text: str) -> Tree:
    """Return the mapping that *text* is.

    Raises:
        ForeignFileError: It is something else, or malformed.
    """
    try:
        if len(text) > _LONGEST:
            raise ForeignFileError("it is longer than 2 MiB")
        return _tree(_Composer(text).get_single_node())
    except ForeignFileError as error:
        problem = str(error)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = f"line {line} is malformed, or begins another document"
    except yaml.YAMLError:
        problem = "there are characters that YAML does not allow"
    # Out here, because the exceptions and their frames hold what was read.
    raise ForeignFileError(f"the file is not YAML of texts only: {problem}")


class _Composer(yaml.SafeLoader):
    """Composes a document of little depth and without aliases, which can stand for billions."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, and those in it."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's
        if isinstance(event, yaml.AliasEvent) or self._depth == _DEEPEST:
            problem = "has an alias, or is nested too deeply"
            raise ForeignFileError(f"line {event.start_mark.line + 1} {problem}")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _tree(node: yaml.Node | None) -> Tree:
    if node is None or node.tag != _MAPPING:
        line = node.start_mark.line + 1 if node else 1
        raise ForeignFileError(f"there is something else at line {line}")
    found: Tree = {}
    for key, value in node.value:
        if key.tag != _TEXT or key.value in found:
            line = key.start_mark.line + 1
            raise ForeignFileError(f"the key at line {line} is not text, or stands there twice")
        found[key.value] = value.value if value.tag == _TEXT else _tree(value)
    return found
