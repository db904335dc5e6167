"""The references of a class in its JSON schema, beside what pydantic says there. Pure, no values.

Imported with the first schema that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from pydantic import GetJsonSchemaHandler

from vaultconfig.loading.fields import fields_of, title_of
from vaultconfig.loading.needs import references_of
from vaultconfig.references import VaultRef

KEY: Final = "x-vault"


def add_references(
    schema: dict[str, Any],
    model: type,
    handler: GetJsonSchemaHandler,
    seen: frozenset[type] = frozenset(),
) -> None:
    """Put the reference of each field of *model* into its property, and into nested models.

    What stands there under `KEY` stays. The default of what the vault fills is taken away: it may
    be a secret of development.

    Args:
        schema: That of *model*, which changes.
        handler: Knows the schemas of nested models.
        seen: The models that it is nested in.
    """
    properties = schema.get("properties", {})
    for field in fields_of(model):
        names = (*(place[0] for place in field.places), field.name)
        found = next((properties[name] for name in names if name in properties), None)
        if found is None or not field.bears_references:
            continue
        references = [str(reference) for reference in references_of(field.declared)]
        if references:
            # Of a template only these: the text around them may be secret.
            is_one = isinstance(field.declared, VaultRef)
            found.setdefault(KEY, references[0] if is_one else references)
        said = field.info.json_schema_extra
        is_said = isinstance(said, dict) and "default" in said
        if found.get("default") is not None and not is_said:
            del found["default"]
        for nested in _nested_in(found, handler):
            for inner in field.models:
                # Only its title says which class a schema is of.
                if inner not in seen and nested.get("title") == title_of(inner):
                    add_references(nested, inner, handler, seen | {model})


def _nested_in(schema: Any, handler: GetJsonSchemaHandler) -> Iterator[dict[str, Any]]:
    """Yield the schemas that *schema*, that of a field, refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from _nested_in(item, handler)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            with suppress(LookupError):  # one that is still being made: it holds itself
                yield handler.resolve_ref_schema({"$ref": schema["$ref"]})
        for key in ("anyOf", "oneOf", "allOf", "items", "additionalProperties"):
            yield from _nested_in(schema.get(key), handler)
