"""What one load leaves to the vault: a field, or a value that is a reference. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from vaultconfig.errors import (
    ConfigurationError,
    InvalidReferenceError,
    SettingFailure,
    VaultConfigError,
)
from vaultconfig.loading.annotations import Declared
from vaultconfig.loading.fields import ModelField
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.pieces import Piece
from vaultconfig.loading.places import Place
from vaultconfig.references import Template, VaultRef, expanded_in, is_reference, parse

REFERENCE_KEY: Final = "vault: reference"
"""Where, in the input of a complex field, a reference stands that others are merged over."""

_JSON_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)  # or a key
_EXPANSION: Final = re.compile(r"\$\{(?!vault:)[^}]*\}")

FillPlaceholders: TypeAlias = Callable[[Declared], Declared]
"""Returns a reference without placeholders, or raises what is wrong with them."""


class Need(NamedTuple):
    """A value that the vault is to give.

    Attributes:
        name: The field, dotted, as its class spells it.
        field: The field; None is a part of a list or mapping.
        wanted: What fills it, without placeholders; or what is wrong with that; or a literal.
        references: Those in it, for messages; their placeholders may be unfilled.
        layer: Whose value the reference stands as; None is an annotation.
        place: Where it stands there.
    """

    name: str
    field: ModelField | None
    wanted: Declared | VaultConfigError | str
    references: tuple[VaultRef, ...] = ()
    layer: Layer | None = None
    place: Place = ()

    @property
    def shown(self) -> str | None:
        """The references as text: what is around them in a template may be secret."""
        if self.references:
            return ", ".join(map(str, self.references))
        return getattr(self.wanted, "reference", None)

    def failed(self, error: VaultConfigError) -> SettingFailure:
        """Return *error* as the failure of this setting, with the variable that it came from."""
        variable = self.layer.variable_around(self.place) if self.layer is not None else None
        shown = ", ".join(map(str, self.references)) or None
        return SettingFailure(self.name, shown, error, variable)


def of_annotation(name: str, field: ModelField, fill: FillPlaceholders) -> Need:
    """Return the need of a field whose annotation carries a reference."""
    declared = field.declared
    if isinstance(declared, VaultRef) and not declared.placeholders:  # as nearly all are
        return Need(name, field, declared, (declared,))
    return Need(name, field, *_without_placeholders(declared, fill))


def of_value(
    text: str, piece: Piece, *, name: str, field: ModelField | None, fill: FillPlaceholders
) -> Need:
    """Return the need of a value that is a reference, or nearly one.

    Args:
        text: The reference.
        piece: Where it stands.
        name: The field, dotted.
        field: See `Need`.
        fill: See `FillPlaceholders`.
    """
    layer, place = piece.layer, piece.place
    problem = _expanded(text, layer.as_written(text)) if layer else None
    if problem is not None:
        return Need(name, field, problem, (), layer, place)
    try:
        declared: Declared | ConfigurationError | str = parse(text)
    except InvalidReferenceError as error:
        declared = error.with_traceback(None)
    return Need(name, field, *_without_placeholders(declared, fill), layer, place)


def _without_placeholders(
    declared: Declared | ConfigurationError | str | None, fill: FillPlaceholders
) -> tuple[Declared | VaultConfigError | str, tuple[VaultRef, ...]]:
    if not isinstance(declared, (VaultRef, Template)):
        return declared or "", ()
    try:
        filled = fill(declared)
    except VaultConfigError as error:
        return error.with_traceback(None), references_of(declared)
    return filled, references_of(filled)


def _expanded(text: str, as_written: str | None) -> InvalidReferenceError | None:
    """Return the error of a reference in which `.env` has expanded a variable."""
    if as_written is None:
        return None
    if _is_expanded_into(text, as_written):
        expected = "a template, ${vault:path#field}, since the variable is a reference itself"
        return InvalidReferenceError(expanded_in(as_written), column=1, expected=expected)
    references = _references_in(as_written)
    if references is not None and references == _references_in(text):
        return None
    # The value that was put into the reference, a token perhaps, must not show.
    expected = "a reference in which .env expands no variable"
    return InvalidReferenceError(expanded_in(as_written), column=1, expected=expected)


def template_in(value: Any, field: ModelField | None) -> str | None:
    """Return the template that a text is whose *field* reads it as JSON, with references in that.

    A reference stands there as a string, as ``{"password": "vault:path#field"}``.
    """
    if field is None or not field.takes_json or type(value) is not str or '"vault:' not in value:
        return None
    return _JSON_STRING.sub(_inserted, value)


def _inserted(string: re.Match[str]) -> str:
    text, is_key = string.groups()
    if is_key or not text.startswith("vault:") or "\\" in text:
        return string[0]
    if text.startswith("vault::"):
        return f'"{text.replace("::", ":", 1)}"'
    of_template = set("}|") & set(text.partition("#")[2])  # where these would end the reference
    return f'"${{{text}}}"' if is_reference(text) and not of_template else string[0]


def expands_reference(value: Any, layer: Layer) -> bool:
    """Whether *value* is a text into which `.env` has expanded a variable that is a reference."""
    if type(value) is not str or "vault:" not in value:
        return False
    as_written = layer.as_written(value)
    return as_written is not None and _is_expanded_into(value, as_written)


def _is_expanded_into(text: str, as_written: str) -> bool:
    literals = _EXPANSION.split(as_written)
    found = re.fullmatch("(.*)".join(map(re.escape, literals)), text, re.DOTALL)
    parts = found.groups() if found and any(literals) else ()
    return any(is_reference(part) and set("/#") & set(part) for part in parts)


def _references_in(text: str) -> Sequence[VaultRef] | None:
    try:
        return references_of(parse(text))
    except InvalidReferenceError:
        return None


def references_of(declared: object) -> tuple[VaultRef, ...]:
    """Return the references in what fills a field."""
    if isinstance(declared, VaultRef):
        return (declared,)
    return declared.references if isinstance(declared, Template) else ()


def reference_in(value: Any) -> str | None:
    """Return the reference that *value* is, or that others are merged over, as text."""
    if type(value) is dict:
        value = value.get(REFERENCE_KEY)
    # Exactly str: what came from the vault (a nested settings class hands it on) stays as it is.
    return value if type(value) is str and is_reference(value) else None
