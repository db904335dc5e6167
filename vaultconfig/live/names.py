"""Dotted names of fields: whether there is such a field, and the text that stands in it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from vaultconfig.errors import ConfigurationError, closest


def annotations_of(model: type[BaseModel], name: object) -> list[Any]:
    """Return the annotations of the field called *name*: several inside a union of models.

    Behind what is not a model there may be anything, so that the list is empty.

    Raises:
        ConfigurationError: There is no such field; it names those there are.
    """
    if not isinstance(name, str):
        kind = type(name).__name__
        raise ConfigurationError(
            f"give the dotted name of a field, such as 'db.password', not a value of type {kind}"
        )
    models, annotations = [model], list[Any]()
    for part in name.split("."):
        if not models:
            return []
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if not annotations:
            known = list(dict.fromkeys(field for m in models for field in m.model_fields))
            close = closest(part, known)
            meant = f" (did you mean {close}?)" if close else ""
            raise ConfigurationError(
                f"{models[0].__name__} has no field {part!r}: it has {', '.join(known)}{meant}"
            )
        models = _models_in(annotations)
    return annotations


def check_single_value(model: type[BaseModel], name: object) -> None:
    """Reject a *name* that a text can't come from, as far as the class can tell.

    Raises:
        ConfigurationError: There is no such field, or it is a model, a mapping or a list.
    """
    annotations = annotations_of(model, name)
    if models := _models_in(annotations):
        raise ConfigurationError(f"{name} is a {models[0].__name__}: name one of its fields")
    if not annotations or any(map(_is_collection, annotations)):
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


def _models_in(annotations: Collection[Any]) -> list[type[BaseModel]]:
    return [model for annotation in annotations for model in _models_of(annotation)]


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(getattr(annotation, "__value__", annotation)):
        yield from _models_of(inner)


def _is_collection(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return (
        isinstance(kind, type)
        and issubclass(kind, Collection)
        and not issubclass(kind, str | bytes)
    )
