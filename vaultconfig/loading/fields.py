"""The fields of a class, read once a class: where their values stand, and what fills them. Pure."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field, InitVar
from dataclasses import fields as dataclass_fields
from inspect import signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath, BaseModel, SecretBytes, SecretStr, Tag, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import (
    class_of,
    declared_in,
    is_model,
    parts_in,
    substituted,
    tags_in,
    takes_json,
    takes_objects,
    wants_text,
)
from vaultconfig.loading.places import ABSENT, Place, get_at

_PYDANTICS_OWN: Final = (BaseModel, BaseSettings)
_SCALARS: Final = (str, bytes, int, float, bool, SecretStr, SecretBytes, Path)


class ModelField:
    """A field of a model: where its value stands, what fills it, and what it is made of.

    Attributes:
        name: The attribute's name.
        info: As pydantic describes it.
        parts: What its annotation is made of.
        places: Where pydantic looks for the value, the preferred place first.
        key: The place, where there is only one, and of one step.
        declared: The reference or template in its annotation, or what is wrong with it.
        models: What its value is made of: one model, several in a union, mostly none.
        models_inside: Those that may be the items of a list or the values of a mapping.
        many: Whether all of them are, and its value is not a model itself.
        nullable: Whether None may stand in their place.
        tags: What tells the members of a union apart: the names of fields, or functions.
        labels: What such a function returns for each of them.
        wants_text: Whether a number in the vault stands for its digits.
        takes_objects: Whether a whole object can be its value.
        takes_json: Whether it takes a text that is JSON.
        factory_takes_data: Whether its default is made from the fields before it.
        takes_text_as_it_is: Whether pydantic-settings hands the text of a variable on to it.
    """

    def __init__(self, name: str, info: FieldInfo, config: Mapping[str, Any]) -> None:
        self.parts = parts = list(parts_in(info.annotation, tuple(info.metadata)))
        models = [part for part in parts if is_model(part.annotation)]
        self.name = name
        self.info = info
        self.places = _places(name, info, config)
        (first, *others) = self.places
        self.key = first[0] if not others and len(first) == 1 else None
        self.declared = declared_in(parts)
        self.models: tuple[type, ...] = tuple(dict.fromkeys(m.annotation for m in models))
        self.models_inside = tuple(dict.fromkeys(m.annotation for m in models if m.contained))
        self.many = bool(models) and all(part.contained for part in models)
        self.nullable = any(part.annotation is NoneType and not part.contained for part in parts)
        self.tags = tags_in(info, parts)
        self.labels: dict[type, list[str]] = {}
        for model in models:
            labels = [mark.tag for mark in model.metadata if isinstance(mark, Tag)]
            if labels:
                self.labels.setdefault(model.annotation, []).extend(labels)
        self.wants_text = wants_text(parts)
        self.takes_objects = takes_objects(parts)
        self.takes_json = takes_json(parts)
        self.factory_takes_data = _factory_takes_data(info)
        self.takes_text_as_it_is = any(info.annotation is kind for kind in _SCALARS)
        self._bears_references: bool | None = None
        self._item: ModelField | None = None

    @property
    def bears_references(self) -> bool:
        """Whether the vault is to fill it, or anything inside it."""
        if self._bears_references is None:
            self._bears_references = _bears_references(self, frozenset())
        return self._bears_references

    @property
    def item(self) -> ModelField:
        """What stands in it, where it is a list or mapping of models."""
        if self._item is None:
            self._item = copy.copy(self)
            self._item.many, self._item.declared, self._item.info = False, None, FieldInfo()
            self._item.models, self._item.models_inside = self.models_inside, ()
            self._item.wants_text, self._item.takes_objects = False, True
        return self._item

    @property
    def untagged(self) -> list[type]:
        """Those of its models that no tag tells apart."""
        return [
            model
            for model in self.models
            if model not in self.labels
            and not any(inner.name in self.tags for inner in fields_of(model))
        ]

    def find(self, data: Mapping[Any, Any]) -> tuple[Place, Any]:
        """Return where in *data*, the input of its model, its value stands, and the value.

        That is the preferred place and `ABSENT` where it has none.
        """
        for place in self.places:
            value = get_at(data, place)
            if value is not ABSENT:
                return place, value
        return self.places[0], ABSENT

    def validated(self, value: Any) -> Any:
        """Return what the type of the field makes of *value*; no validator of its class runs.

        Raises:
            Exception: It does not fit; what a validator raises may quote it.
        """
        kind: Any = Annotated[self.info.annotation, None, *self.info.metadata]
        return TypeAdapter(kind).validate_python(value)


class ModelFields:
    """The fields of a model.

    Attributes:
        config: How their class is configured.
        all: In the order of the class.
        by_key: Those whose value may stand under a key of the input, by that key.
        holders: The keys that hold values further inside, for an `AliasPath`.
        may_copy: Whether the class has functions that may put one field's value into another.
    """

    def __init__(self, model: type) -> None:
        kind = class_of(model)
        config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", {})
        self.config: Mapping[str, Any] = config
        self.all = tuple(ModelField(name, info, config) for name, info in _field_infos(model))
        validators = getattr(kind, "__pydantic_decorators__", None)
        self.may_copy = any(field.factory_takes_data for field in self.all) or bool(
            validators and (validators.model_validators or validators.field_validators)
        )
        self.by_key: dict[str | int, list[ModelField]] = {}
        places = (place for field in self.all for place in field.places)
        self.holders = dict.fromkeys(place[0] for place in places if len(place) > 1)
        for field in self.all:
            for key in dict.fromkeys(place[0] for place in field.places):
                self.by_key.setdefault(key, []).append(field)


def _factory_takes_data(info: FieldInfo) -> bool:
    factory: Any = info.default_factory
    if factory is None:
        return False
    if hasattr(info, "default_factory_takes_validated_data"):
        return bool(info.default_factory_takes_validated_data)
    try:
        signature(factory).bind()  # pydantic 2.10 does not tell
    except TypeError:  # it needs an argument
        return True
    except ValueError:  # of what is built in, such as dict
        pass
    return False


def model_fields(model: type) -> ModelFields:
    """Return the fields of *model*, a pydantic model or a dataclass."""
    fields = _kept.get(model)
    if fields is None:
        fields = ModelFields(model)
        # Those of an incomplete class are still going to change.
        if getattr(class_of(model), "__pydantic_complete__", True):
            _kept[model] = fields
    return fields


def fields_of(model: type) -> tuple[ModelField, ...]:
    """Return the fields of *model* in the order of the class."""
    return model_fields(model).all


def title_of(model: type) -> str:
    """Return what pydantic calls *model* in its errors and schemas."""
    return str(model_fields(model).config.get("title") or model.__name__)


def walk(
    model: type, prefix: str = "", above: tuple[type, ...] = ()
) -> Iterator[tuple[str, type, ModelField]]:
    """Yield each field of *model* and of the models in it: its dotted name, its model, itself.

    A model that holds itself is entered once.

    Args:
        model: A pydantic model or a dataclass.
        prefix: What stands before each name.
        above: The models that this one is inside of.
    """
    above = (*above, model)
    for field in fields_of(model):
        name = f"{prefix}{field.name}"
        yield name, model, field
        for inner in field.models:
            if inner not in above:
                yield from walk(inner, f"{name}.", above)


def describe(model: type, place: Place) -> tuple[str, ModelField | None]:
    """Return the dotted name of what stands at *place* in the input of *model*, and its field."""
    names: list[str] = []
    field: ModelField | None = None
    models: tuple[type, ...] = (model,)
    while place:
        field, steps = _field_at(models, place)
        names.append(str(place[0]) if field is None else field.name)
        # An item of a list or mapping has no field, but still the models of the one it is in.
        models = models if field is None else field.models
        place = place[steps:]
    return ".".join(names), field


def overlap(name: str, other: str) -> bool:
    """Whether one of two dotted names is the other, or of something inside it."""
    return name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.")


def _field_at(models: tuple[type, ...], place: Place) -> tuple[ModelField | None, int]:
    for model in models:
        for field in model_fields(model).by_key.get(place[0], ()):
            for where in field.places:
                if where == place[: len(where)]:
                    return field, len(where)
    return None, 1


_kept: Final[WeakKeyDictionary[type, ModelFields]] = WeakKeyDictionary()


def _places(name: str, info: FieldInfo, config: Mapping[str, Any]) -> tuple[Place, ...]:
    alias = info.validation_alias
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
    kind = class_of(model)
    declared: dict[str, FieldInfo] | None = getattr(kind, "__pydantic_fields__", None)
    if declared is None:
        hints = hints_of(kind)
        declared = {f.name: _dataclass_field(hints[f.name], f) for f in dataclass_fields(kind)}
    infos = list(declared.items())
    if model is not kind:
        infos = [(name, copy.copy(info)) for name, info in infos]
        arguments = dict(zip(kind.__parameters__, get_args(model), strict=True))
        for _, info in infos:
            info.annotation = substituted(info.annotation, arguments)
    return infos


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
        for name, annotation in _annotations_of(base).items():
            hints[name] = _hint(base, name, annotation)
    return hints


def hints_of_others(model: type) -> Iterator[tuple[str, Any]]:
    """Yield what is annotated in the class *model* without being its field, with the annotation."""
    kind = class_of(model)
    names = {field.name for field in fields_of(model)}
    for base in kind.__mro__:
        annotations = {} if base in _PYDANTICS_OWN else _annotations_of(base)
        for name in annotations.keys() - names:
            names.add(name)
            hint = _hint(base, name, annotations[name])
            yield name, hint.type if isinstance(hint, InitVar) else hint
    decorators = getattr(kind, "__pydantic_decorators__", None)
    for name, found in (decorators.computed_fields if decorators else {}).items():
        yield name, found.info.return_type


def _annotations_of(kind: type) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)  # which may not be there yet
    return getattr(kind, "__annotations__", {})


def _hint(owner: type, name: str, annotation: Any) -> Any:
    alone = type(owner.__name__, (), {"__annotations__": {name: annotation}})
    alone.__module__ = owner.__module__
    problem = ""
    try:
        return get_type_hints(alone, localns=dict(vars(owner)), include_extras=True)[name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        problem = str(error)
    if not any(sign in str(annotation).lower() for sign in ("vault:", "vaultref(")):
        return object
    raise ConfigurationError(
        f"the annotation of {owner.__qualname__}.{name} can't be read ({problem}):"
        f" define {owner.__qualname__}, and what it names, at the top of a module"
    )


def _dataclass_field(hint: Any, field: Field[Any]) -> FieldInfo:
    is_info = isinstance(field.default, FieldInfo)  # of pydantic, in the place of a default
    return FieldInfo.from_annotated_attribute(hint, field.default if is_info else field)


def _bears_references(field: ModelField, above: frozenset[type]) -> bool:
    if field.declared is not None:
        return True
    return any(
        _bears_references(inner, above | {model})
        for model in field.models
        if model not in above
        for inner in fields_of(model)
    )
