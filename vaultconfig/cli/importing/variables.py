"""The variables that a `.env` sets, what each is made of, and the lines it stands in. Pure.

As python-dotenv reads them: the last one of a name counts, and ``${NAME}`` stands for what a line
before has set, even in single quotes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Literal, parse_variables
from dotenv.variables import Variable as Use

from vaultconfig.cli.tables import printable
from vaultconfig.connection.env_files import line_of
from vaultconfig.errors import ConfigurationError
from vaultconfig.masking.values import mask

# A line of a key or of JSON outside quotes is read as a name, too, and is not to be shown.
_NAME: Final = re.compile(r"[\w.-]{1,63}")
_USUAL_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,62}")
_END_OF_LINE: Final = re.compile(r"(?:\r\n|\n|\r|)\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A variable, where a line of the file sets it.

    Attributes:
        key: Its name.
        value: Its text where nothing is set outside the file; None for a name without a ``=``.
        parts: What that is made of: text, and variables that were set before.
        outside: The names in it that nothing in the file has set before.
    """

    key: str
    line: int
    value: str | None = field(repr=False)
    parts: Sequence[str | Variable] = field(repr=False)
    outside: Sequence[str]


def read_variables(text: str, *, file: str) -> dict[str, Variable]:
    """Return the variables that the *text* of *file* sets, by name.

    Raises:
        ConfigurationError: It has lines that can't be read, or names that differ in case only.
    """
    found, unreadable = _read(text)
    if unreadable:
        lines = "line" if len(unreadable) == 1 else "lines"
        raise ConfigurationError(
            f"{lines} {', '.join(unreadable)} of {file} cannot be read, so nothing was written: "
            "write NAME=VALUE there, and put quotes around a value of several lines or with "
            "quotes in it"
        )
    spellings: dict[str, Variable] = {}
    for key, variable in found.items():
        other = spellings.setdefault(key.lower(), variable)
        if other is not variable:
            raise ConfigurationError(
                f"{other.key} (line {other.line}) and {key} (line {variable.line}) of {file} are "
                "one name to pydantic-settings: rename or remove one"
            )
    return found


def without(text: str, moved: Mapping[str, str]) -> str:
    """Return *text* with a comment in the place of each variable of *moved*.

    The values go, since a comment can be read like any other line. All else stays byte for byte.

    Args:
        text: Of a file that `read_variables` can read.
        moved: Where each has gone.
    """
    kept = [text[:1] if text.startswith("\ufeff") else ""]
    for binding in parse_stream(io.StringIO(text, newline="")):
        line = binding.original.string
        if binding.key is not None and binding.key in moved:
            before = line[: len(line) - len(line.lstrip())]
            end = _END_OF_LINE.search(line)
            told = printable(f"# {binding.key} moved to {moved[binding.key]}")
            line = f"{before}{told}{end[0] if end else ''}"
        kept.append(line)
    masked: str = mask("".join(kept))
    return masked


def names_of(variables: Iterable[str]) -> str:
    """Return names for a message; an unusual one may be a piece of a value that holds ``${``."""
    shown = (name if _USUAL_NAME.fullmatch(name) else "${…}" for name in variables)
    return ", ".join(dict.fromkeys(shown))


def _read(text: str) -> tuple[dict[str, Variable], list[str]]:
    """Return the variables, and the lines that can't be read; here, where no error passes."""
    found: dict[str, Variable] = {}
    unreadable: list[str] = []
    for binding in parse_stream(io.StringIO(text, newline=None)):
        if not _is_readable(binding):
            unreadable.append(str(line_of(binding)))
        elif binding.key is not None:
            found[binding.key] = _variable(binding, found)
    return found, unreadable


def _is_readable(binding: Binding) -> bool:
    if binding.error or binding.key is None:
        return not binding.error
    kind = _USUAL_NAME if binding.value is None else _NAME
    return kind.fullmatch(binding.key) is not None


def _variable(binding: Binding, found: Mapping[str, Variable]) -> Variable:
    key, value = binding.key or "", binding.value
    parts: list[str | Variable] = []
    outside: list[str] = []
    for atom in () if value is None else parse_variables(value):
        if isinstance(atom, Literal):
            parts.append(atom.value)
        elif isinstance(atom, Use) and atom.name in found:
            used = found[atom.name]
            outside += used.outside
            parts.append("" if used.value is None else used)
        elif isinstance(atom, Use):
            parts.append(atom.default or "")
            # A "=" is in the names that render writes, which no variable can have; "__" in its
            # older ones.
            is_settable = "=" not in atom.name and not atom.name.startswith("__")
            outside += [atom.name] if is_settable else []
    if value is not None:
        value = "".join(part if isinstance(part, str) else part.value or "" for part in parts)
    return Variable(key, line_of(binding), mask(value), mask(parts), tuple(dict.fromkeys(outside)))
