"""Takes the default of a field apart, so that the vault can fill what is its part of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

from pydantic_settings import BaseSettings

from vaultconfig.loading.annotations import is_made_of, is_model
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.places import set_at


def as_input(default: Any, field: ModelField, strangers: list[type]) -> Any:
    """Return the default of *field* as input, with the models that stand in it.

    Args:
        strangers: Takes the classes that it has, or what is inside it, and no annotation.
    """
    if is_model(type(default)):
        return _values_of(default, field.models, strangers)
    if field.models_inside and isinstance(default, dict):
        return {key: _item_as_input(item, field, strangers) for key, item in default.items()}
    if field.models_inside and type(default) in (list, tuple):
        return type(default)(_item_as_input(item, field, strangers) for item in default)
    return default


def _item_as_input(item: Any, field: ModelField, strangers: list[type]) -> Any:
    # A settings class loads itself, each item from its own arguments.
    return item if isinstance(item, BaseSettings) else as_input(item, field.item, strangers)


def _values_of(instance: Any, models: Sequence[type], strangers: list[type]) -> dict[str, Any]:
    """Return *instance*, the default of a field made of one of *models*, as input."""
    kind = next((model for model in models if is_made_of(instance, model)), None)
    if kind is None:
        strangers.append(type(instance))
    values: dict[str, Any] = dict(getattr(instance, "__pydantic_extra__", None) or {})
    parts = dataclass_fields(instance) if is_dataclass(instance) else ()
    made = {part.name for part in parts if not part.init}  # by the class, which takes none
    for field in fields_of(kind or type(instance)):
        if field.name in made or field.info.init is False:  # pydantic 2.10 says it there alone
            continue
        value = getattr(instance, field.name)
        if field.bears_references:
            value = as_input(value, field, strangers)
        set_at(values, field.places[0], value)
    return values
