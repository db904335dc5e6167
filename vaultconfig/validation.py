"""ValidationErrors without what came from the vault: built anew, so that nothing hangs on.

Pydantic's own hold the input, the context and the exception of each mistake; ours keep type,
place and message, and withhold a message or key that quotes a value. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, get_args
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from vaultconfig.masking import is_masked, mask
from vaultconfig.plan import fields_of

WITHHELD = "(withheld: it quotes a value from the vault)"
_PYDANTICS_OWN: Final = frozenset(get_args(ErrorType))
_WINDOW: Final = 8  # this many characters in a row of a longer value count as a quotation of it


def clean_error(error: ValidationError, model: type, values: Iterable[Any]) -> ValidationError:
    """Return *error* as a new one that holds no input.

    Args:
        error: What pydantic found.
        model: The settings class; the names it declares are not taken for quotations.
        values: What came from the vault, masked.
    """
    texts = {text for value in values for text in _texts(value) if text}
    names = frozenset(_names(model, set()))
    lines = [_clean_line(line, texts, names) for line in error.errors(include_input=False)]
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)


def quotes(text: str, value: str) -> bool:
    """Whether *text* holds *value*, or a telling part of it."""
    if len(value) < _WINDOW // 2:
        return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None
    return any(
        form in text
        or any(form[end - _WINDOW : end] in text for end in range(_WINDOW, len(form) + 1))
        for form in _written(str(value))
    )


def _written(value: str) -> set[str]:
    """Return the ways in which a message may have *value*."""
    encoded = value.encode(errors="replace")
    inner = {repr(value)[1:-1], ascii(value)[1:-1], repr(encoded)[2:-1]}
    return {value, *inner, quote(encoded), quote(encoded, safe="")}


def _clean_line(
    line: ErrorDetails, texts: Collection[str], names: Collection[str]
) -> InitErrorDetails:
    message = _clean(line["msg"], texts) if _may_quote(line) else line["msg"]
    place = tuple(
        step if isinstance(step, int) or step in names else _clean(step, texts)
        for step in line["loc"]
    )
    kind = line["type"] if line["type"] in _PYDANTICS_OWN else _clean(line["type"], texts)
    # A custom error takes any type, and the message as it is.
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=None)


def _may_quote(line: ErrorDetails) -> bool:
    """Whether the message may hold input: a validator's own words, or the tag of a union."""
    context = line.get("ctx", {})
    return "error" in context or "tag" in context or line["type"] not in _PYDANTICS_OWN


def _clean(text: str, values: Collection[str]) -> str:
    return WITHHELD if any(quotes(text, value) for value in values) else text


def _texts(value: Any) -> Iterator[str]:
    if is_masked(value):
        yield str(value)
        if isinstance(value, str) and value.startswith(("{", "[")):
            with suppress(ValueError, RecursionError):  # not JSON after all
                yield from _texts(mask(json.loads(value), keys=True))
    elif isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _names(model: type, seen: set[type]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    for field in fields_of(model):
        yield field.name
        yield from (step for place in field.places for step in place if isinstance(step, str))
        for inner in field.models:
            yield from _names(inner, seen)
