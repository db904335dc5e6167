"""The default of a field, and its parts, so that the vault can fill its own among them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, cast

from pydantic import ConfigDict, ValidationError, create_model, field_validator
from pydantic_settings import BaseSettings

from vaultconfig.loading.annotations import class_of, is_model, is_same_class
from vaultconfig.loading.fields import ModelField, fields_of, model_fields
from vaultconfig.loading.places import set_at


def default_of(model: type, field: ModelField, data: Mapping[Any, Any]) -> Any:
    """Return the default of *field*, made by its factory if it has one; else None.

    A class that stands as the factory is not called: it gets its values from the vault, too.

    Args:
        model: What *field* is of.
        data: The input of the model, as far as there is any.
    """
    if field.info.is_required() or is_model(field.info.default_factory):
        return None
    earlier: dict[str, Any] = {}
    if field.factory_takes_data:
        try:
            earlier = _validated_before(model, field, data)
        except ValidationError:  # which is going to be reported anyway
            return None
    # A copy, as pydantic makes one.
    return field.info.get_default(call_default_factory=True, validated_data=earlier)


def _validated_before(model: type, field: ModelField, data: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values that *data* gives the fields of *model* before *field*."""
    fields: dict[str, Any] = {
        inner.name: (inner.info.annotation, inner.info)
        for inner in takewhile(lambda inner: inner is not field, fields_of(model))
    }
    # In the class they may have validators, which name later fields, too.
    decorators = getattr(class_of(model), "__pydantic_decorators__", None)
    found = decorators.field_validators if decorators else {}
    validator = cast("Any", field_validator)
    validators = {
        name: validator(*item.info.fields, mode=item.info.mode, check_fields=False)(
            staticmethod(item.func)
        )
        for name, item in found.items()
    }
    config = cast("ConfigDict", {**model_fields(model).config, "extra": "ignore"})
    kind = create_model("Earlier", __config__=config, __validators__=validators, **fields)
    return dict(vars(kind.model_validate(data)))


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
    kind = next((model for model in models if is_same_class(type(instance), model)), None)
    if kind is None:
        strangers.append(type(instance))
    values: dict[str, Any] = dict(getattr(instance, "__pydantic_extra__", None) or {})
    for field in fields_of(kind or type(instance)):
        # The class makes it and takes none, or takes it and does not keep it.
        if field.info.init is False or field.info.init_var:
            continue
        value = getattr(instance, field.name)
        if field.bears_references:
            value = as_input(value, field, strangers)
        set_at(values, field.places[0], value)
    return values
