"""What a slot is filled with: fields, rendered templates, decoded JSON. Pure.

Every value that leaves is masked. Errors are returned, not raised: the frames here hold values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from vaultconfig.errors import FieldNotFoundError, SecretError, VaultConfigError
from vaultconfig.loading.annotations import Declared, Decoding, Target
from vaultconfig.masking.values import mask
from vaultconfig.references import Resolved, Template, VaultRef, as_text

Answers: TypeAlias = Mapping[VaultRef, Resolved | VaultConfigError]


def fill(declared: Declared, answers: Answers, target: Target) -> Any:
    """Return the value that *declared* stands for, or the `VaultConfigError` in its way.

    Args:
        declared: Without placeholders.
        answers: One for each reference in *declared*.
        target: What the field can take.
    """
    references = (declared,) if isinstance(declared, VaultRef) else declared.references
    resolved: list[Resolved] = []
    for reference in references:
        answer = answers[reference]
        if isinstance(answer, VaultConfigError):
            return answer
        resolved.append(answer)
    if isinstance(declared, VaultRef):
        return _fitted(resolved[0], declared, target)
    return _rendered(declared, resolved, target)


def _fitted(resolved: Resolved, reference: VaultRef, target: Target) -> Any:
    if isinstance(resolved.value, str):
        return _decoded(resolved.value, resolved.secret.path, target.decoding)
    if reference.field is None and not target.takes_objects:
        path, available = resolved.secret.path, list(resolved.value)
        return FieldNotFoundError(path, None, available=available)
    return resolved.value


def _rendered(template: Template, resolved: list[Resolved], target: Target) -> Any:
    texts = [as_text(item.value) for item in resolved]
    for text, item, reference in zip(texts, resolved, template.references, strict=True):
        path = item.secret.path
        if text is None and reference.field is None:
            return FieldNotFoundError(path, None, available=list(item.value))
        if text is None:
            return SecretError(
                f"field {reference.field!r} of {path} is an object, a list or null:"
                " a template takes single values",
                path=path,
            )
    rendered = mask(template.render([text for text in texts if text is not None]))
    return _decoded(rendered, resolved[0].secret.path, target.decoding)


def _decoded(text: str, path: str, decoding: Decoding) -> Any:
    if decoding is Decoding.NEVER:
        return text
    value = _object_in(text)
    if value is not None:
        return value
    if decoding is Decoding.WHERE_POSSIBLE:
        return text
    return SecretError(
        f"the text from {path} is not a JSON object or list, which the field takes", path=path
    )


def _object_in(text: str) -> Any:
    """Return the JSON object or list that *text* is, masked, or None."""
    try:
        value = mask(json.loads(text), keys=True)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
