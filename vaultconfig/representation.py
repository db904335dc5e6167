"""How settings print: what came from the vault is shown as asterisks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, SecretBytes, SecretStr

from vaultconfig.masking import MASK

Args: TypeAlias = Iterable[tuple[str | None, Any]]
_TELLING = 4  # a shorter value would be found in too much that has nothing to do with it


@dataclass(frozen=True, slots=True, repr=False)
class _Shown:
    """Prints as *text*, whoever asks for its `repr`."""

    text: str

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
    texts = {t for name, value in args for t in _secret_texts(value, _below(secret, name))}
    for name, value in args:
        inner = _below(secret, name)
        if inner:
            yield name, _masked(value, inner)
        elif secret and (name in derived or any(text in repr(value) for text in texts)):
            yield name, _Shown(repr(MASK))
        else:
            yield name, value


def _masked(value: Any, secret: Collection[str]) -> Any:
    """Return what stands for *value* in print; *secret* are names inside it, "" is all of it."""
    if isinstance(value, (SecretStr, SecretBytes)):
        return value
    if isinstance(value, BaseModel):
        return _printed(value, value.__repr_args__(), secret)
    if is_dataclass(value) and not isinstance(value, type):
        args = [(f.name, getattr(value, f.name)) for f in fields(value) if f.repr]
        return _printed(value, args, secret)
    if "" not in secret:
        if isinstance(value, dict):
            return {key: _masked_item(item, secret, key) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [_masked_item(item, secret, index) for index, item in enumerate(value)]
    return _Shown(repr(MASK))


def _masked_item(item: Any, secret: Collection[str], step: object) -> Any:
    inner = _below(secret, str(step))
    return _masked(item, inner) if inner else item


def _printed(value: object, args: Args, secret: Collection[str]) -> _Shown:
    computed = getattr(type(value), "model_computed_fields", {})
    shown = masked_args(args, secret=secret, derived=computed)
    return _Shown(f"{type(value).__name__}({', '.join(f'{k}={v!r}' for k, v in shown)})")


def _below(names: Collection[str], name: str | None) -> frozenset[str]:
    """Return the rest of those dotted *names* that begin with *name*; "" where one is it."""
    if "" in names:
        return frozenset({""})
    found = (other for other in names if other == name or other.startswith(f"{name}."))
    return frozenset(other[len(str(name)) + 1 :] for other in found)


def _secret_texts(value: Any, secret: Collection[str]) -> Iterator[str]:
    if not secret:
        return
    if isinstance(value, (SecretStr, SecretBytes)):
        value = value.get_secret_value()
    if isinstance(value, (str, bytes, int, float)) and not isinstance(value, bool):
        text = repr(value).strip("b'\"")
        if len(text) >= _TELLING:
            yield text
    elif isinstance(value, BaseModel):
        yield from _inner_texts(value.__dict__.items(), secret)
    elif isinstance(value, dict):
        yield from _inner_texts(value.items(), secret)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from _inner_texts(enumerate(value), secret)


def _inner_texts(items: Iterable[tuple[Any, Any]], secret: Collection[str]) -> Iterator[str]:
    for step, item in items:
        yield from _secret_texts(item, _below(secret, str(step)))
