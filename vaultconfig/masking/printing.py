"""How settings print: what came from the vault is shown as asterisks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, SecretBytes, SecretStr

from vaultconfig.masking.values import MASK

Args: TypeAlias = Iterable[tuple[str | None, Any]]
_TELLING = 4  # a shorter value would be found in too much that has nothing to do with it


class _Shown:
    """Has *text* as its `repr`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def masked_args(args: Args, *, secret: Collection[str], derived: Collection[str]) -> Args:
    """Return the fields of a model as they may be printed.

    Args:
        args: Pydantic's ``__repr_args__``.
        secret: The dotted names of the fields that hold something from the vault.
        derived: The names of computed fields, which may hold it too.
    """
    args = list(args)
    below = _by_head(secret)
    texts = {text.casefold() for text in secret_texts(args, secret)}
    plain = ((name, value) for name, value in args if texts and not below(name))
    others = {name: repr(value).casefold() for name, value in plain}
    everything = "\0".join(others.values())
    quoted = [text for text in texts if text in everything]
    for name, value in args:
        inner = below(name)
        if inner:
            yield name, _masked(value, inner)
        elif secret and (name in derived or any(text in others[name] for text in quoted)):
            yield name, _Shown(repr(MASK))
        else:
            yield name, value


def secret_texts(items: Iterable[tuple[Any, Any]], secret: Collection[str]) -> Iterator[str]:
    """Yield the texts of the secret values in *items*, which are fields with their values."""
    for value in secret_values(items, secret):
        text = repr(value).strip("b'\"")
        if len(text) >= _TELLING:
            yield text


def secret_values(
    items: Iterable[tuple[Any, Any]], secret: Collection[str]
) -> Iterator[str | bytes | int | float]:
    """Yield the secret scalars in *items*, which are fields with their values; no booleans."""
    below = _by_head(secret)
    for step, item in items:
        inner = below(str(step))
        if inner:
            yield from _scalars_in(item, inner)


def _masked(value: Any, secret: Collection[str]) -> Any:
    """Return what is printed for *value*; *secret* has the names inside it, or "" for all of it."""
    if isinstance(value, (SecretStr, SecretBytes)):
        return value
    if isinstance(value, BaseModel):
        return _printed(value, value.__repr_args__(), secret)
    if is_dataclass(value) and not isinstance(value, type):
        args = [(f.name, getattr(value, f.name)) for f in fields(value) if f.repr]
        return _printed(value, args, secret)
    if "" in secret or not isinstance(value, (dict, list, tuple)):
        return _Shown(repr(MASK))
    below = _by_head(secret)
    items = value.items() if isinstance(value, dict) else enumerate(value)
    shown = {
        step: _masked(item, inner) if (inner := below(str(step))) else item for step, item in items
    }
    return shown if isinstance(value, dict) else list(shown.values())


def _printed(value: object, args: Args, secret: Collection[str]) -> _Shown:
    computed = getattr(type(value), "model_computed_fields", {})
    shown = masked_args(args, secret=secret, derived=computed)
    return _Shown(f"{type(value).__name__}({', '.join(f'{k}={v!r}' for k, v in shown)})")


def _by_head(names: Collection[str]) -> Callable[[str | None], frozenset[str]]:
    """Return a function from a name to the rests of those dotted *names* that begin with it.

    "" among the rests stands for all of the value.
    """
    if "" in names:
        return lambda _: frozenset({""})
    heads: dict[str | None, set[str]] = {}
    for name in names:
        steps = name.split(".")
        for end in range(1, len(steps) + 1):  # a key may have dots, as the name of a host has
            heads.setdefault(".".join(steps[:end]), set()).add(".".join(steps[end:]))
    return lambda name: frozenset(heads.get(name, ()))


def _scalars_in(value: Any, secret: Collection[str]) -> Iterator[str | bytes | int | float]:
    if isinstance(value, (SecretStr, SecretBytes)):
        value = value.get_secret_value()
    if isinstance(value, (str, bytes, int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, BaseModel):
        yield from secret_values(vars(value).items(), secret)
    elif isinstance(value, dict):
        yield from secret_values(value.items(), secret)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from secret_values(enumerate(value), secret)
