"""Where one load of a settings class needs the vault: its plan meets the values at hand. Pure.

Two kinds of slot: fields whose annotation carries a reference and that no higher source gives,
and references that stand as values in what other sources gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic.fields import FieldInfo

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.plan import (
    Declared,
    Discriminant,
    FieldPlan,
    Place,
    bearing_fields_of,
    fields_of,
    is_model,
    literals_of,
)
from vaultconfig.references import is_reference, parse

REFERENCE_KEY: Final = "vault: reference"
"""Where, in the input of a complex field, a reference stands that others are merged over."""

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the input of a settings class that the vault is to fill.

    Attributes:
        name: The field, dotted, as its class spells it.
        place: Where its value goes.
        declared: What fills it, or what is wrong with that, or a literal text.
        info: How pydantic describes the field; None where a value has no field of its own.
        annotated: Whether the annotation says so, not a value that stands there.
    """

    name: str
    place: Place
    declared: Declared | ConfigurationError | str
    info: FieldInfo | None = None
    annotated: bool = True


@dataclass(frozen=True, slots=True)
class Default:
    """A default instance of a nested model, which the vault fills in part."""

    place: Place
    instance: object


def annotated_slots(
    model: type,
    state: Mapping[Any, Any],
    given: Mapping[Any, Any],
    *,
    place: Place = (),
    name: str = "",
) -> Iterator[Slot | Default]:
    """Yield the slots that annotations ask for and no higher source has filled.

    Args:
        model: The settings class, or a model nested in it.
        state: What all other sources gave for it.
        given: The part of that which stands above the vault.
    """
    for field in bearing_fields_of(model):
        where, value = _look_up(field, state)
        _, held = _look_up(field, given)
        partly = isinstance(held, dict) and bool(field.models)
        if held is not _ABSENT and not (partly and _lacks_something(field, held)):
            continue
        here, label = place + where, f"{name}{field.name}"
        if field.declared is not None:
            yield Slot(label, here, field.declared, field.info)
        yield from _nested_slots(field, value, held, place=here, name=label)


def value_slots(model: type, state: Mapping[str, Any], *, extra: bool) -> Iterator[Slot]:
    """Yield the references that stand as values in *state*.

    Args:
        extra: Whether keys that are no field's count too.
    """
    keys = {str(place[0]): field for field in fields_of(model) for place in field.places}
    for key, value in state.items():
        field = keys.get(key)
        if field is None and not extra:
            continue
        for place, text in _references_in(value, (key,)):
            name, info = _describe(model, place)
            yield Slot(name, place, _parsed(text), info, annotated=False)


def get_at(data: Any, place: Place, default: Any = None) -> Any:
    """Return what stands at *place* in *data*, nested mappings and lists."""
    for step in place:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return default
    return data


def _nested_slots(
    field: FieldPlan, value: object, held: object, *, place: Place, name: str
) -> Iterator[Slot | Default]:
    if field.many:
        yield from _item_slots(field, value, held, place=place, name=name)
        return
    default = field.info.default if value is _ABSENT else None
    if default is None and value is _ABSENT and field.nullable and field.declared is None:
        return  # an optional model that nobody mentions stays None
    if is_model(type(default)):
        yield Default(place, default)
    state = {} if value is _ABSENT else value
    if not isinstance(state, dict):
        return
    model = _chosen(field, state, default)
    if model is not None:
        given = held if isinstance(held, dict) else {}
        yield from annotated_slots(model, state, given, place=place, name=f"{name}.")


def _item_slots(
    field: FieldPlan, value: object, held: object, *, place: Place, name: str
) -> Iterator[Slot | Default]:
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for step, item in items:
        model = _chosen(field, item, None) if isinstance(item, dict) else None
        if model is not None:
            inner = get_at(held, (step,), {})
            given = inner if isinstance(inner, dict) else {}
            here, label = (*place, step), f"{name}.{step}."
            yield from annotated_slots(model, item, given, place=here, name=label)


def _look_up(field: FieldPlan, data: Mapping[Any, Any]) -> tuple[Place, Any]:
    for place in field.places:
        value = get_at(data, place, _ABSENT)
        if value is not _ABSENT:
            return place, value
    return field.places[0], _ABSENT


def _lacks_something(field: FieldPlan, held: Mapping[Any, Any]) -> bool:
    """Whether *held*, what higher sources give for a nested model, leaves fields to the vault."""
    if REFERENCE_KEY in held:
        return False
    model = _chosen(field, held, None)
    if model is None:
        return False
    inner = fields_of(model) if field.declared is not None else bearing_fields_of(model)
    for part in inner:
        _, value = _look_up(part, held)
        if value is _ABSENT:
            return True
        if part.models and isinstance(value, dict) and _lacks_something(part, value):
            return True
    return False


def _chosen(field: FieldPlan, value: Mapping[Any, Any], default: object) -> type | None:
    """Return the model that *value* is going to be, as far as its tags tell."""
    if len(field.models) == 1:
        return field.models[0]
    for model in field.models:
        if field.tags and all(_has_tag(field, model, tag, value, default) for tag in field.tags):
            return model
    return None


def _has_tag(field: FieldPlan, model: type, tag: Discriminant, value: Any, default: object) -> bool:
    if callable(tag):
        return tag(value or default) == field.labels.get(model)
    member = next((inner for inner in fields_of(model) if inner.name == tag), None)
    if member is None:
        return True  # a tag of another level of a nested union
    _, found = _look_up(member, value)
    if found is _ABSENT:
        return type(default) is model
    return found in literals_of(member.info)


def _references_in(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    # Exactly str: what came from the vault (a nested settings class hands it on) stays as it is.
    if type(value) is str:
        if is_reference(value):
            yield place, value
    elif isinstance(value, dict):
        if REFERENCE_KEY in value:
            yield place, value[REFERENCE_KEY]
        for key, item in value.items():
            if key != REFERENCE_KEY:
                yield from _references_in(item, (*place, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _references_in(item, (*place, index))


def _parsed(text: str) -> Declared | ConfigurationError | str:
    try:
        return parse(text)
    except InvalidReferenceError as error:
        return error


def _describe(model: type, place: Place) -> tuple[str, FieldInfo | None]:
    """Return the dotted name of what stands at *place*, and pydantic's view of it if it has one."""
    names: list[str] = []
    info: FieldInfo | None = None
    models: tuple[type, ...] = (model,)
    while place:
        field, steps = _field_at(models, place)
        if field is None:
            info, names = None, [*names, str(place[0])]
        else:
            info, names = field.info, [*names, field.name]
            models = field.models
        place = place[steps:]
    return ".".join(names), info


def _field_at(models: tuple[type, ...], place: Place) -> tuple[FieldPlan | None, int]:
    for model in models:
        for field in fields_of(model):
            for where in field.places:
                if where == place[: len(where)]:
                    return field, len(where)
    return None, 1
