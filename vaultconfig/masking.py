"""Values from the vault that do not show in a ``repr``. Pure.

A masked value is equal to, and works as, the plain one; only ``repr`` differs, which is what
tracebacks with locals, debug logs and pydantic's errors print. Validation by pydantic returns
plain values; `unmask` does so for what pydantic hands through untouched (``Any``, ``object``).
"""

from __future__ import annotations

from typing import Any

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


# pydantic names the type of an input in its errors.
_MaskedStr.__name__, _MaskedInt.__name__, _MaskedFloat.__name__ = "str", "int", "float"


def is_masked(value: object) -> bool:
    """Whether *value* is a scalar that came from the vault."""
    return isinstance(value, (_MaskedStr, _MaskedInt, _MaskedFloat))


def mask(value: Any) -> Any:
    """Return a copy of JSON *value* whose scalars are masked; booleans and null stay as they are."""
    match value:
        case str():
            return _MaskedStr(value)
        case bool() | None:
            return value
        case int():
            return _MaskedInt(value)
        case float():
            return _MaskedFloat(value)
        case dict():
            return {key: mask(item) for key, item in value.items()}
        case list():
            return [mask(item) for item in value]
    return value


def unmask(value: Any) -> Any:
    """Return *value* with plain scalars; *value* itself where nothing in it is masked."""
    match value:
        case _MaskedStr():
            return str(value)
        case _MaskedInt():
            return int(value)
        case _MaskedFloat():
            return float(value)
        case dict():
            plain = {unmask(key): unmask(item) for key, item in value.items()}
            return value if all(plain[key] is item for key, item in value.items()) else plain
        case list() | tuple() | set() | frozenset():
            items = [unmask(item) for item in value]
            return value if all(a is b for a, b in zip(items, value)) else type(value)(items)
    return value
