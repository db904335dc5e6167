"""What differs between two settings objects: names of fields, not their values. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from vaultconfig.loading.fields import overlap

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
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, BaseModel) and type(before) is type(after):
            yield from _changed(before, after, f"{prefix}{name}.")
        elif not _is_equal(before, after):
            yield f"{prefix}{name}"


def _is_equal(before: Any, after: Any) -> bool:
    try:
        return bool(before == after)
    except Exception:  # an application's own type, such as one that compares item by item
        return before is after
