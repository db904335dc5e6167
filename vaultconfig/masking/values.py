"""Values from the vault that do not show in a ``repr``. Pure.

A masked value is equal to, and works as, the plain one; only ``repr`` differs, which is what
tracebacks with locals, debug logs and pydantic's errors print. Validation by pydantic returns
plain values; `unmask` does so for what pydantic hands through untouched (``Any``, ``object``).
"""

from __future__ import annotations

import copy
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from types import NoneType
from typing import Any, NoReturn, Self

from pydantic import BaseModel, SecretBytes, SecretStr

MASK = "**********"
DEEPEST = 100


class MaskedStr(str):
    """A text whose `repr` is asterisks, and that of what its methods make of it."""

    __slots__ = ()

    def __repr__(self) -> str:
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
PLAIN_TYPES = frozenset((str, int, float, bool, bytes, NoneType, SecretStr, SecretBytes))
"""What pydantic makes of a masked value, mostly: there is nothing to unmask in it."""

# pydantic names the type of an input in its errors.
for _kind, _plain in _PLAIN.items():
    _kind.__name__ = _kind.__qualname__ = _plain.__name__


def is_masked(value: object) -> bool:
    """Whether *value* is a scalar that came from the vault."""
    return isinstance(value, (MaskedStr, _MaskedInt, MaskedFloat))


def mask(value: Any, *, keys: bool = False, levels: int = DEEPEST) -> Any:
    """Return a copy of JSON *value* with masked scalars, but for booleans and null.

    Args:
        value: Is not changed.
        keys: Whether the keys of objects are values too, as in a text that turns out to be JSON.
        levels: How deeply it may be nested.

    Raises:
        RecursionError: It is nested more deeply, which whatever follows would break on.
    """
    masked = _MASKED.get(type(value))
    if masked is not None:  # most values are scalars
        return masked(value)
    if isinstance(value, (dict, list)) and levels == 0:
        raise RecursionError("nested too deeply")
    if isinstance(value, dict):
        return {
            MaskedStr(key) if keys else key: mask(item, keys=keys, levels=levels - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask(item, keys=keys, levels=levels - 1) for item in value]
    return value


def masked_json(body: bytes, *, levels: int = DEEPEST) -> Any:
    """Return the JSON value in *body*, masked; None where it is not JSON."""
    # Nothing leaves here but a value: a JSONDecodeError holds the body.
    try:
        return mask(json.loads(body, parse_constant=_refuse, parse_float=_finite), levels=levels)
    except (ValueError, RecursionError):
        return None


def _finite(digits: str) -> MaskedFloat:
    number = MaskedFloat(digits)
    if math.isinf(number):  # such as 1e999, which would not be the value that was written
        raise ValueError("too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON


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
