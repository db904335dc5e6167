"""What differs between two settings objects: names of fields, not their values. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as dataclass_fields
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from vaultconfig.loading.fields import overlap
from vaultconfig.loading.places import ABSENT

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What a refresh has changed.

    Attributes:
        fields: The names of the fields that differ, dotted where they are nested.
        old: The settings before it.
        new: The settings since.
        versions: The new version of each secret that has changed, by path.
    """

    fields: frozenset[str]
    old: T = field(repr=False)
    new: T = field(repr=False)
    versions: Mapping[str, int]

    def followed_by(self, later: Change[T]) -> Change[T]:
        """Return this change and *later*, the next one, as one."""
        versions = {**self.versions, **later.versions}
        return Change(self.fields | later.fields, self.old, later.new, versions)

    def concerns(self, names: Collection[str] | None) -> bool:
        """Whether any of *names*, or something inside or around one, has changed; None is all."""
        if names is None:
            return True
        return any(overlap(name, other) for name in self.fields for other in names)


def changed_fields(old: BaseModel, new: BaseModel) -> frozenset[str]:
    """Return the dotted names of the fields that differ."""
    return frozenset(_changed(old, new, ""))


def _changed(old: Any, new: Any, prefix: str) -> Iterator[str]:
    olds, news = _values_of(old), _values_of(new)
    for name in olds | news:
        before, after = olds.get(name, ABSENT), news.get(name, ABSENT)
        if isinstance(before, BaseModel) and type(before) is type(after):
            yield from _changed(before, after, f"{prefix}{name}.")
        elif not _is_equal(before, after):
            yield f"{prefix}{name}"


def _values_of(model: BaseModel) -> dict[str, Any]:
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    return fields | (model.__pydantic_extra__ or {})


def _is_equal(before: Any, after: Any) -> bool:
    if type(before) is not type(after):  # Python finds 1, 1.0 and True equal
        return False
    if is_dataclass(before):  # which may leave out a field when it compares
        names = [field.name for field in dataclass_fields(before)]
        return all(_is_equal(getattr(before, name), getattr(after, name)) for name in names)
    try:
        return bool(before == after)
    except Exception:  # an application's own type, such as one that compares item by item
        return before is after
