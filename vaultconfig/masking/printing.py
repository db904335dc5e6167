"""How settings print: what came from the vault is shown as asterisks. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr

from vaultconfig.masking.known import Known, Made, Path, is_alike
from vaultconfig.masking.values import MASK, PLAIN_TYPES

RECORD: Final = "_vaultconfig_origins"
"""The attribute of settings that has the record of their load."""

Args: TypeAlias = Iterable[tuple[str | None, Any]]


class _Shown:
    """Has *text* as its `repr`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class _At(NamedTuple):
    """Where a part of settings stands.

    Attributes:
        place: Its dotted name.
        path: The way to it.
        made: How it came to be.
        around: What it stands in, by id.
    """

    place: str = ""
    path: Path = ()
    made: Made = Made.BESIDE
    around: frozenset[int] = frozenset()

    def below(self, step: object, way: str | int | None) -> _At:
        """Return where the part stands that *step* leads to, or *way* without a value in it."""
        place = f"{self.place}.{step}" if self.place else str(step)
        return self._replace(place=place, path=(*self.path, way))


_TOP = _At()


class Printer(NamedTuple):
    """Prints settings.

    Attributes:
        known: What is known of their values.
        set_fields: The fields that sources or validators have set; None where that is not known.
        masked: Takes the parts that are masked, with the way to each.
    """

    known: Known
    set_fields: Collection[str] | None
    masked: dict[Path, Any]

    def args(self, model: Any, args: Args, at: _At = _TOP) -> Args:
        """Yield the fields of *model* as they may be printed.

        Args:
            model: The settings, or a model or dataclass inside.
            args: Pydantic's ``__repr_args__``, or the like.
            at: Where *model* stands.
        """
        place, path, made, around = at
        for name, value in args:
            below = f"{place}.{name}" if place else str(name)
            if isinstance(model, RootModel):  # whose input has no such level
                below = place
            here = made
            if made is Made.BESIDE:
                here = self._made(model, name, value, below, is_settings=not path)
            yield name, self._part(value, _At(below, (*path, name), here, around))

    def _made(
        self, model: Any, name: str | None, value: Any, place: str, *, is_settings: bool
    ) -> Made:
        """Return how *value*, that of the field *name* of *model*, came to be."""
        secret = self.known.below(place)
        if "" in secret or name in getattr(type(model), "model_computed_fields", ()):
            return Made.OF_VAULT
        if secret:
            return Made.BESIDE
        default, factory = _default_of(model, name)
        if default is not MISSING and is_alike(default, value):
            return Made.AS_DEFAULT
        if place in self.known.heads:
            return Made.GIVEN if is_settings else Made.BESIDE
        known = self.set_fields if is_settings else getattr(model, "__pydantic_fields_set__", None)
        if known is None or name in known or factory is MISSING:
            return Made.BESIDE
        return Made.GIVEN if factory is None else Made.BY_FACTORY

    def _part(self, value: Any, at: _At) -> Any:
        """Return what is printed for *value*."""
        if isinstance(value, (SecretStr, SecretBytes, _Shown)):
            return value
        if type(value) not in PLAIN_TYPES:
            if id(value) in at.around:
                return _Shown("...")
            inside = at._replace(around=at.around | {id(value)})
            is_object = is_dataclass(value) and not isinstance(value, type)
            if isinstance(value, BaseModel) or is_object:
                return self._object(value, inside)
            if at.made is not Made.OF_VAULT and isinstance(value, (dict, list, tuple, deque)):
                return self._collection(value, inside)
        parts = value if isinstance(value, (set, frozenset)) else [value]  # a set has no order
        if all(self.known.shows(part, at.place, at.path, at.made) for part in parts):
            return value
        self.masked[at.path] = value
        return _Shown(repr(MASK))

    def _object(self, value: Any, at: _At) -> Any:
        given = self.known.given.get(at.place)
        # Settings inside have masked what they know of already.
        is_given = hasattr(value, RECORD) or (given is not None and is_alike(given, value))
        if at.made is Made.BESIDE and is_given:
            at = at._replace(made=Made.GIVEN)
        try:
            args = _args_of(value)
            shown = list(self.args(value, args, at))
        except Exception:  # a property that fails
            return _Shown(f"{type(value).__name__}(...)")
        if all(new is old for (_, new), (_, old) in zip(shown, args, strict=True)):
            prints: Any = type(value).__repr__  # of which a class may have its own
            if not isinstance(value, BaseModel) or prints is BaseModel.__repr__:
                return value
            if self.known.shows(value, at.place, at.path, at.made):
                return value
        return _Shown(f"{type(value).__name__}({', '.join(f'{k}={v!r}' for k, v in shown)})")

    def _collection(self, value: Any, at: _At) -> Any:
        is_mapping = isinstance(value, dict)
        shown: list[tuple[Any, Any]] = []
        is_as_it_was = True
        for number, (key, item) in enumerate(value.items() if is_mapping else enumerate(value)):
            inner = at.below(key.value if isinstance(key, Enum) else key, number)
            name = key
            if is_mapping and inner.place not in self.known.names:
                masked = self._part(key, inner._replace(path=(*inner.path, None)))
                name = key if masked is key else _Shown(repr(masked))  # a list is no key
            if "" in self.known.below(inner.place):
                inner = inner._replace(made=Made.OF_VAULT)
            printed = self._part(item, inner)
            is_as_it_was &= name is key and printed is item
            shown.append((name, printed))
        if is_as_it_was:
            return value
        return dict(shown) if is_mapping else [printed for _, printed in shown]


def _default_of(model: Any, name: str | None) -> tuple[Any, Any]:
    """Return the default of a field, and the factory of one that is made of nothing else.

    Either is MISSING where there is none, or the factory could have made something of the vault's;
    it is None where there is no factory.
    """
    pydantics = getattr(type(model), "__pydantic_fields__", None)
    if pydantics is None and is_dataclass(model):
        own = {field.name: field for field in fields(model)}.get(name or "")
        return (MISSING, MISSING) if own is None else (own.default, MISSING)
    info = (pydantics or {}).get(name)
    if info is None:
        return MISSING, MISSING
    if info.default_factory is None:
        return MISSING if info.is_required() else info.default, None
    # pydantic 2.10 does not tell. What a class makes is empty.
    takes_data = getattr(info, "default_factory_takes_validated_data", True)
    is_unlike = takes_data or isinstance(info.default_factory, type)
    return MISSING, MISSING if is_unlike else info.default_factory


def _args_of(value: Any) -> list[tuple[str | None, Any]]:
    if isinstance(value, BaseModel):
        return list(value.__repr_args__())
    return [(field.name, getattr(value, field.name)) for field in fields(value) if field.repr]
