"""The references in an object that is not input, such as a default, whatever holds them. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set, ValuesView
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import is_model
from vaultconfig.references import Template, VaultRef, parse


def references_in(value: object) -> Iterator[str]:
    """Yield the texts in *value* that are references, but for what a load has made already."""
    return filter(_is_well_formed, texts_in(value))


def texts_in(value: object, above: tuple[object, ...] = ()) -> Iterator[str]:
    """Yield the text that *value* is, or those it holds, but for what a load has made already."""
    text = text_of(value)
    if text is not None:
        yield text
    elif not any(value is outer for outer in above):  # objects may refer to each other
        for item in _items_of(value):
            yield from texts_in(item, (*above, value))


def models_in(value: object, above: tuple[object, ...] = ()) -> Iterator[object]:
    """Yield the model that *value* is, or those it holds; not what is in them."""
    if is_model(type(value)):
        yield value
    elif not any(value is outer for outer in above):
        for item in _items_of(value):
            yield from models_in(item, (*above, value))


def text_of(value: Any) -> str | None:
    """Return the text that *value* is, or was made of."""
    if isinstance(value, (Secret, SecretStr, SecretBytes)):
        value = value.get_secret_value()
    if isinstance(value, re.Pattern):
        value = value.pattern
    if isinstance(value, (bytes, bytearray)):
        return value.decode(errors="replace")
    is_url = hasattr(type(value), "unicode_string")  # its type: a proxy may have no object yet
    if is_url or isinstance(value, PurePath):
        return unquote(str(value))
    return value if isinstance(value, str) else None


def _items_of(value: Any) -> Iterable[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, Set, deque, ValuesView)):
        return list(value)
    if isinstance(value, Secret):
        return [value.get_secret_value()]
    if issubclass(type(value), BaseModel):  # pydantic 2.10 asks the value for attributes else
        values = [*vars(value).values(), *(value.__pydantic_extra__ or {}).values()]
        return () if isinstance(value, BaseSettings) else values
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in dataclass_fields(value)]
    return ()


def _is_well_formed(text: str) -> bool:
    try:
        return isinstance(parse(text), (VaultRef, Template))
    except ConfigurationError:
        return False
