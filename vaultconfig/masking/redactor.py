"""Masks the values that it knows in finished texts, such as the lines of a log. Pure.

Masking takes no lock and builds nothing: what is known is replaced as a whole when something is
learned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from vaultconfig.masking.texts import forms_of, texts_in
from vaultconfig.masking.values import MASK, MaskedStr

SHORTEST: Final = 6
"""What has fewer characters stays: it would be found in too much that is no secret."""

PREVIOUS: Final = 1000
"""So many values that are in use no more are known, those of the last rotations."""

# Of every four places of a text the piece of three characters that begins there is looked up. So of
# six characters in a row, wherever they stand, one of their four pieces is.
_pieces: Final = re.compile("(...).?", re.DOTALL).findall
_PIECE: Final = 3
# Characters of a form, among which six are looked for that few other forms have.
_PLACES: Final = 32


class _Known(NamedTuple):
    """What is known at one time, replaced as a whole.

    Attributes:
        forms: The ways to write each text, first those that have been out of use for longest.
        in_use: The texts that are in use.
        by_piece: The forms that have each of some pieces.
    """

    forms: Mapping[str, Collection[str]]
    in_use: Collection[str]
    by_piece: Mapping[str, Sequence[str]]

    def __repr__(self) -> str:
        return "_Known()"


class Redactor:
    """Masks values that it has learned, in the forms in which they are usually written.

    Attributes:
        is_used: Whether it learns anything: without a user it keeps no values.
    """

    def __init__(self) -> None:
        self.is_used = False
        self._known = _Known({}, (), {})

    def __reduce__(self) -> NoReturn:
        raise TypeError("what masks values of the vault is not pickled: it holds them in clear")

    def learn(self, values: Iterable[Any], *, are_all: bool = False) -> None:
        """Mask *values* from now on, and what is in them.

        Args:
            values: Scalars, collections and models.
            are_all: Whether they are all that is in use. Of what has been in use before, and of
                what never was, the last 1000 are still masked.
        """
        if not self.is_used:
            return
        found = texts_in(values, shortest=SHORTEST)
        texts = dict.fromkeys(map(MaskedStr, found))  # which no traceback shows
        while True:
            before = self._known
            if not are_all and texts.keys() <= before.forms.keys():
                return
            after = _learned(before, texts, are_all=are_all)
            # No other thread and no signal comes between these two; one may have come before.
            if self._known is before:
                self._known = after
                return

    def redact(self, text: str) -> str:
        """Return *text* with a mask for each value in it, the longest first."""
        by_piece = self._known.by_piece
        found = {form for piece in by_piece.keys() & _pieces(text) for form in by_piece[piece]}
        for form in sorted(found, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text


def _learned(before: _Known, texts: Collection[str], *, are_all: bool) -> _Known:
    in_use = dict.fromkeys(texts if are_all else (*before.in_use, *texts))
    previous = [text for text in before.forms if text not in in_use]
    if len(previous) > 2 * PREVIOUS:  # seldom, because all is arranged anew then
        del previous[:-PREVIOUS]
    forms = {text: before.forms.get(text) or forms_of(str(text)) for text in (*previous, *in_use)}
    is_more = before.forms.keys() <= forms.keys()
    by_piece: dict[str, Sequence[str]] = {**before.by_piece} if is_more else {}
    for text in forms.keys() - before.forms.keys() if is_more else forms:
        for form in forms[text]:
            for piece in _rarest(str(form), by_piece):
                by_piece[piece] = (*by_piece.get(piece, ()), form)
    return _Known(forms, dict.fromkeys(texts) if are_all else before.in_use, by_piece)


def _rarest(form: str, by_piece: Mapping[str, Sequence[str]]) -> Collection[str]:
    """Return the pieces of six characters of *form* that are those of few other forms.

    Where many begin alike, as URLs do, a text with such a beginning would be searched for them all.
    """
    ends = range(_PIECE, min(len(form), _PLACES) + 1)
    pieces = [form[end - _PIECE : end] for end in ends]
    uses = [len(by_piece.get(piece, ())) for piece in pieces]
    span = SHORTEST - _PIECE + 1
    places = range(len(pieces) - span + 1)
    at = min(places, key=lambda at: max(uses[at : at + span])) if any(uses) else 0
    return pieces[at : at + span]
