"""``.env`` files as python-dotenv and pydantic-settings read them. Pure.

Updates an existing text key by key and leaves every other byte alone. docs/reference/dialects.md
has the rules. Both readers expand ``${…}`` even inside single quotes, so that is written so that it
expands to itself, whatever is set; and what is written runs nothing when a shell sources it.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from collections.abc import Mapping
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from vaultconfig.connection.env_files import line_of
from vaultconfig.errors import ConfigurationError
from vaultconfig.masking.values import mask
from vaultconfig.render.rules import (
    Difference,
    ForeignFileError,
    cannot_hold,
    check,
    refers,
    reject_references,
)

name: Final = "dotenv"

_BOM: Final = "\ufeff"
_END_OF_LINE = re.compile(r"(?:\r\n|\n|\r)\Z")

# What reads the same for python-dotenv, node and a shell without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_BACKSLASHES = re.compile(r"\\{2,}")
# In double quotes a shell runs `…` and $(…), and computes $[…].
_SPECIAL = re.compile(r"[\\\"\n\r`]|\$(?=[({\[$`])")

# python-dotenv reads a variable with a default: its name, "?-=", holds a "=", so that nothing can
# set it. A shell reads "$?, or where that is unset …"; it never is, so that the rest is skipped.
_DOLLAR: Final = "${?-=:-$}"
_NOTHING: Final = "${?-=:-}"
_BACKTICK: Final = "${?-`=:-`}"
_ESCAPES: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "`": _BACKTICK, "$": _DOLLAR}

_ASSIGNMENT = re.compile(
    r"""
    (?P<head> \s* (?:export[^\S\r\n]+)? (?:'[^']+' | [^=\#\s]+) )
    [^\S\r\n]*
    (?:
        (?: =[^\S\r\n]* (?: '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" ) )?
        (?P<after_quotes> [^\S\r\n]* (?:\#[^\r\n]*)? (?:\r\n|\n|\r)? )
    |
        = [^\r\n]*?
        (?P<after_plain> (?:[^\S\r\n]+\#[^\r\n]*)? [^\S\r\n]* (?:\r\n|\n|\r)? )
    )
    """,
    re.VERBOSE | re.DOTALL,
)

_Pairs = list[tuple[str, str | None]]


def encode(key: str, value: str) -> str:
    """Return ``KEY=…`` in the plainest form that loads back equal.

    Raises:
        ConfigurationError: No dotenv file can hold it.
    """
    check({key: value}, dialect=name)
    return f"{key}={_quoted(value)}"


def parse(text: str) -> dict[str, str | None]:
    """Return what python-dotenv loads from a file of *text* where no variable is set."""
    return _resolve(_pairs(text), {})


def compare(existing: str, values: Mapping[str, str]) -> list[Difference]:
    """Return which *values* are missing from the text *existing*, or are something else there.

    Raises:
        ForeignFileError: It has one of the keys in another spelling.
    """
    _reject_other_spellings(existing, values)
    present, references = dict(_pairs(existing)), _references(existing)
    return [
        Difference(
            key, "reference" if key in references else "changed" if key in present else "missing"
        )
        for key in _differing(existing, values)
    ]


def update(existing: str, values: Mapping[str, str]) -> str:
    """Return *existing* with *values* in it, every other byte as it was.

    Of a key that stands there twice the last one counts, and is the one replaced. New keys go to
    the end.

    Raises:
        ConfigurationError: A value does not fit, is or would replace a reference, or the text is
            too broken to be changed safely.
    """
    check(values, dialect=name)
    reject_references(values)
    _reject_freezing(existing, values)
    _reject_other_spellings(existing, values)
    text = existing
    # Once more for a value there that was built from one which the first round replaced.
    for _ in range(2):
        text = _replace(text, _differing(text, values))
    verify(existing, text, values)
    masked: str = mask(text)  # hidden from tracebacks that show locals
    return masked


def verify(before: str, after: str, values: Mapping[str, str]) -> None:
    """Check that *after* loads as *values*, and all else as in *before*.

    Raises:
        ConfigurationError: It does not.
    """
    others = [
        [(key, raw) for key, raw in _pairs(text) if key not in values] for text in (before, after)
    ]
    differing = _differing(after, values)
    if others[0] == others[1] and not differing:
        return
    broken = [line_of(binding) for binding in _bindings(before) if binding.error]
    if broken:
        raise ConfigurationError(
            f"line {broken[0]} of the existing file is malformed, and what is written after it "
            "would be read as part of it: close its quote, or remove it"
        )
    raise cannot_hold(differing or list(values), dialect=name, limits="it does not load back equal")


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    # A backslash before the closing quote would escape it for python-dotenv 1.2.2.
    end = _NOTHING if value.endswith("\\") else ""
    # Files are read with universal newlines, so a carriage return has to be escaped.
    if "'" in value or "\r" in value:
        text = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)
        return f'"{text}{end}"'
    text = _BACKSLASHES.sub(lambda match: match[0] * 2, value.replace("${", _DOLLAR + "{"))
    return f"'{text}{end}'"


def _bindings(text: str) -> list[Binding]:
    return list(parse_stream(io.StringIO(text.removeprefix(_BOM), newline="")))


def _pairs(text: str) -> _Pairs:
    """Return keys and values before expansion, as a file opened in text mode gives them."""
    stream = io.StringIO(text.removeprefix(_BOM), newline=None)
    return [(item.key, item.value) for item in parse_stream(stream) if item.key is not None]


def _resolve(pairs: _Pairs, environment: Mapping[str, str]) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    known = ChainMap[str, str | None](values, dict(environment))
    for key, raw in pairs:
        atoms = () if raw is None else parse_variables(raw)
        text = "".join(atom.resolve(known) for atom in atoms)
        values[key] = None if raw is None else text
    return values


def _differing(text: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return those of *values* that *text* does not give, whatever the environment has set."""
    pairs = _pairs(text)
    names = {
        atom.name
        for _, raw in pairs
        for atom in parse_variables(raw or "")
        if isinstance(atom, Variable)
    }
    settable = {name for name in names if "=" not in name}  # no environment has such a name
    unset = _resolve(pairs, {})
    otherwise = _resolve(pairs, dict.fromkeys(settable, "\0"))
    return {
        key: value
        for key, value in values.items()
        if not (unset.get(key) == value == otherwise.get(key))
    }


def _replace(text: str, values: Mapping[str, str]) -> str:
    bindings = _bindings(text)
    last = {binding.key: index for index, binding in enumerate(bindings)}
    replaced = {last[key]: value for key, value in values.items() if key in last}
    parts = [
        _rewrite(binding, replaced[index]) if index in replaced else binding.original.string
        for index, binding in enumerate(bindings)
    ]
    body = (_BOM if text.startswith(_BOM) else "") + "".join(parts)
    new = {key: value for key, value in values.items() if key not in last}
    return body + _appendix(body, new, newline=_newline(bindings))


def _newline(bindings: list[Binding]) -> str:
    """Return how the lines of a file end; the values in it may have line breaks of their own."""
    ends = (_END_OF_LINE.search(item.original.string) for item in bindings if not item.error)
    return next((match[0] for match in ends if match), "\n")


def _appendix(body: str, values: Mapping[str, str], *, newline: str) -> str:
    starts_new_line = not values or body in {"", _BOM} or body.endswith(("\n", "\r"))
    lines = "".join(f"{encode(key, value)}{newline}" for key, value in values.items())
    return lines if starts_new_line else newline + lines


def _rewrite(binding: Binding, value: str) -> str:
    match = _ASSIGNMENT.fullmatch(binding.original.string)
    if match is None:
        raise ConfigurationError(
            f"line {line_of(binding)} of the existing file cannot be changed safely: "
            f"write it as {binding.key}=…"
        )
    after = match["after_quotes"] if match["after_plain"] is None else match["after_plain"]
    blank = " " if after.startswith("#") else ""
    return f"{match['head']}={_quoted(value)}{blank}{after}"


def _references(text: str) -> set[str]:
    return {key for key, raw in dict(_pairs(text)).items() if refers(raw or "")}


def _reject_freezing(existing: str, values: Mapping[str, str]) -> None:
    references = _references(existing)
    frozen = [key for key in values if key in references]
    if frozen:
        raise ConfigurationError(
            f"{', '.join(frozen)}: the existing file has a reference there, which writing would "
            "freeze into a value: render into another file (-o)"
        )


def _reject_other_spellings(existing: str, values: Mapping[str, str]) -> None:
    """Reject ``db_url`` beside ``DB_URL``: pydantic-settings takes them for one key."""
    folded = {key.lower(): key for key in values}
    for binding in _bindings(existing):
        wanted = folded.get((binding.key or "").lower())
        if wanted and binding.key not in values:
            raise ForeignFileError(
                f"line {line_of(binding)} of the existing file has {binding.key}, which "
                f"pydantic-settings takes for {wanted}: rename or remove it"
            )
