"""What is wrong with a settings class as far as the class itself tells. Pure.

`check_class` runs when a `VaultSettings` is made. It runs before the first load of a class that was
incomplete then, or that isn't one of ours: see `complete`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, Final, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import RootModel
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from vaultconfig.connection.environment import FallbackMode, check_declared
from vaultconfig.errors import ConfigurationError, closest
from vaultconfig.loading.annotations import (
    NOT_IN_A_LIST,
    NOT_OF_ITS_CLASS,
    WITHOUT_TAG,
    Part,
    class_of,
    declared_in,
    is_model,
    is_same_class,
    parts_in,
)
from vaultconfig.loading.fields import ModelField, fields_of, hints_of, hints_of_others
from vaultconfig.loading.objects import models_in, references_in, texts_in
from vaultconfig.references import Template, VaultRef, is_reference, meant_by, parse


def _is_mapping_of_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for item in value.items() for text in item
    )


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


_MODES: Final = get_args(FallbackMode)
OPTIONS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "vault_environment": (_is_text_or_none, "a name"),
    "vault_fallback": (lambda value: value in _MODES, " or ".join(map(repr, _MODES))),
    "vault_variables": (_is_mapping_of_texts, "a mapping of texts to texts"),
    "vault_resolve_values": (lambda value: isinstance(value, bool), "True or False"),
    "vault_store": (_is_text_or_none, "file:DIRECTORY or the URL of a Redis server"),
    "vault_application": (_is_text_or_none, "a name"),
}
"""Our keys of ``model_config``: what each may be, and how that is called."""

_HOLDERS: Final = (tuple, list, set, frozenset, dict, bytes)
"""What a text in an annotation may end up in, by a comma too many for example."""

_checked: WeakKeyDictionary[type, bool] = WeakKeyDictionary()
"""The classes that are right, and whether any field in them has a default factory."""


def check_class(settings_cls: type[BaseSettings]) -> None:
    """Check the keys, the annotations and the defaults of *settings_cls*, once.

    Raises:
        ConfigurationError: A key that begins with ``vault_`` is unknown or has a wrong value, a
            text in an annotation is nearly a reference, or a reference stands where nothing
            fills it.
    """
    if settings_cls in _checked:
        return
    _check_options(settings_cls.model_config)
    walk = _Walk()
    walk.model(settings_cls, "")
    if settings_cls.__pydantic_complete__:
        _checked[settings_cls] = walk.has_factories


def complete(settings_cls: type[BaseSettings]) -> None:
    """Resolve what forward references are left in *settings_cls*, and check it, once.

    Pydantic resolves them as well, but not before it validates: then our part would be over.

    Raises:
        ConfigurationError: See `check_class`.
    """
    if not settings_cls.__pydantic_complete__:
        settings_cls.model_rebuild(raise_errors=False)
    check_class(settings_cls)


def has_factories(settings_cls: type[BaseSettings]) -> bool:
    """Whether a field of *settings_cls*, which has been checked, has a default factory."""
    return _checked[settings_cls]


def _check_options(config: Mapping[str, Any]) -> None:
    for name in sorted(config.keys() - SettingsConfigDict.__annotations__.keys()):
        if name not in OPTIONS:
            is_ours = name.startswith("vault_")
            if not is_ours and meant_by(f"{name.partition('_')[0]}:a#b") is None:
                continue  # "default" is near to "vault" only for difflib
            begun = [option for option in OPTIONS if option.startswith(name)]
            cutoff = 0.0 if is_ours else 0.85  # vautl_fallback
            close = closest(name, begun or OPTIONS, cutoff=cutoff)
            if close is None:
                continue
            raise ConfigurationError(f"{name} is not a key of VaultConfigDict: write {close}")
        is_right, expected = OPTIONS[name]
        if not is_right(config[name]):
            raise ConfigurationError(f"{name} has a wrong value: expected {expected}")
    check_declared(config.get("vault_environment"))


class _Walk:
    """Goes through the fields of a class, and of all that they are made of."""

    def __init__(self) -> None:
        self.has_factories = False
        self._seen: set[tuple[type, str | None]] = set()

    def model(self, model: type, prefix: str, *, within: str | None = None) -> None:
        """Check the fields of *model*, which stands *within* what nothing fills, or doesn't."""
        if (model, within) in self._seen:
            return
        self._seen.add((model, within))
        for field in fields_of(model):
            self.has_factories |= field.info.default_factory is not None
            _check_default(prefix + field.name, field.info.default, field.info.annotation)
            _check_class_of_default(prefix + field.name, field)
            _check_union(prefix + field.name, field)
            is_made = field.info.init is False and is_dataclass(class_of(model))
            inside = "a field with init=False" if is_made else within
            self._parts(field.parts, prefix + field.name, inside)
        for name, hint in hints_of_others(model):  # class variables, private attributes, …
            _check_declared(prefix + name, list(parts_in(hint)), "an attribute that is not a field")

    def _parts(self, parts: Sequence[Part], name: str, within: str | None) -> None:
        _check_declared(name, parts, within)
        for part in parts:
            kind = class_of(part.annotation)
            is_record = isinstance(kind, type) and issubclass(kind, (dict, tuple, RootModel))
            if is_model(part.annotation):
                deep = "a list of lists, or the like," if part.levels > 1 else None
                inside = part.sealed or deep or within
                self.model(part.annotation, f"{name}.", within=inside)
            elif is_record and (kind, "") not in self._seen:
                self._seen.add((kind, ""))
                self._record(kind, f"{name}.", kind.__qualname__)

    def _record(self, kind: type, prefix: str, within: str) -> None:
        """Check what pydantic takes apart, but we do not."""
        if issubclass(kind, RootModel):
            (root,) = fields_of(kind)
            self._parts(root.parts, f"{prefix}root", within)
            return
        for name, hint in hints_of(kind).items():
            self._parts(list(parts_in(hint)), prefix + name, within)


