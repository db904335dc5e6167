"""Values from the vault that do not show in a ``repr``. Pure.

A masked value is equal to, and works as, the plain one; only ``repr`` differs, which is what
tracebacks with locals, debug logs and pydantic's errors print. Validation by pydantic returns
plain values; `unmask` does so for what pydantic hands through untouched (``Any``, ``object``).
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from types import NoneType
from typing import Any, Self

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

MASK = "**********"
DEEPEST = 100
RECORD = "_vaultconfig_origins"
"""The attribute of settings that has the record of their load, by which they print masked."""

_masks_shown = itertools.count()


def masks_shown() -> Hashable:
    """Return what differs from an earlier answer if any mask has been printed since, anywhere."""
    return repr(_masks_shown)


class MaskedStr(str):
    """A text whose `repr` is asterisks, and that of what its methods make of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        next(_masks_shown)
        return repr(MASK)

    def __radd__(self, before: str) -> str:
        return MaskedStr(before + str(self))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return str, (str(self),)


def _masking(name: str) -> Callable[..., Any]:
    method = getattr(str, name)

    @wraps(method)
    def masking(self: str, *args: Any, **kwargs: Any) -> Any:
        made = method(self, *args, **kwargs)
        if isinstance(made, (tuple, list)):
            return type(made)(map(MaskedStr, made))
        return MaskedStr(made) if type(made) is str else made

    return masking


