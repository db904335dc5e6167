"""Dotted names of fields: whether there is such a field, and the text that stands in it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, get_origin

from pydantic import BaseModel

from vaultconfig.errors import ConfigurationError, closest
from vaultconfig.loading.annotations import members_of
from vaultconfig.loading.fields import ModelField, fields_of


def fields_called(model: type, name: object) -> list[ModelField]:
    """Return the field called *name*: several inside a union of models.

    Behind what is not a model there may be anything, so that the list is empty.

    Raises:
        ConfigurationError: There is no such field; it names those there are.
    """
    if not isinstance(name, str):
        kind = type(name).__name__
        raise ConfigurationError(
            f"give the dotted name of a field, such as 'db.password', not a value of type {kind}"
        )
    models, found = [model], list[ModelField]()
    for part in name.split("."):
        if not models:
            return []
        inside = [field for kind in models for field in fields_of(kind)]
        found = [field for field in inside if field.name == part]
        if not found:
            known = dict.fromkeys(field.name for field in inside)
            close = closest(part, known)
            meant = f" (did you mean {close}?)" if close else ""
            raise ConfigurationError(
                f"{models[0].__name__} has no field {part!r}: it has {', '.join(known)}{meant}"
            )
        models = [kind for field in found for kind in field.models]
    return found


def check_single_value(model: type, name: object) -> None:
    """Reject a *name* that a text can't come from, as far as the class can tell.

    Raises:
        ConfigurationError: There is no such field, or it is a model, a mapping or a list.
    """
    fields = fields_called(model, name)
    if models := [kind for field in fields for kind in field.models]:
        raise ConfigurationError(f"{name} is a {models[0].__name__}: name one of its fields")
    kinds = [get_origin(kind) or kind for field in fields for kind in members_of(field.parts)]
    if not fields or any(_is_collection(kind) for kind in kinds):
        raise ConfigurationError(f"{name} is not a single value: name a field that is one")


def text_at(settings: BaseModel, name: str) -> str | None:
    """Return the value of the field called *name* as an exact `str`: some drivers accept no other.

    None where the field, or a model around it, is None.

    Raises:
        ConfigurationError: It is a mapping or a list, or its bytes are not UTF-8.
    """
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part, None)
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if value is None:
        return None
    if isinstance(value, str):
        return str.__str__(value)  # not str(value), which is the name of an Enum's member
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    elif not isinstance(value, BaseModel | Collection):
        return str(value)
    del settings, value  # an error does not show them in its frames
    raise ConfigurationError(
        f"{name} is not a single value, or not in UTF-8: name a field whose value is a text"
    )


def _is_collection(kind: Any) -> bool:
    is_one = isinstance(kind, type) and issubclass(kind, Collection | BaseModel)
    return is_one and not issubclass(kind, str | bytes)
