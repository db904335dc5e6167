"""The rules of paths, for references and the client alike, and the placeholders in them. Pure.

ScaiVault's own documentation disagrees on upper case and dots, so those are left to the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vaultconfig.errors import ConfigurationError, SecretError

CONTROL: Final = r"\x00-\x1f\x7f-\x9f"
"""Control characters, for use in a character class."""

_SEPARATE: Final = r"\s:|$?#{}"  # characters with a meaning in a reference, a template or a URL
_NAME: Final = r"\{([^\W\d]\w*)\}"

MAX_LENGTH: Final = 512
MAX_LEVELS: Final = 10
PATHS: Final = (
    f"a path has at most {MAX_LEVELS} levels and {MAX_LENGTH} characters of a-z 0-9 - _ /, and no "
    "slash at its ends"
)
"""What every server takes, for messages."""

# It stops behind a path that is too long, which keeps 10 MB of braces from filling the stack.
# A possessive repeat would do so too, but Python 3.11.2 gets one around a group wrong.
PATH = re.compile(rf"(?:[^{CONTROL}{_SEPARATE}]|{_NAME}){{0,{MAX_LENGTH + 1}}}")
_PLACEHOLDER = re.compile(_NAME)
_VARIABLE = re.compile(rf"[^{CONTROL}{_SEPARATE}/]+")
_ELSEWHERE = re.compile(rf"[{CONTROL}?#]")  # in a URL these would end the path


def lone_surrogate(text: str) -> int | None:
    """Return the offset of the first character that no encoding has, or None.

    In a character class they would make each pattern five times as slow to compile.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def find_flaw(path: str) -> tuple[int, str] | None:
    """Return the offset of the first mistake in *path*, and what was expected there."""
    if len(path) > MAX_LENGTH:
        return MAX_LENGTH, f"a path of at most {MAX_LENGTH} characters"
    foreign = _ELSEWHERE.search(path)
    at = foreign.start() if foreign else lone_surrogate(path)
    if at is not None:
        return at, "a path without control characters, '?' and '#'"
    at = 0
    for level, segment in enumerate(path.split("/"), start=1):
        if level > MAX_LEVELS:
            return at, f"a path of at most {MAX_LEVELS} levels"
        if not segment:
            return at, "a path segment: a path has no leading, trailing or double slash"
        if segment == "." or ".." in segment:
            return at + max(segment.find(".."), 0), "a path without '.' and '..'"
        at += len(segment) + 1
    return None


def path_problem(path: str) -> SecretError | None:
    """Return why *path* can't be the path of a secret, or None.

    Only paths that would reach another resource of the API are rejected here; the server has
    stricter rules.
    """
    flaw = find_flaw(path)
    if flaw is None:
        return None
    return SecretError(f"{_shown(path)} is not a secret's path: expected {flaw[1]}", path=path)


def placeholders(path: str) -> tuple[str, ...]:
    """Return the names in braces, each once, in order."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(path)))


def fill(path: str, variables: Mapping[str, str]) -> str:
    """Return *path* with its placeholders replaced, each by one segment or a part of one.

    Raises:
        ConfigurationError: A variable is missing, or does not fit into a path.
    """
    filled = _PLACEHOLDER.sub(lambda match: _variable(match[1], path, variables), path)
    flaw = find_flaw(filled)
    if flaw:
        names = ", ".join(f"{{{name}}}" for name in placeholders(path))
        raise ConfigurationError(f"{names} in {path}: expected {flaw[1]}, not {_shown(filled)}")
    return filled


def _variable(name: str, path: str, variables: Mapping[str, str]) -> str:
    value = variables.get(name)
    if value is None:
        raise ConfigurationError(f"{{{name}}} in {path}: nothing gives it a value")
    is_segment = _VARIABLE.fullmatch(value) and lone_surrogate(value) is None
    if ".." in value or not is_segment:
        raise ConfigurationError(
            f"{{{name}}} in {path}: expected one path segment, not {_shown(value)}"
        )
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