# What a validator strips, or takes apart, is as secret; so is the beginning that `reprlib` prints.
# What is formatted, joined or encoded is plain.
for _name in (
    *("__add__", "__getitem__", "__mul__", "__rmul__", "capitalize", "casefold", "center"),
    *("expandtabs", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix"),
    *("replace", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "strip"),
    *("swapcase", "title", "translate", "upper", "zfill"),
):
    setattr(MaskedStr, _name, _masking(_name))


class _MaskedNumber:
    """Goes before the type of a number, whose `str` would be its `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        next(_masks_shown)
        return MASK

    def __str__(self) -> str:
        return repr(unmask(self))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return _PLAIN[type(self)], (unmask(self),)


class _MaskedInt(_MaskedNumber, int):
    __slots__ = ()


class MaskedFloat(_MaskedNumber, float):
    """A fraction that still knows its digits, as they stood in the JSON text: ``1.10``."""

    __slots__ = ("digits",)
    digits: MaskedStr

    def __new__(cls, digits: str | float) -> Self:
        """Take the number that *digits* are."""
        self = super().__new__(cls, digits)
        self.digits = MaskedStr(digits)
        return self


_MASKED: Mapping[type, Callable[[Any], Any]] = {
    str: MaskedStr,
    int: _MaskedInt,
    float: MaskedFloat,
}
_PLAIN: Mapping[type, type[Any]] = {
    MaskedStr: str,
    _MaskedInt: int,
    MaskedFloat: float,
}
PLAIN_TYPES = frozenset((str, int, float, bool, bytes, NoneType))
"""What pydantic makes of a masked value, mostly: there is nothing to unmask in it."""

# pydantic names the type of an input in its errors.
for _kind, _plain in _PLAIN.items():
    _kind.__name__ = _kind.__qualname__ = _plain.__name__


def is_masked(value: object) -> bool:
    """Whether *value* is a scalar that came from the vault."""
    return isinstance(value, (MaskedStr, _MaskedInt, MaskedFloat))


class Unusable:
    """Stands in JSON for a value that would not be the one that was written.

    Attributes:
        flaw: What is wrong with it, in words that go behind "holds".
    """

    def __init__(self, flaw: str) -> None:
        self.flaw = flaw


TOO_DEEP = Unusable("what is nested too deeply")


def mask(
    value: Any, *, keys: bool = False, levels: int = DEEPEST, deeper: Unusable | None = None
) -> Any:
    """Return a copy of JSON *value* with masked scalars, but for booleans and null.

    Args:
        value: Is not changed.
        keys: Whether the keys of objects are values too, as in a text that turns out to be JSON.
        levels: How deeply it may be nested.
        deeper: Stands for what is nested more deeply.

    Raises:
        RecursionError: Something is, which whatever follows would break on, and nothing stands
            for it.
    """
    masked = _MASKED.get(type(value))
    if masked is not None:  # most values are scalars
        return masked(value)
    if isinstance(value, (dict, list)) and levels == 0:
        if deeper is None:
            raise RecursionError("nested too deeply")
        return deeper
    if isinstance(value, dict):
        return {
            MaskedStr(key) if keys else key: mask(item, keys=keys, levels=levels - 1, deeper=deeper)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask(item, keys=keys, levels=levels - 1, deeper=deeper) for item in value]
    return value


def masked_json(body: bytes, *, levels: int = DEEPEST) -> Any:
    """Return the JSON value in *body*, masked; None where it is not JSON.

    What would not be the value that was written is `Unusable`, and does not spoil the rest.
    """
    # Nothing leaves here but a value: a JSONDecodeError holds the body.
    try:
        payload = json.loads(
            body, parse_constant=_constant, parse_float=_fraction, parse_int=_integer
        )
        return mask(payload, levels=levels, deeper=TOO_DEEP)
    except RecursionError:  # so deep that not even the parser gets through
        return TOO_DEEP
    except ValueError:
        return None


def flaw_in(value: object) -> str | None:
    """Return what is wrong with an `Unusable` in JSON *value*, if there is one."""
    if isinstance(value, Unusable):
        return value.flaw
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inner = (part for part in parts if type(part) not in _PLAIN)  # most are texts
    return next(filter(None, map(flaw_in, inner)), None)


def _fraction(digits: str) -> MaskedFloat | Unusable:
    number = MaskedFloat(digits)
    return Unusable("a number that is too large") if math.isinf(number) else number


def _integer(digits: str) -> _MaskedInt | Unusable:
    try:
        return _MaskedInt(digits)
    except ValueError:  # Python takes 4,300 digits, unless it was told otherwise
        return Unusable("an integer of too many digits")


def _constant(_name: str) -> Unusable:
    return Unusable("NaN or Infinity, which is not a JSON number")


def unmask(value: Any) -> Any:
    """Return *value* with plain scalars: a copy where one is masked, but objects are changed.

    What holds nothing masked stays as it is. It may be anything that a caller has made: refer to
    itself, or have no copy.
    """
    return _unmasked(value, {})


def _unmasked(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:
    """Return *value* unmasked; *known* has each object by its id, and what became of it."""
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, (Secret, SecretStr, SecretBytes)):  # one that a validator has made
        held = value.get_secret_value()
        plain = _unmasked(held, known)
        return value if plain is held else type(value)(plain)
    if id(value) not in known:
        known[id(value)] = value, value  # what it refers back to, and kept, so that its id is
        known[id(value)] = value, _with_plain_parts(value, known)
    return known[id(value)][1]


def _with_plain_parts(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:
    if isinstance(value, (dict, list, deque, set, tuple, frozenset)):
        parts = [*value, *value.values()] if isinstance(value, dict) else [*value]
        plain = [_unmasked(part, known) for part in parts]
        if all(new is part for new, part in zip(plain, parts, strict=True)):
            return value
        return _made_of(value, plain)
    for name, part in _attributes(value):
        plain = _unmasked(part, known)
        if plain is not part:
            _set_attribute(value, name, plain)
    return value


def _made_of(collection: Any, parts: list[Any]) -> Any:
    """Return a copy of *collection* with *parts*, of the same kind."""
    if isinstance(collection, tuple) and hasattr(collection, "_make"):
        return collection._make(parts)
    if isinstance(collection, (tuple, frozenset)):
        return type(collection)(parts) if type(collection) in (tuple, frozenset) else collection
    other = copy.copy(collection)
    other.clear()
    if isinstance(collection, dict):
        half = len(parts) // 2
        other.update(dict(zip(parts[:half], parts[half:], strict=True)))  # a Counter takes no pairs
    else:
        (other.extend if hasattr(other, "extend") else other.update)(parts)
    return other


def _attributes(value: object) -> list[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        return [*vars(value).items(), *(value.__pydantic_extra__ or {}).items()]
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
        return [(name, getattr(value, name)) for name in names if hasattr(value, name)]
    return []


def _set_attribute(value: object, name: str, part: Any) -> None:
    if not isinstance(value, BaseModel):
        object.__setattr__(value, name, part)  # frozen or not
    elif name in vars(value):
        vars(value)[name] = part
    else:
        (value.__pydantic_extra__ or {})[name] = part