def _check_declared(name: str, parts: Sequence[Part], within: str | None) -> None:
    """Reject near misses among *parts*, and references if it is *within* what nothing fills."""
    for item in (item for part in parts for item in part.metadata):
        meant = meant_by(item) if isinstance(item, str) else None
        if meant is not None:
            raise ConfigurationError(
                f"the annotation of {name} holds {item[:80]!r}, which is nearly a reference: write"
                f" {meant[:86]!r}, or a description as Field(description=…)"
            )
        held = item.__metadata__ if get_origin(item) is Annotated else item
        if type(held) in _HOLDERS and any(is_reference(t) or meant_by(t) for t in texts_in(held)):
            raise ConfigurationError(
                f"the annotation of {name} holds {item!r:.80}, and nothing reads a reference in"
                " there: write it as a text of its own, Annotated[…, 'vault:…']"
            )
    if within is not None and declared_in(parts) is not None:
        raise ConfigurationError(
            f"{name}: a reference inside {within} fills nothing: use a plain field or model instead"
        )


def _check_default(name: str, default: object, kind: object = None) -> None:
    """Reject a reference that stands as the default of a *kind*, where nothing would resolve it."""
    found = next(references_in(default), None)
    if isinstance(default, (VaultRef, Template)) and type(default) is not kind:
        found = str(default)
    if found is not None:
        shown = repr(found) if isinstance(parse(found), VaultRef) else "'${vault:…}'"
        raise ConfigurationError(
            f"a reference stands as the default of {name}, where nothing resolves it:"
            f" write {name}: Annotated[…, {shown}] instead"
        )


def _check_class_of_default(name: str, field: ModelField) -> None:
    """Reject a default with references of its own that the annotation of *field* does not show."""
    factory: Any = field.info.default_factory
    if is_model(factory) and _has_unfilled(factory, field.models):
        problem = NOT_OF_ITS_CLASS.format(factory.__name__)
        raise ConfigurationError(f"{name}: {problem}")
    for where, problem in problems_of_default(name, field, field.info.default):
        raise ConfigurationError(f"{where}: {problem}")


def problems_of_default(
    name: str, field: ModelField, default: object, above: tuple[object, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield where in *default* a model with references stands that the vault can't fill, and why.

    Args:
        name: Of *field*.
        field: What *default* is the default of, or a value in one.
        default: The default.
        above: The models that it is inside of.
    """
    is_whole = is_model(type(default))
    is_taken_apart = is_whole or type(default) in (dict, list, tuple)  # as `as_input` does
    for instance in models_in(default):
        kind = type(instance)
        if _has_unfilled(kind, field.models if is_taken_apart else ()):
            yield name, (NOT_OF_ITS_CLASS if is_whole else NOT_IN_A_LIST).format(kind.__name__)
        elif not issubclass(kind, BaseSettings) and not any(instance is outer for outer in above):
            # A generic one is taken for what the annotation says.
            model = next((model for model in field.models if is_same_class(kind, model)), kind)
            for inner in fields_of(model):
                value = getattr(instance, inner.name, None)
                way = (*above, instance)
                yield from problems_of_default(f"{name}.{inner.name}", inner, value, way)


def _has_unfilled(kind: Any, models: Sequence[type]) -> bool:
    """Whether references of *kind* fill nothing, because it is not one of *models*."""
    return (
        not issubclass(class_of(kind), BaseSettings)  # which loads itself
        and not any(is_same_class(kind, model) for model in models)
        and any(inner.bears_references for inner in fields_of(kind))
    )


def _check_union(name: str, field: ModelField) -> None:
    """Reject a union without a tag where a default would stand in for what the vault has.

    Only pydantic tells which member it is, after the vault has been asked. Where nothing stands in,
    that is an error, too, unless another source gives all of it.
    """
    if len(field.untagged) < 2:
        return
    has_default = not field.many and (
        is_model(field.info.default_factory) or field.info.default not in (None, PydanticUndefined)
    )
    inner = [f for model in field.untagged for f in fields_of(model) if f.bears_references]
    if (inner and has_default) or any(_stands_in(f, frozenset()) for f in inner):
        raise ConfigurationError(f"{name}: {WITHOUT_TAG}")


def _stands_in(field: ModelField, above: frozenset[type]) -> bool:
    """Whether *field*, which bears references, or one inside it has a default."""
    return not field.info.is_required() or any(
        inner.bears_references and _stands_in(inner, above | {model})
        for model in field.models
        if model not in above
        for inner in fields_of(model)
    )
