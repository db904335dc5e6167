"""The JSON schema on the page, and as much of JSON Schema as it needs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs/reference/command-line.md"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": type(None),
}
KNOWN = {"$schema", "type", "enum", "properties", "required", "additionalProperties", "items"}


def shown_schema() -> Any:
    """Return the schema that the page shows."""
    page = PAGE.read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return json.loads(shown)


def validate(value: Any, schema: Any, place: str = "$") -> None:
    """Assert that *value* is as *schema* has it."""
    assert schema.keys() <= KNOWN, place
    if "enum" in schema:
        assert value in schema["enum"], place
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert type(value) in [TYPES[name] for name in names], place
    if isinstance(value, dict):
        assert set(schema["required"]) <= value.keys(), place
        assert schema["additionalProperties"] is False
        for name, item in value.items():
            validate(item, schema["properties"][name], f"{place}.{name}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            validate(item, schema["items"], f"{place}[{index}]")
