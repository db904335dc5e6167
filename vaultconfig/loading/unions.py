"""Which of its models the value of a field is going to be, as far as tags tell. Pure.

Pydantic decides, but only after the vault has been asked, and what to ask for depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from pydantic_core import PydanticUndefined

from vaultconfig.loading.annotations import Discriminant, is_same_class
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.needs import reference_in
from vaultconfig.loading.pieces import Piece, found_for
from vaultconfig.loading.places import merged, set_at


def model_among(field: ModelField, mappings: Sequence[Piece], default: object) -> type | None:
    """Return the only model of *field*, or the one whose tags *mappings* or *default* have."""
    if len(field.models) == 1:
        return field.models[0]
    untagged = field.untagged
    for model in field.models:
        tags = () if model in untagged else field.tags
        if tags and all(_has_tag(field, model, tag, mappings, default) for tag in tags):
            return model
    return None


def model_without_tag(field: ModelField, mappings: Sequence[Piece], default: object) -> type | None:
    """Return the one model beside those with a tag, which has none of theirs."""
    model = field.untagged[0] if len(field.untagged) == 1 else None
    return model if mappings or is_same_class(type(default), model) else None


def carry_references(field: ModelField) -> bool:
    """Whether there are references in the models that *field* is made of."""
    return any(inner.bears_references for model in field.models for inner in fields_of(model))


def has_tag_to_ask(field: ModelField, mappings: Sequence[Piece]) -> bool:
    """Whether a reference stands where the tag is looked for."""
    members = (inner for m in field.models for inner in fields_of(m) if inner.name in field.tags)
    found = (item for inner in members for item in found_for(inner, mappings)[:1])
    return any(reference_in(value) is not None for _, _, value in found)


def tags_made(field: ModelField) -> dict[str, Any]:
    """Return what tells the class apart that is the default factory of *field*, as input."""
    values: dict[str, Any] = {}
    for inner in fields_of(cast("type", field.info.default_factory)):
        is_looked_at = inner.name in field.tags or (field.labels and inner.declared is None)
        if is_looked_at and inner.info.default is not PydanticUndefined:
            set_at(values, inner.places[0], inner.info.default)
    return values


def _has_tag(
    field: ModelField, model: type, tag: Discriminant, mappings: Sequence[Piece], default: object
) -> bool:
    if callable(tag):
        if model not in field.labels:
            return True  # a tag of another level of a nested union
        data = merged(piece.data for piece in reversed(mappings)) if mappings else default
        return data is not None and tag(data) in field.labels[model]
    member = next((inner for inner in fields_of(model) if inner.name == tag), None)
    if member is None:
        return True  # likewise
    found = found_for(member, mappings)
    if not found:
        return is_same_class(type(default), model)
    return any(found[0][2] in get_args(part.annotation) for part in member.parts)  # of a Literal
