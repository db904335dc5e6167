"""Texts that are nearly references: what they were probably meant to be. Pure."""

from __future__ import annotations

from typing import Final

from vaultconfig.errors import InvalidReferenceError
from vaultconfig.references.reference import VaultRef

_SCHEME: Final = "vault:"


def meant_by(text: str) -> str | None:
    """Return the reference that *text* nearly is, or None where it is a text like any other.

    It nearly is one if it begins with ``vault:`` but for one edit or for the case of letters, and
    a slash or hash follows; or if only ``vault:`` is missing before ``segment/segment#name``.
    """
    if text.startswith(_SCHEME) or any(map(str.isspace, text)):
        return None
    # What one edit makes of "vault:" has five to seven characters. A letter behind the sixth
    # belongs to the path, unless nothing else will do.
    lengths = (5, 6, 7) if text[5:6].isalnum() else (6, 5, 7)
    ends = [end for end in lengths if _is_one_edit_away(text[:end].lower())]
    found = [_SCHEME + text[end:].lstrip("/") for end in ends if set("/#") & set(text[end:])]
    path, _, name = text.partition("#")
    if text == text.lower() and "/" in path and name[:1].isalpha() and _is_valid(_SCHEME + text):
        found.append(_SCHEME + text)
    return next(filter(_is_valid, found), found[0] if found else None)


def _is_one_edit_away(head: str) -> bool:
    """Whether inserting, deleting, replacing or swapping a letter makes *head* ``vault:``."""
    pairs = enumerate(zip(head, _SCHEME, strict=False))
    same = next((at for at, (has, wanted) in pairs if has != wanted), len(head))
    has, wanted = head[same:], _SCHEME[same:]
    is_swap = has[:2] == wanted[1::-1] and has[2:] == wanted[2:]
    return is_swap or has[1:] == wanted[1:] or has == wanted[1:] or has[1:] == wanted


def _is_valid(text: str) -> bool:
    try:
        VaultRef(text)
    except InvalidReferenceError:
        return False
    return True
