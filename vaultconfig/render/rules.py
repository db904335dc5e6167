"""What every dialect requires of names and values, and its errors. Pure.

An error names keys and lines, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from vaultconfig.connection.env_files import texts_in
from vaultconfig.errors import ConfigurationError
from vaultconfig.references import is_reference

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USUAL_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class ForeignFileError(ConfigurationError):
    """A file is not of the format, or holds what is not ours."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that a file does not hold as it should; nothing about the value.

    Attributes:
        key: The environment name.
        kind: ``missing`` from the file, ``changed``, ``extra`` in a file that is wholly ours, or a
            ``reference`` in the file, which is not overwritten.
    """

    key: str
    kind: Literal["missing", "changed", "extra", "reference"]


def shown_name(key: str) -> str:
    """Return how a key that is not ours may be shown: in a damaged file it may be a value."""
    return key if _USUAL_NAME.fullmatch(key) else "(another entry)"


def check(values: Mapping[str, str], *, dialect: str, nul: bool = False) -> None:
    """Reject names and texts that no file in *dialect* can hold.

    Args:
        values: Environment names and texts.
        dialect: For the message.
        nul: Whether the dialect can hold a NUL character.

    Raises:
        ConfigurationError: Names the first key that does not fit.
    """
    for key, value in values.items():
        if not _NAME.fullmatch(key):
            raise ConfigurationError(
                f"{key!r} is not a valid variable name: use letters, digits and '_'"
            )
        if _SURROGATE.search(value):
            raise cannot_hold([key], dialect=dialect, limits="a lone surrogate is not text")
        if "\0" in value and not nul:
            raise cannot_hold([key], dialect=dialect, limits="a variable has no NUL characters")


def cannot_hold(keys: Collection[str], *, dialect: str, limits: str) -> ConfigurationError:
    """Return the error that *dialect* cannot hold the values of *keys*."""
    values = "value" if len(keys) == 1 else "values"
    return ConfigurationError(
        f"{', '.join(keys)}: the format {dialect} cannot hold the {values} ({limits}): "
        "change the value in the vault, or choose another format"
    )


def reject_references(values: Mapping[str, str]) -> None:
    """Reject values that our own loader would resolve: what the vault holds is never resolved.

    Raises:
        ConfigurationError: Names the keys.
    """
    keys = [key for key, value in values.items() if refers(value)]
    if keys:
        raise ConfigurationError(
            f"{', '.join(keys)}: the value reads like a reference, so that loading it would ask "
            "the vault for another: change the value in the vault"
        )


def refers(text: str) -> bool:
    """Whether our own loader would read *text*, or a string in its JSON, as a reference."""
    return any(map(is_reference, [text, *texts_in(text)]))
