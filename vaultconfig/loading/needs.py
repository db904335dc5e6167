"""Where one load of a settings class needs the vault: its plan meets the values at hand. Pure.

Two kinds of slot: fields whose annotation carries a reference and that no higher source gives,
and references that stand as values in what other sources gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticUndefined

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.loading.annotations import Declared, Discriminant, is_model, literals_of
from vaultconfig.loading.fields import (
    FieldPlan,
    bearing_fields_of,
    default_of,
    fields_of,
)
from vaultconfig.loading.places import ABSENT, Place, get_at, parts_of, set_at
from vaultconfig.references import Template, VaultRef, expanded_in, is_reference, parse

# Levels of models that no source mentions: one that requires itself has no end.
_DEEPEST: Final = 32

REFERENCE_KEY: Final = "vault: reference"
"""Where, in the input of a complex field, a reference stands that others are merged over."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the input of a settings class that the vault is to fill.

    Attributes:
        name: The field, dotted, as its class spells it.
        place: Where its value goes.
        declared: What fills it, or what is wrong with that, or a literal text.
        plan: The field's plan; None where a value has no field of its own.
        annotated: Whether the annotation says so, not a value that stands there.
        text: That value.
    """

    name: str
    place: Place
    declared: Declared | ConfigurationError | str
    plan: FieldPlan | None = None
    annotated: bool = True
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """The default of a nested model, which the vault is to fill in part."""

    place: Place
    instance: object

    def holds(self, place: Place) -> bool:
        """Whether *place* is inside it."""
        return len(place) > len(self.place) and place[: len(self.place)] == self.place

    def values(self) -> dict[str, Any]:
        """Return its fields as input."""
        values: dict[str, Any] = {}
        for field in fields_of(type(self.instance)):
            set_at(values, field.places[0], getattr(self.instance, field.name))
        return values


@dataclass(frozen=True, slots=True)
class Eclipsed:
    """Where a source below the vault has a field that one above it gives under another name."""

    place: Place


def annotated_slots(
    model: type,
    state: Mapping[Any, Any],
    given: Mapping[Any, Any],
    *,
    place: Place = (),
    name: str = "",
) -> Iterator[Slot | Default | Eclipsed]:
    """Yield the slots that annotations ask for and no higher source has filled.

    Args:
        model: The settings class, or a model nested in it.
        state: What all other sources gave for it.
        given: The part of that which stands above the vault.
    """
    for plan in bearing_fields_of(model):
        where, value = _look_up(plan, state)
        above, held = _look_up(plan, given)
        if held is not ABSENT and value is not held:
            for other in plan.places:
                if other != above and get_at(given, other) is ABSENT:
                    yield Eclipsed(place + other)
        if held is not ABSENT and not _leaves_something(plan, held):
            continue
        here, label = place + where, f"{name}{plan.name}"
        if plan.declared is not None and (held is ABSENT or not plan.many):
            yield Slot(label, here, plan.declared, plan)
        if plan.models:
            yield from _nested_slots(plan, value, held, place=here, name=label)


def value_slots(
    model: type, state: Mapping[str, Any], *, extra: bool, written: Callable[[str], str | None]
) -> Iterator[Slot]:
    """Yield the references that stand as values in *state*.

    Args:
        model: The settings class.
        state: What all sources gave.
        extra: Whether keys that are no field's count too.
        written: How a text stands in `.env` where variables were expanded in it, else None.
    """
    keys = {str(place[0]): field for field in fields_of(model) for place in field.places}
    for key, value in state.items():
        field = keys.get(key)
        if field is None and not extra:
            continue
        for place, text in _references_in(value, (key,)):
            name, plan = describe(model, place)
            declared = _parsed(text, written(text))
            yield Slot(name, place, declared, plan, annotated=False, text=text)


def _nested_slots(
    field: FieldPlan, value: object, held: object, *, place: Place, name: str
) -> Iterator[Slot | Default | Eclipsed]:
    if field.many:
        yield from _item_slots(field, value, held, place=place, name=name)
        return
    default = default_of(field.info) if value is ABSENT else None
    if default is None and value is ABSENT and field.nullable and field.declared is None:
        return  # an optional model that no source mentions stays None
    if is_model(type(default)):
        yield Default(place, default)
    state = {} if value is ABSENT else value
    if not isinstance(state, dict):
        return
    model = _chosen(field, state, default)
    if model is not None and (state or len(place) < _DEEPEST):
        given = held if isinstance(held, dict) else {}
        yield from annotated_slots(model, state, given, place=place, name=f"{name}.")


def _item_slots(
    field: FieldPlan, value: object, held: object, *, place: Place, name: str
) -> Iterator[Slot | Default | Eclipsed]:
    for step, item in parts_of(value):
        model = _chosen(field, item, None) if isinstance(item, dict) else None
        if model is not None:
            inner = get_at(held, (step,))
            given = inner if isinstance(inner, dict) else {}
            here, label = (*place, step), f"{name}.{step}."
            yield from annotated_slots(model, item, given, place=here, name=label)


def _look_up(field: FieldPlan, data: Mapping[Any, Any]) -> tuple[Place, Any]:
    for place in field.places:
        value = get_at(data, place)
        if value is not ABSENT:
            return place, value
    return field.places[0], ABSENT


def _leaves_something(field: FieldPlan, held: object) -> bool:
    """Whether *held*, what higher sources give for *field*, leaves something to the vault."""
    if field.many:
        return any(_is_incomplete(field, item) for _, item in parts_of(held))
    return _is_incomplete(field, held)


def _is_incomplete(field: FieldPlan, held: object) -> bool:
    if not field.models or not isinstance(held, dict) or REFERENCE_KEY in held:
        return False
    model = _chosen(field, held, None)
    if model is None:
        return field.declared is not None  # the tag is in the vault
    inner = fields_of(model) if field.declared is not None else bearing_fields_of(model)
    for part in inner:
        _, value = _look_up(part, held)
        if value is ABSENT:
            return True
        if _leaves_something(part, value):
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
        subject = value or default
        return subject is not PydanticUndefined and tag(subject) == field.labels.get(model)
    member = next((inner for inner in fields_of(model) if inner.name == tag), None)
    if member is None:
        return True  # a tag of another level of a nested union
    _, found = _look_up(member, value)
    if found is ABSENT:
        return type(default) is model
    return found in literals_of(member.info)


def _references_in(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    # Exactly str: what came from the vault (a nested settings class hands it on) stays as it is.
    if type(value) is str and is_reference(value):
        yield place, value
    for step, item in parts_of(value):
        if step == REFERENCE_KEY:
            yield place, item
        else:
            yield from _references_in(item, (*place, step))


def _parsed(text: str, written: str | None) -> Declared | ConfigurationError | str:
    if written is not None:
        references = _references(written)
        if references is None or references != _references(text):
            # The value that was put into the reference, a token perhaps, must not show.
            expected = "a reference in which .env expands no variable"
            return InvalidReferenceError(expanded_in(written), column=1, expected=expected)
    try:
        return parse(text)
    except InvalidReferenceError as error:
        return error.with_traceback(None)


def _references(text: str) -> Sequence[VaultRef] | None:
    try:
        return references_of(parse(text))
    except InvalidReferenceError:
        return None


def references_of(declared: object) -> Sequence[VaultRef]:
    """Return the references in what fills a slot."""
    if isinstance(declared, VaultRef):
        return (declared,)
    return declared.references if isinstance(declared, Template) else ()


def describe(model: type, place: Place) -> tuple[str, FieldPlan | None]:
    """Return the dotted name of what stands at *place*, and its plan if it is a field."""
    names: list[str] = []
    plan: FieldPlan | None = None
    models: tuple[type, ...] = (model,)
    while place:
        field, steps = _field_at(models, place)
        if field is None:
            plan, names = None, [*names, str(place[0])]
        else:
            plan, names = field, [*names, field.name]
            models = field.models
        place = place[steps:]
    return ".".join(names), plan


def _field_at(models: tuple[type, ...], place: Place) -> tuple[FieldPlan | None, int]:
    for model in models:
        for field in fields_of(model):
            for where in field.places:
                if where == place[: len(where)]:
                    return field, len(where)
    return None, 1
