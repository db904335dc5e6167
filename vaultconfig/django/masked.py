"""Finds secrets that settings.py took over masked: Django would sign with the asterisks.

It reads values and shows none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from vaultconfig.masking.values import MASK

REVEAL: Final = "use .get_secret_value() in settings.py"
_MASK: Final = re.compile(rf"(?<!\*)\*{{{len(MASK)}}}(?!\*)")  # a longer row is decoration


def reject_masked() -> None:
    """Stop where a setting that Django defines holds a masked secret, or the text of its mask.

    Raises:
        django.core.exceptions.ImproperlyConfigured: It names the settings, and no value.
    """
    if places := list(_masked(of_django=True)):
        raise ImproperlyConfigured(
            f"(vaultconfig.E002) Django would take {MASK} for the value of {', '.join(places)},"
            f" because the secret there is masked: {REVEAL}"
        )


def masked_texts() -> list[str]:
    """Return where the text of a mask stands in settings that others than Django define.

    A masked object there may be what its reader wants.
    """
    return list(_masked(of_django=False))


def _masked(*, of_django: bool) -> Iterator[str]:
    # Not through django_settings, which keeps what is read: STATIC_URL with this moment's prefix.
    for name, value in sorted(vars(django_settings._wrapped).items()):
        if name.isupper() and hasattr(global_settings, name) is of_django:
            yield from _places(value, name, objects=of_django, around=frozenset())


def _places(value: Any, place: str, *, objects: bool, around: frozenset[int]) -> Iterator[str]:
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode(errors="replace")
        if _MASK.search(text):
            yield place
    elif hasattr(type(value), "get_secret_value"):  # pydantic's types, and those made like them
        if objects:
            yield place
    elif isinstance(value, dict | list | tuple | set | frozenset) and id(value) not in around:
        for inner, where in _parts(value):
            yield from _places(
                inner, f"{place}{where}", objects=objects, around=around | {id(value)}
            )


def _parts(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, dict):
        yield from ((inner, f"[{key!r}]") for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((inner, f"[{index}]") for index, inner in enumerate(value))
    else:
        yield from ((inner, "") for inner in value)
