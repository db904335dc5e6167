"""What a need is filled with: a field of a secret, a rendered template, decoded text. Pure.

Every value that leaves is masked. Errors are returned, not raised: the frames here hold values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from vaultconfig.errors import FieldNotFoundError, SecretError, VaultConfigError
from vaultconfig.loading.fields import ModelField
from vaultconfig.loading.needs import Need
from vaultconfig.loading.places import own_containers
from vaultconfig.masking.values import mask
from vaultconfig.references import Resolved, Template, VaultRef, as_json, as_text

Answers: TypeAlias = Mapping[VaultRef, Resolved | VaultConfigError]

ReadText: TypeAlias = Callable[[ModelField, str], Any]
"""Makes of a text what a variable with that text would give the field, or raises ValueError."""


def fill(need: Need, answers: Answers, read_text: ReadText) -> Any:
    """Return the value that fills *need*, or the `VaultConfigError` in its way.

    Args:
        need: Its references are without placeholders.
        answers: One for each reference in *need*.
        read_text: See `ReadText`.
    """
    declared, field = need.wanted, need.field
    if not isinstance(declared, (VaultRef, Template)):
        return declared
    resolved: list[Resolved] = []
    for reference in need.references:
        answer = answers[reference]
        if isinstance(answer, VaultConfigError):
            return answer
        resolved.append(answer)
    if isinstance(declared, Template):
        value = _rendered(declared, resolved, field)
    else:
        value = _fitted(resolved[0], declared, field)
    if not isinstance(value, str):
        return own_containers(value)  # validators may change them, and all loads share an answer
    # A text from the vault counts as a variable with that text would in its place.
    variables = need.layer.variables if need.layer is not None else None
    try:
        if variables is not None and variables.name_at(need.place) is not None:
            result = variables.read(need.place, value)
        else:
            result = value if field is None else read_text(field, value)
        return value if result is value else mask(result, keys=True)
    except (ValueError, RecursionError):  # the latter is nested too deeply for whatever follows
        path = resolved[0].secret.path
    return SecretError(
        f"the text from {path} is not a JSON object or list, which the field takes", path=path
    )


def _fitted(resolved: Resolved, reference: VaultRef, field: ModelField | None) -> Any:
    value = resolved.value
    if field is None or isinstance(value, str):
        return value
    if reference.field is None and not field.takes_objects:
        return FieldNotFoundError(resolved.secret.path, None, available=list(value))
    return as_wanted(field, value)


def as_wanted(field: ModelField, value: Any) -> Any:
    """Return a JSON *value* of the vault as text, where that is what the field takes."""
    if not field.wants_text or value is None or isinstance(value, str):
        return value
    return mask(as_json(value))


def _rendered(template: Template, resolved: list[Resolved], field: ModelField | None) -> Any:
    texts = [as_text(item.value) for item in resolved]
    for text, item, reference in zip(texts, resolved, template.references, strict=True):
        path = item.secret.path
        if reference.field is None:
            return FieldNotFoundError(path, None, available=list(item.value))
        if text is None:
            return SecretError(
                f"field {reference.field!r} of {path} is an object, a list or null:"
                " a template takes single values",
                path=path,
            )
    # What the vault has is data: it neither ends a string of the JSON around it nor escapes in it.
    is_json = field is not None and field.takes_objects and template.is_like_json
    return mask(template.render([text for text in texts if text is not None], as_json=is_json))
