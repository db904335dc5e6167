"""What is known of the values of settings, and whether a part of them may be shown. Pure.

What pydantic has made of the input may be shaped otherwise than it, so the names that the vault
filled do not tell all. A part is shown where its value is the one that another source gave at that
very place, or the default. Else its text decides, and where it stands:

- In a field that another source gave it is shown, unless it has to do with a text of the vault.
- Beside something from the vault, or in a field that no source gave, it is masked, unless it is a
  text that another source gave, and has nothing to do with one of the vault.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum, IntEnum
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter

from vaultconfig.masking.texts import by_head, forms_of, texts_in
from vaultconfig.masking.values import MaskedStr, is_masked

Path: TypeAlias = tuple[str | int | None, ...]
"""Names of fields and numbers of items, which hold no value, on the way to a part of settings."""

TELLING: Final = 4
"""What has fewer characters is found in too much that has nothing to do with it."""

# Characters of a form, among which a piece is looked for that few other forms have.
_PLACES: Final = 32
_pieces: Final = re.compile(f"(?=({'.' * TELLING}))", re.DOTALL).findall


class Made(IntEnum):
    """What is known of how a part of settings came to be."""

    OF_VAULT = 0
    BESIDE = 1  # by the class, or where something from the vault stands as well
    GIVEN = 2  # by another source, or a default
    BY_FACTORY = 3  # of which the default is not known, but that it was made of nothing else
    AS_DEFAULT = 4


class Known:
    """What is known of the values of one settings object.

    Args:
        secret: The dotted names of the fields that hold something from the vault.
        given: What other sources gave, by dotted name.
        values: What the vault gave, masked.
        hidden: Whether parts are masked, where their texts do not tell; None where *given* tells.
    """

    def __init__(
        self,
        secret: Collection[str],
        given: Mapping[str, Any],
        values: Sequence[Any],
        hidden: Mapping[Path, bool] | None = None,
    ) -> None:
        self.below = by_head(secret)
        self.given = given
        self.hidden = hidden
        names = [name for name in given if given[name] is not None]
        self.heads = {name[:end] for name in given for end in _ends(name)}
        self.names = self.heads.union(name[:end] for name in secret for end in _ends(name))
        own = (_text(value) for name in names for value in _leaves(given[name]))
        self._own = MaskedStr("\0".join((*own, *map(str.casefold, self.names))))
        self._values = values
        self._texts: MaskedStr | None = None  # until they are needed, which is seldom
        self._forms: Mapping[str, Sequence[MaskedStr]] = {}  # by a piece that few others have

    def __repr__(self) -> str:
        return "Known()"

    def _learn(self) -> MaskedStr:
        """Return the texts of the vault, and know the forms that they may have."""
        texts = {MaskedStr(text.casefold()) for text in texts_in(self._values, shortest=1)}
        forms: dict[str, list[MaskedStr]] = {}
        for form in {MaskedStr(form.casefold()) for text in texts for form in forms_of(str(text))}:
            pieces = _pieces(form[:_PLACES])
            if pieces:
                rarest = min(pieces, key=lambda piece: len(forms.get(piece, ())))
                forms.setdefault(rarest, []).append(form)
        self._forms, self._texts = forms, MaskedStr("\0".join(texts))
        return self._texts

    def shows(self, part: Any, place: str, path: Path, made: Made) -> bool:
        """Whether *part*, which is no collection, is shown.

        Args:
            part: Stands in the settings.
            place: Its dotted name.
            path: The way to it.
            made: How it came to be.
        """
        if made in (Made.OF_VAULT, Made.AS_DEFAULT):
            return made is Made.AS_DEFAULT
        try:
            if place in self.given and is_alike(self.given[place], part):
                return True  # the usual case
            text, printed = _text(part), MaskedStr(repr(part).casefold())
        except Exception:  # of a class that cannot print itself
            return False
        texts = self._learn() if self._texts is None else self._texts
        has_secret = self._has(text) or self._has(printed)
        if self.hidden is not None:
            return not self.hidden.get(path, has_secret)
        says = part is not None and not isinstance(part, bool)  # else it says nothing by itself
        tells = says and len(text) >= TELLING
        is_own = tells and text in self._own
        is_secret = (says and has_secret) or (tells and text in texts)
        known = {
            Made.BESIDE: is_own and not is_secret,
            Made.GIVEN: is_own or not is_secret,
            Made.BY_FACTORY: not (says and has_secret),
        }
        return known[made] or (place in self.given and _is_made_of(self.given[place], part))

    def _has(self, text: str) -> bool:
        """Whether *text* has a text of the vault in it."""
        found = self._forms.keys() & _pieces(text)
        return any(form in text for piece in found for form in self._forms[piece])


def _ends(name: str) -> Iterator[int]:
    """Yield where the steps of a dotted *name* end."""
    yield from (place for place, letter in enumerate(name) if letter == ".")
    yield len(name)


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the parts of *value* that are no collections, but for those from the vault."""
    if isinstance(value, BaseModel):
        value = vars(value)
    if isinstance(value, dict):
        yield from (leaf for item in (*value, *value.values()) for leaf in _leaves(item))
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from (leaf for item in value for leaf in _leaves(item))
    elif not is_masked(value) and not isinstance(value, (SecretStr, SecretBytes)):
        yield value


def _text(part: Any) -> MaskedStr:
    """Return what *part* says, in lower case; a URL has a slash at its end once it is validated."""
    if isinstance(part, Enum):
        part = part.value
    text = part.decode(errors="replace") if isinstance(part, bytes) else str(part)
    return MaskedStr(text.strip("/ ").casefold())


def is_alike(given: Any, part: Any) -> bool:
    """Whether *part* prints as *given*, or is its text."""
    is_number = isinstance(given, (int, float)) and isinstance(part, (int, float))
    with suppress(Exception):  # a class may not be able to print itself
        if repr(given) == repr(part) or (is_number and given == part):
            return True
        return _text(given) == _text(part)
    return False


def _is_made_of(given: Any, part: Any) -> bool:
    """Whether *part* is what its type makes of *given*: True of "1"."""
    is_scalar = isinstance(given, (str, int, float)) and not isinstance(part, (dict, list, str))
    with suppress(Exception):  # it does not, or is no type that pydantic knows
        return is_scalar and is_alike(TypeAdapter(type(part)).validate_python(given), part)
    return False
