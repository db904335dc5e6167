"""How settings print: what came from the vault is shown as asterisks. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr

from vaultconfig.masking.known import Known, makes
from vaultconfig.masking.values import MASK, PLAIN_TYPES, RECORD

Arg: TypeAlias = tuple[str | None, Any]
"""A field and its value, as pydantic's ``__repr_args__`` gives them."""


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
        is_secret: Whether the vault gave all that stands there.
        is_plain: See `vaultconfig.masking.known`.
        around: What it stands in, by id.
    """

    place: str = ""
    is_secret: bool = False
    is_plain: bool = False
    around: frozenset[int] = frozenset()

    def below(self, step: object) -> str:
        """Return the dotted name of what *step* leads to."""
        return f"{self.place}.{step}" if self.place else str(step)


_TOP = _At()


class Printer(NamedTuple):
    """Prints settings.

    Attributes:
        known: What is known of their values.
        set_fields: The fields that sources or validators have set; None until all have,
            and after a pickle.
        masked: Takes the parts that are masked.
        shown: Takes those that are shown, but for defaults, each with its place.
    """

    known: Known
    set_fields: Collection[str] | None
    masked: list[Any]
    shown: list[tuple[str, Any]]

    def args(self, model: Any, args: Iterable[Arg], at: _At = _TOP) -> Iterator[Arg]:
        """Yield the fields of *model* as they may be printed.

        Args:
            model: The settings, or a model or dataclass inside.
            args: Pydantic's ``__repr_args__``, or the like.
            at: Where *model* stands.
        """
        declared = _fields_of(type(model))
        computed = () if at.is_plain else getattr(type(model), "model_computed_fields", ())
        for name, value in args:
            # The input of a root model has no such level.
            place = at.place if isinstance(model, RootModel) else at.below(name)
            below = self.known.below(place)
            is_secret, is_plain = at.is_secret or "" in below or name in computed, at.is_plain
            if not is_secret and not below:
                field = declared.get(name)
                is_given = self.known.heads(place)
                if field is not None and not is_given and makes(field.default, value):
                    yield name, value
                    continue
                is_plain = is_plain or self._is_plain(model, name, field, at)
            yield name, self._part(value, _At(place, is_secret, is_plain, at.around))

    def _is_plain(self, model: Any, name: str | None, field: Any, at: _At) -> bool:
        """Whether *field* of *model*, into which the vault gave nothing, is plain."""
        is_settings = at is _TOP
        if is_settings and self.known.heads(name):
            return True
        names: Any = self.set_fields if is_settings else None
        if names is None:
            names = getattr(model, "__pydantic_fields_set__", (name,))
        if field is None or name in names:
            return False
        # What a class makes is empty, until a validator fills it; pydantic 2.10 does not tell
        # whether a factory takes other fields, which may be the vault's.
        factory = field.default_factory
        takes_data = getattr(field, "default_factory_takes_validated_data", True)
        return factory is None or not (takes_data or isinstance(factory, type))

    def _part(self, value: Any, at: _At) -> Any:
        """Return what is printed for *value*."""
        if isinstance(value, (SecretStr, SecretBytes, _Shown)):
            return value
        if type(value) not in PLAIN_TYPES:
            if id(value) in at.around:
                return _Shown("...")
            inside = at._replace(around=at.around | {id(value)})
            found = _args_of(value)
            if found is not None:
                return self._object(value, found, inside)
            if isinstance(value, (dict, list, tuple, deque)) and not at.is_secret:
                return self._collection(value, inside)
        return self._leaf(value, at)

    def _leaf(self, value: Any, at: _At) -> Any:
        parts = value if isinstance(value, (set, frozenset)) else [value]  # a set has no order
        may_show, place = self.known.may_show, at.place
        if not at.is_secret and all(may_show(x, place, is_plain=at.is_plain) for x in parts):
            self.shown.extend((place, part) for part in parts)
            return value
        self.masked.append(value)
        return _Shown(repr(MASK))

    def _object(self, value: Any, found: tuple[Sequence[Arg], bool], at: _At) -> Any:
        args, is_usual = found
        # Settings inside have masked what they know of already.
        at = at._replace(is_plain=at.is_plain or hasattr(value, RECORD))
        shown = [*self.args(value, args, at)]
        is_as_it_was = all(new is old for (_, new), (_, old) in zip(shown, args, strict=True))
        if is_usual:
            return value if is_as_it_was else _Shown(_as_text(value, shown))
        return self._leaf(value, at if is_as_it_was else at._replace(is_secret=True))

    def _collection(self, value: Any, at: _At) -> Any:
        is_mapping = isinstance(value, dict)
        shown: list[tuple[Any, Any]] = []
        is_as_it_was = True
        for number, (key, item) in enumerate(value.items() if is_mapping else enumerate(value)):
            name, place = key, at.below(key.value if isinstance(key, Enum) else key)
            if is_mapping and not self.known.below(place) and not self.known.heads(place):
                place = at.below(f"#{number}")  # a key that a source gave is no secret
                masked = self._part(key, at._replace(place=place))
                name = key if masked is key else _Shown(repr(masked))  # a list is no key
            is_secret = "" in self.known.below(place)
            printed = self._part(item, at._replace(place=place, is_secret=is_secret))
            is_as_it_was &= name is key and printed is item
            shown.append((name, printed))
        if is_as_it_was:
            return value
        return dict(shown) if is_mapping else [printed for _, printed in shown]


def _fields_of(model: type) -> Mapping[str | None, Any]:
    names = ("__dataclass_fields__", "__pydantic_fields__")
    return {name: field for each in names for name, field in getattr(model, each, {}).items()}


def _args_of(value: Any) -> tuple[Sequence[Arg], bool] | None:
    """Return what a model or dataclass prints, and that it prints so; else all that it holds."""
    with suppress(Exception):  # a property that fails
        if isinstance(value, BaseModel):
            prints: Any = type(value).__repr__
            if prints is BaseModel.__repr__:
                return list(value.__repr_args__()), True
            return [*vars(value).items(), *(value.__pydantic_extra__ or {}).items()], False
        if is_dataclass(value):
            args = [(each.name, getattr(value, each.name)) for each in fields(value)]
            printed = [arg for arg, each in zip(args, fields(value), strict=True) if each.repr]
            is_usual = repr(value) == _as_text(value, printed)
            return (printed if is_usual else args), is_usual
    return None


def _as_text(value: Any, args: Iterable[Arg]) -> str:
    kind = type(value)
    name = kind.__name__ if isinstance(value, BaseModel) else kind.__qualname__
    return f"{name}({', '.join(f'{name}={part!r}' for name, part in args)})"
