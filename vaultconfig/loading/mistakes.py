"""ValidationErrors without what came from the vault. Pure.

Pydantic's own hold the input, the context and the exception of each mistake. Ours are built anew
without these: they keep type, place and message, and withhold a message or key that quotes a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, Final, TypeVar, get_args
from urllib.parse import quote

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from vaultconfig.loading.fields import describe, fields_of
from vaultconfig.masking.values import is_masked, mask

WITHHELD = "(withheld: it quotes a value from the vault)"
_PYDANTICS_OWN: Final = frozenset(get_args(ErrorType))
Model = TypeVar("Model", bound=BaseModel)

_WINDOW: Final = 8  # this many characters in a row of a longer value count as a quotation of it


def clean_error(
    error: ValidationError, model: type, values: Iterable[Any], *, nulls: Collection[str] = ()
) -> ValidationError:
    """Return *error* as a new one that holds no input.

    Args:
        error: What pydantic found.
        model: The settings class; the names it declares are not taken for quotations.
        values: What came from the vault, masked.
        nulls: The dotted names of the fields that are null in the vault.
    """
    texts = {text for value in values for text in _texts(value) if text}
    names = frozenset(_names(model, set()))
    details = error.errors()
    told = (str(part) for line in details for part in (*line["loc"], line["type"], line["msg"]))
    quotations = Quotations(texts, told)
    for line in details:
        if describe(model, line["loc"])[0] in nulls:
            line["msg"] += ": it is null in the vault"
    lines = [_clean_line(line, quotations, names) for line in details]
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)


def mistakes_in(
    model: type[BaseModel], state: Mapping[str, Any], *, nulls: Collection[str] = ()
) -> list[ErrorDetails]:
    """Return what pydantic finds wrong with *state*, the input of *model*; no source runs.

    Args:
        model: The settings class.
        state: Holds what came from the vault, masked.
        nulls: See `clean_error`.
    """
    try:
        made_of(model, state)
    except ValidationError as error:
        return clean_error(error, model, [state], nulls=nulls).errors()
    return []


def made_of(model: type[Model], state: Mapping[str, Any]) -> Model:
    """Return what pydantic makes of *state*, the input of *model*; no source runs.

    Raises:
        pydantic.ValidationError: As pydantic raises it, with inputs.
    """
    made = object.__new__(model)
    BaseModel.__init__(made, **state)
    return made


class Quotations:
    """Knows which of several texts quotes one of many values: one pass through all of them.

    A short value counts as a whole word, a longer one as soon as a telling part of it is there, in
    upper or lower case. What a validator has turned round, encoded or hashed is not known again.

    Args:
        values: What must not be quoted.
        texts: Those that are going to be asked about.
    """

    def __init__(self, values: Iterable[str], texts: Iterable[str]) -> None:
        everything = "\0".join(texts).casefold()
        windows = set(_windows(everything))
        self._parts: set[str] = set()
        self._wholes: list[str] = []
        self._words: list[re.Pattern[str]] = []
        for value in values:
            if len(value) < _WINDOW // 2:
                if (word := value.casefold()) in everything:
                    self._words.append(re.compile(rf"(?<!\w){re.escape(word)}(?!\w)"))
                continue
            for form in map(str.casefold, _written(str(value))):
                self._parts.update(windows.intersection(_windows(form)))
                if form in everything:  # may be shorter than a window
                    self._wholes.append(form)

    def are_in(self, text: str) -> bool:
        """Whether *text* holds a value, or a telling part of it."""
        text = text.casefold()
        return (
            not self._parts.isdisjoint(_windows(text))
            or any(whole in text for whole in self._wholes)
            or any(word.search(text) for word in self._words)
        )


def _windows(text: str) -> Iterator[str]:
    return (text[end - _WINDOW : end] for end in range(_WINDOW, len(text) + 1))


def _written(value: str) -> set[str]:
    """Return the ways in which a message may have *value*."""
    encoded = value.encode(errors="replace")
    inner = {repr(value)[1:-1], ascii(value)[1:-1], repr(encoded)[2:-1]}
    return {value, *inner, quote(encoded), quote(encoded, safe="")}


def _clean_line(
    line: ErrorDetails, quotations: Quotations, names: Collection[str | int]
) -> InitErrorDetails:
    """Withhold what of *line* quotes a value: keys, a validator's words, the tag of a union."""

    def cleaned(text: str) -> str:
        return WITHHELD if quotations.are_in(text) else text

    place = tuple(
        cleaned(step) if isinstance(step, str) and step not in names else step
        for step in line["loc"]
    )
    kind = line["type"] if line["type"] in _PYDANTICS_OWN else cleaned(line["type"])
    message = cleaned(line["msg"]) if may_quote(line) else line["msg"]
    # A custom error takes any type, and the message as it is.
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=None)


def may_quote(line: ErrorDetails) -> bool:
    """Whether the message of *line* is a validator's own, or names the tag of a union."""
    context = line.get("ctx", {})
    return "error" in context or "tag" in context or line["type"] not in _PYDANTICS_OWN


def _texts(value: Any) -> Iterator[str]:
    if is_masked(value):
        yield str(value)
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):  # not JSON after all
                yield from _texts(mask(json.loads(value), keys=True))
    elif isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _names(model: type, seen: set[type]) -> Iterator[str | int]:
    if model in seen:
        return
    seen.add(model)
    for field in fields_of(model):
        yield field.name
        yield from chain(*field.places)
        for inner in field.models:
            yield from _names(inner, seen)
