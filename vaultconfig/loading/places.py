"""Nested input of models, as sources give it: look into it, and build changed copies. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from vaultconfig.errors import ConfigurationError

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the input of a model: keys, and indexes of lists."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

ABSENT: Final = object()
_CONTAINERS: Final = (dict, list)


def not_too_deep(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let *function*, which goes down nested input, say so where that is too deep for Python.

    Raises:
        ConfigurationError: It is. Raised here, because the frames below hold values.
    """

    @wraps(function)
    def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            pass
        raise ConfigurationError(
            "a value is nested too deeply, or a source of the class calls itself without end"
        )

    return called


def get_at(data: Any, place: Place) -> Any:
    """Return what stands at *place* in *data*, or `ABSENT`."""
    for step in place:
        if isinstance(data, dict):
            data = data.get(step, ABSENT)
            continue
        try:
            data = ABSENT if isinstance(data, (str, bytes)) else data[step]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return data


def set_at(data: Any, place: Place, value: Any) -> None:
    """Put *value* at *place* in *data*, which changes; mappings on the way are made."""
    *way, last = place
    for step, following in zip(way, place[1:], strict=True):
        inner = get_at(data, (step,))
        if not isinstance(inner, (dict, list)):
            inner = [] if isinstance(following, int) else {}
            _put(data, step, inner)
        data = inner
    _put(data, last, value)


def remove_at(data: Any, place: Place) -> None:
    """Take away what stands at *place* in *data*, which changes, if anything does."""
    *way, last = place
    inner = get_at(data, tuple(way))
    if isinstance(inner, list):  # where the others stay in their places
        inner = dict(enumerate(inner))
        set_at(data, tuple(way), inner)
    if isinstance(inner, dict):
        inner.pop(last, None)


def with_value_at(data: Any, place: Place, value: Any) -> Any:
    """Return *data* with *value* at *place*, where something stands; only what is on the way is
    copied.
    """
    if not place:
        return value
    changed: Any = list(data) if type(data) is tuple else copy.copy(data)
    changed[place[0]] = with_value_at(data[place[0]], place[1:], value)
    return tuple(changed) if type(data) is tuple else changed


def parts_of(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what stands in a mapping or list, each with its key or index; nothing for the rest."""
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list) or type(data) is tuple:
        yield from enumerate(data)


def own_copy(data: Any) -> Any:
    """Copy mappings and lists all the way down, tuples as lists, and nothing else."""
    if isinstance(data, dict):
        return {key: own_copy(item) for key, item in data.items()}
    if isinstance(data, list) or type(data) is tuple:
        return [own_copy(item) for item in data]
    return data


def own_containers(data: Any) -> Any:
    """Copy mappings and lists all the way down, and nothing else."""
    if type(data) is dict:
        return {
            key: own_containers(item) if type(item) in _CONTAINERS else item
            for key, item in data.items()
        }
    return [own_containers(item) for item in data] if type(data) is list else data


def merged(layers: Iterable[Any]) -> Any:
    """Lay later *layers* over earlier ones, mappings key by key; `ABSENT` changes nothing."""
    result: Any = ABSENT
    for layer in layers:
        if layer is ABSENT:
            continue
        if isinstance(result, dict) and isinstance(layer, dict):
            result = {
                **result,
                **{key: merged((result.get(key, ABSENT), item)) for key, item in layer.items()},
            }
        else:
            result = layer
    return result


def _put(data: Any, step: str | int, value: Any) -> None:
    if isinstance(data, list) and isinstance(step, int):
        data.extend([None] * (step + 1 - len(data)))
    data[step] = value
