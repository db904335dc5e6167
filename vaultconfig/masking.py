"""Values from the vault that do not show in a ``repr``. Pure.

A masked value is equal to, and works as, the plain one; only ``repr`` differs, which is what
tracebacks with locals, debug logs and pydantic's errors print. Validation by pydantic returns
plain values; `unmask` does so for what pydantic hands through untouched (``Any``, ``object``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

MASK = "**********"


class _MaskedStr(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return str, (str(self),)


class _MaskedInt(int):
    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return int, (int(self),)

    def __str__(self) -> str:
        return int.__repr__(self)


class _MaskedFloat(float):
    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return float, (float(self),)

    def __str__(self) -> str:
        return float.__repr__(self)


_MASKED: Mapping[type, Callable[[Any], Any]] = {
    str: _MaskedStr,
    int: _MaskedInt,
    float: _MaskedFloat,
}
# pydantic names the type of an input in its errors.
_MaskedStr.__name__, _MaskedInt.__name__, _MaskedFloat.__name__ = "str", "int", "float"


def is_masked(value: object) -> bool:
    """Whether *value* is a scalar that came from the vault."""
    return isinstance(value, (_MaskedStr, _MaskedInt, _MaskedFloat))


def mask(value: Any) -> Any:
    """Return a copy of JSON *value* with masked scalars, but for booleans and null."""
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    masked = _MASKED.get(type(value))
    return value if masked is None else masked(value)


def unmask(value: Any) -> Any:
    """Return *value* with plain scalars; models are changed in place, the rest is copied."""
    match value:
        case _MaskedStr():
            return str(value)
        case _MaskedInt():
            return int(value)
        case _MaskedFloat():
            return float(value)
        case dict():
            return {unmask(key): unmask(item) for key, item in value.items()}
        case list():
            return [unmask(item) for item in value]
        case BaseModel():
            for values in (vars(value), value.__pydantic_extra__ or {}):
                values.update(unmask(values))
    return value
