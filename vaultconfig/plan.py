"""What a settings class declares: its references, and where its values stand. Pure.

It reads declarations only (annotations, aliases, defaults), once a class; `slots` meets them
with the values of one load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, cast, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath, BaseModel, Discriminator, Json, RootModel, Tag
from pydantic.fields import FieldInfo
from pydantic_settings import ForceDecode, NoDecode

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.inputs import Place
from vaultconfig.references import Template, VaultRef, is_reference, parse

Declared: TypeAlias = VaultRef | Template
Discriminant: TypeAlias = str | Callable[[Any], Hashable]


class Decoding(Enum):
    """Whether a field takes text as JSON, by pydantic-settings' rules for the environment."""

    ALWAYS = "always"
    WHERE_POSSIBLE = "where possible"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Target:
    """What a field can take: text as JSON, and whole objects."""

    decoding: Decoding
    takes_objects: bool


ANYTHING = Target(Decoding.NEVER, takes_objects=True)


class FieldPlan:
    """A field of a model: where its value stands, what fills it, and what it is made of.

    Attributes:
        name: The attribute's name.
        info: As pydantic describes it.
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
        layers = list(_layers(info.annotation, tuple(info.metadata)))
        models = [layer for layer in layers if is_model(layer.annotation)]
        self.name = name
        self.info = info
        self.places = _places(name, info, config)
        self.declared = _declared(layers)
        self.models: tuple[type, ...] = tuple(dict.fromkeys(m.annotation for m in models))
        self.many = any(layer.contained for layer in models)
        self.nullable = any(
            layer.annotation is NoneType and not layer.contained for layer in layers
        )
        self.tags = _tags(info, layers)
        self.target = _target(layers, config)
        self.labels = {
            m.annotation: t.tag for m in models for t in m.metadata if isinstance(t, Tag)
        }

    def __repr__(self) -> str:
        return f"<FieldPlan of {self.name}>"

    @cached_property
    def bears_references(self) -> bool:
        """Whether the vault is to fill it, or anything inside it."""
        return _bears_references(self, frozenset())


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


def is_model(annotation: object) -> bool:
    """Whether *annotation* is a class with fields of its own."""
    if not isinstance(annotation, type) or get_origin(annotation) is not None:
        return False
    if issubclass(annotation, BaseModel):
        return not issubclass(annotation, RootModel)
    return is_dataclass(annotation)


def default_of(info: FieldInfo) -> Any:
    """Return the default of a field, made by its factory if it has one.

    A class that stands as the factory is not called: it gets its values from the vault, too.
    """
    factory = info.default_factory
    takes_data = getattr(info, "default_factory_takes_validated_data", False)
    if factory is None or takes_data or is_model(factory):
        return info.default
    return cast("Callable[[], Any]", factory)()


def literals_of(info: FieldInfo) -> set[Any]:
    """Return what a ``Literal`` field accepts, enum members by their values too."""
    found = get_args(info.annotation)
    return {*found, *(item.value for item in found if isinstance(item, Enum))}


_plans: WeakKeyDictionary[type, tuple[FieldPlan, ...]] = WeakKeyDictionary()
_bearing: WeakKeyDictionary[type, tuple[FieldPlan, ...]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Layer:
    """A part of an annotation, with the metadata that stands at it."""

    annotation: Any
    metadata: tuple[Any, ...]
    contained: bool


def _layers(
    annotation: Any,
    metadata: tuple[Any, ...] = (),
    *,
    contained: bool = False,
    aliases: frozenset[int] = frozenset(),
) -> Iterator[_Layer]:
    """Walk through aliases, ``Annotated``, unions and containers down to plain types."""
    origin = get_origin(annotation)
    alias = annotation if hasattr(annotation, "__value__") else origin
    if hasattr(alias, "__value__"):  # PEP 695
        if id(alias) in aliases:
            return
        value = alias.__value__
        inner = value[get_args(annotation)] if get_args(annotation) else value
        yield from _layers(inner, metadata, contained=contained, aliases=aliases | {id(alias)})
    elif origin is Annotated:
        inner, *more = get_args(annotation)
        yield from _layers(inner, (*metadata, *more), contained=contained, aliases=aliases)
    else:
        yield _Layer(annotation, metadata, contained)
        for inner in get_args(annotation):
            yield from _layers(
                inner, contained=contained or not _is_union(annotation), aliases=aliases
            )


def _declared(layers: list[_Layer]) -> Declared | ConfigurationError | None:
    found: list[Declared | ConfigurationError] = []
    for layer in layers:
        references = [ref for item in layer.metadata if (ref := _reference(item)) is not None]
        if references and layer.contained:
            return ConfigurationError(
                "a reference inside a list or mapping type fills nothing: annotate the field itself"
            )
        found += references
    if len(found) > 1:
        return ConfigurationError("the annotation carries two references: keep one")
    return found[0] if found else None


def _reference(item: object) -> Declared | ConfigurationError | None:
    if isinstance(item, VaultRef):
        return item
    if type(item) is not str or not is_reference(item):
        return None
    try:
        parsed = parse(item)
    except InvalidReferenceError as error:
        return error.with_traceback(None)
    return None if isinstance(parsed, str) else parsed


def _target(layers: list[_Layer], config: Mapping[str, Any]) -> Target:
    metadata = {item if isinstance(item, type) else type(item) for item in layers[0].metadata}
    members = [
        layer
        for layer in layers
        if not layer.contained
        and not _is_union(layer.annotation)
        and layer.annotation is not NoneType
    ]
    structured = [_is_structured(layer.annotation) for layer in members]
    takes_objects = any(
        _is_structured(layer.annotation) or layer.annotation in (Any, object) for layer in layers
    )
    undecoded = NoDecode in metadata or (
        config.get("enable_decoding") is False and ForceDecode not in metadata
    )
    if undecoded or Json in metadata or not any(structured):
        return Target(Decoding.NEVER, takes_objects)
    decoding = Decoding.ALWAYS if all(structured) else Decoding.WHERE_POSSIBLE
    return Target(decoding, takes_objects)


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in {Union, UnionType}


def _is_structured(annotation: object) -> bool:
    """Whether values of this type are objects or lists, not texts and numbers."""
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type) or issubclass(kind, (str, bytes, bytearray)):
        return False
    return (
        issubclass(kind, (BaseModel, Collection)) and not issubclass(kind, Enum)
    ) or is_dataclass(kind)


def _tags(info: FieldInfo, layers: list[_Layer]) -> tuple[Discriminant, ...]:
    marks = [info, *(item for layer in layers for item in layer.metadata)]
    found = [mark.discriminator for mark in marks if isinstance(mark, (FieldInfo, Discriminator))]
    tags = [mark.discriminator if isinstance(mark, Discriminator) else mark for mark in found]
    return tuple(dict.fromkeys(tag for tag in tags if tag is not None))


def _places(name: str, info: FieldInfo, config: Mapping[str, Any]) -> tuple[Place, ...]:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if alias is None or config.get("validate_by_alias") is False:
        return ((name,),)
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    paths: list[Place] = [
        tuple(choice.path) if isinstance(choice, AliasPath) else (choice,) for choice in choices
    ]
    # pydantic-settings prefers a plain name over a path, and its sources use that key.
    paths.sort(key=lambda path: len(path) > 1)
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
    problem = ""
    try:
        hints = get_type_hints(model, include_extras=True)
    except NameError as error:
        problem = str(error)
    if problem:
        raise ConfigurationError(
            f"the annotations of the dataclass {model.__qualname__} can't be read ({problem}):"
            " define it, and what it names, at the top of a module"
        )
    return [
        (field.name, _dataclass_field(hints[field.name], field))
        for field in dataclass_fields(model)
    ]


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
