"""Picks a field out of a secret's data, and tells how it is inserted as text. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple

from vaultconfig.errors import FieldNotFoundError, VaultConfigError
from vaultconfig.references.reference import VaultRef
from vaultconfig.secret import Secret, SecretOrError

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_MISSING: Final = object()


class Resolved(NamedTuple):
    """The value of a reference, and which secret it is from."""

    value: Any
    secret: Secret

    def __repr__(self) -> str:
        return f"Resolved({self.secret!r})"


def picked(answer: SecretOrError, reference: VaultRef) -> Resolved | VaultConfigError:
    """Return what *reference* names in the secret that the vault answered with."""
    if not isinstance(answer, Secret):
        return copy.copy(answer)  # each setting that fails has an error of its own
    try:
        return Resolved(pick(answer, reference.field), answer)
    except FieldNotFoundError as error:
        return error.with_traceback(None)


def pick(secret: Secret, field: str | None) -> Any:
    """Return what *field* names in the data of *secret*, or all of it for None.

    Args:
        secret: Values in it are never copied.
        field: A key, or a JSON Pointer (RFC 6901) that begins with a slash.

    Raises:
        FieldNotFoundError: It is missing; the error names what there is at that level.
    """
    node: Any = secret.data
    for token in _tokens(field):
        child = _child(node, token)
        if child is _MISSING:
            available = _names(node)
            del node  # a traceback may show the locals of this frame
            raise FieldNotFoundError(secret.path, field, available=available)
        node = child
    return node


def as_text(value: object) -> str | None:
    """Return a scalar as the plain text that is inserted for it, or None for anything else.

    Text is taken as it is, a number as its digits stood, a boolean as JSON writes it.
    """
    match value:
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float() if isfinite(value):
            return str(getattr(value, "digits", float.__repr__(value)))
    return None


def as_json(value: object) -> str:
    """Return *value* as compact JSON, its numbers as `as_text` has them."""
    if isinstance(value, dict):
        items = (f"{json.dumps(str(k), ensure_ascii=False)}:{as_json(v)}" for k, v in value.items())
        return f"{{{','.join(items)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(as_json, value))}]"
    if value is None:
        return "null"
    text = as_text(value)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else str(text)


def _tokens(field: str | None) -> Sequence[str]:
    if field is None:
        return ()
    if not field.startswith("/"):
        return (field,)
    return [token.replace("~1", "/").replace("~0", "~") for token in field[1:].split("/")]


def _child(node: object, token: str) -> object:
    if isinstance(node, (dict, Mapping)):  # a dict first: to ask `Mapping` takes ten times longer
        return node.get(token, _MISSING)
    if isinstance(node, list) and _INDEX.fullmatch(token) and int(token) < len(node):
        return node[int(token)]
    return _MISSING


def _names(node: object) -> Collection[str]:
    if isinstance(node, Mapping):
        return node.keys()
    if isinstance(node, list) and node:
        return ["0" if len(node) == 1 else f"0…{len(node) - 1}"]
    return ()
