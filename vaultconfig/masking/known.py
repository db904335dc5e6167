"""Whether a part of settings may be shown. Pure.

Pydantic may shape its input otherwise, so the names that the vault has filled do not tell all. A
part is shown where it prints as what another source gave at that very place, or is what its type
makes of that; a default is, where no source gave anything. Else two of three must be true:

- Its field is plain: only other sources gave it, or none did, and neither did a validator.
- It has four characters or more, and is in a text that another source gave.
- It has nothing to do with a text of the vault: it neither holds one nor is a part of one.

Everything else is masked, and so is what can't be printed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final

from pydantic import TypeAdapter

from vaultconfig.masking.texts import TELLING, by_head, forms_of, texts_in
from vaultconfig.masking.values import MaskedStr

_pieces: Final = re.compile(f"(?=({'.' * TELLING}))", re.DOTALL).findall


class Known:
    """What is known of the values of one settings object.

    Args:
        secret: The dotted names of the fields that hold something from the vault.
        given: What other sources gave, by dotted name.
        values: What the vault gave, masked.
        shown: After a pickle, which has nothing else to decide by: what was shown before, each with
            the place where it stood.

    Attributes:
        below: Gives what of *secret* is at or below a name; see `by_head`.
        heads: The names of what other sources gave, and of all that this stands in.
    """

    def __init__(
        self,
        secret: Collection[str],
        given: Mapping[str, Any],
        values: Sequence[Any],
        shown: Collection[tuple[str, str]] | None = None,
    ) -> None:
        self.below = by_head(secret)
        self.given = given
        self.heads = by_head(given)
        self.shown = shown
        own = (text for text in given.values() if isinstance(text, str))
        self._own = MaskedStr("\0".join(own).casefold())
        self._values = values
        self._texts: MaskedStr | None = None  # until they are needed, which is seldom
        self._forms: dict[str, list[MaskedStr]] = {}  # by their first characters

    def __repr__(self) -> str:
        return "Known()"

    def may_show(self, part: Any, place: str, *, is_plain: bool) -> bool:
        """Whether *part*, which is no collection, may be shown.

        Args:
            part: Stands in the settings.
            place: Its dotted name.
            is_plain: Whether its field is.
        """
        try:
            printed = repr(part)
            # A boolean says nothing by itself.
            text = "" if isinstance(part, (bool, NoneType)) else _text(part)
        except Exception:  # of a class that cannot print itself
            return False
        if self.shown is not None:
            return (place, printed) in self.shown
        given = self.given.get(place)
        # An object that a caller gave may have been changed since.
        is_same = given is part and hasattr(part, "__dict__") and not isinstance(part, Enum)
        if place in self.given and not is_same and makes(given, part):
            return True
        is_own = len(text) >= TELLING and text in self._own
        return (is_plain and is_own) or (
            (is_plain or is_own) and not self._is_related(text, printed)
        )

    def _is_related(self, text: str, printed: str) -> bool:
        """Whether what says *text*, and prints *printed*, has to do with a text of the vault."""
        texts = self._learn() if self._texts is None else self._texts
        if len(text) >= TELLING and text in texts:
            return True
        says = f"{text}\0{printed}".casefold()
        found = self._forms.keys() & _pieces(says)
        return any(form in says for piece in found for form in self._forms[piece])

    def _learn(self) -> MaskedStr:
        """Return the texts of the vault, and know the forms that they may have."""
        texts = {MaskedStr(text.casefold()) for text in texts_in(self._values, shortest=TELLING)}
        forms: dict[str, list[MaskedStr]] = {}
        for form in {MaskedStr(form.casefold()) for text in texts for form in forms_of(str(text))}:
            forms.setdefault(str(form[:TELLING]), []).append(form)
        self._forms, self._texts = forms, MaskedStr("\0".join(texts))
        return self._texts


def _text(part: Any) -> MaskedStr:
    """Return what *part* says, in lower case; a URL has a slash at its end once it is validated."""
    if isinstance(part, Enum):
        part = part.value
    text = part.decode(errors="replace") if isinstance(part, bytes) else str(part)
    return MaskedStr(text.strip("/ ").casefold())


def makes(given: Any, part: Any) -> bool:
    """Whether *part* prints as *given*, or as what its type makes of that: True of "1"."""
    kind: Any = type(part)
    with suppress(Exception):  # one can't print itself, or the type makes nothing of it
        printed = repr(part)
        return repr(given) == printed or repr(_adapter(kind).validate_python(given)) == printed
    return False


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
