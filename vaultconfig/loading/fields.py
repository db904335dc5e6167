"""What a settings class declares: its references, and where its values stand. Pure.

It reads declarations only (fields, aliases, defaults; `annotations` knows the types), once a
class; `slots` meets them with the values of one load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from dataclasses import fields as dataclass_fields
from types import NoneType
from typing import Any, cast, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath, BaseModel, Tag
from pydantic.fields import FieldInfo

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import declared_in, is_model, parts_in, tags_in, target_of
from vaultconfig.loading.places import Place


class FieldPlan:
    """A field of a model: where its value stands, what fills it, and what it is made of.

    Attributes:
        name: The attribute's name.
        info: As pydantic describes it.
        parts: What its annotation is made of.
        places: Where pydantic looks for the value, the preferred place first.
        declared: The reference or template in its annotation, or what is wrong with it.
        models: What its value is made of: one model, several in a union, mostly none.
        many: Whether those are the items of a list or the values of a mapping.
        nullable: Whether None may stand in their place.
        tags: What tells the members of a union apart: the names of fields, or functions.
        labels: What such a function returns for each of them.
        target: What it can take.
    """

    def __init__(self, name: str, info: FieldInfo, config: Mapping[str, Any]) -> None:
        self.parts = parts = list(parts_in(info.annotation, tuple(info.metadata)))
        models = [part for part in parts if is_model(part.annotation)]
        self.name = name
        self.info = info
        self.places = _places(name, info, config)
        self.declared = declared_in(parts)
        self.models: tuple[type, ...] = tuple(dict.fromkeys(m.annotation for m in models))
        self.many = any(part.contained for part in models)
        self.nullable = any(part.annotation is NoneType and not part.contained for part in parts)
        self.tags = tags_in(info, parts)
        self.target = target_of(parts, config)
        self.labels = {
            m.annotation: t.tag for m in models for t in m.metadata if isinstance(t, Tag)
        }
        self._bears_references: bool | None = None

    def __repr__(self) -> str:
        return f"<FieldPlan of {self.name}>"

    @property
    def bears_references(self) -> bool:
        """Whether the vault is to fill it, or anything inside it."""
        if self._bears_references is None:
            self._bears_references = _bears_references(self, frozenset())
        return self._bears_references


def fields_of(model: type) -> tuple[FieldPlan, ...]:
    """Return the plan of every field of *model*, a pydantic model or a dataclass."""
    plan = _plans.get(model)
    if plan is None:
        config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", {})
        plan = tuple(FieldPlan(name, info, config) for name, info in _field_infos(model))
        if getattr(model, "__pydantic_complete__", True):
            _plans[model] = plan
    return plan


def bearing_fields_of(model: type) -> tuple[FieldPlan, ...]:
    """Return the plan of those fields of *model* that the vault is to fill, or something in."""
    bearing = _bearing.get(model)
    if bearing is None:
        bearing = tuple(field for field in fields_of(model) if field.bears_references)
        if model in _plans:
            _bearing[model] = bearing
    return bearing


def default_of(info: FieldInfo) -> Any:
    """Return the default of a field, made by its factory if it has one.

    A class that stands as the factory is not called: it gets its values from the vault, too.
    """
    factory = info.default_factory
    takes_data = getattr(info, "default_factory_takes_validated_data", False)
    if factory is None or takes_data or is_model(factory):
        return info.default
    return cast("Callable[[], Any]", factory)()


_plans: WeakKeyDictionary[type, tuple[FieldPlan, ...]] = WeakKeyDictionary()
_bearing: WeakKeyDictionary[type, tuple[FieldPlan, ...]] = WeakKeyDictionary()


def _places(name: str, info: FieldInfo, config: Mapping[str, Any]) -> tuple[Place, ...]:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if alias is None or config.get("validate_by_alias") is False:
        return ((name,),)
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    paths: list[Place] = [
        tuple(choice.path) if isinstance(choice, AliasPath) else (choice,) for choice in choices
    ]
    if config.get("validate_by_name") or config.get("populate_by_name"):
        paths.append((name,))
    return tuple(dict.fromkeys(paths))


def _field_infos(model: type) -> list[tuple[str, FieldInfo]]:
    declared = (
        model.model_fields
        if issubclass(model, BaseModel)
        else getattr(model, "__pydantic_fields__", None)
    )
    if declared is not None:
        return list(declared.items())
    hints = hints_of(model)
    return [
        (field.name, _dataclass_field(hints[field.name], field))
        for field in dataclass_fields(model)
    ]


def hints_of(model: type) -> dict[str, Any]:
    """Return the annotations of a class that pydantic has no fields of.

    One that names what only some function knows counts as `object`.

    Raises:
        ConfigurationError: A reference stands in such an annotation.
    """
    try:
        return get_type_hints(model, include_extras=True)
    except NameError:
        pass
    hints: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        for name, annotation in getattr(base, "__annotations__", {}).items():
            hints[name] = _hint(base, name, annotation)
    return hints


def _hint(owner: type, name: str, annotation: Any) -> Any:
    alone = type(owner.__name__, (), {"__annotations__": {name: annotation}})
    alone.__module__ = owner.__module__
    problem = ""
    try:
        return get_type_hints(alone, localns=dict(vars(owner)), include_extras=True)[name]
    except NameError as error:
        problem = str(error)
    if "vault" not in str(annotation).lower():
        return object
    raise ConfigurationError(
        f"the annotation of {owner.__qualname__}.{name} can't be read ({problem}):"
        f" define {owner.__qualname__}, and what it names, at the top of a module"
    )


def _dataclass_field(hint: Any, field: Field[Any]) -> FieldInfo:
    if field.default is MISSING and field.default_factory is MISSING:
        return FieldInfo.from_annotation(hint)
    return FieldInfo.from_annotated_attribute(hint, None)


def _bears_references(field: FieldPlan, above: frozenset[type]) -> bool:
    if field.declared is not None:
        return True
    return any(
        _bears_references(inner, above | {model})
        for model in field.models
        if model not in above
        for inner in fields_of(model)
    )
