"""The settings class that reads from the vault what was a `.env`, as text to paste. Pure."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence

from vaultconfig.settings import VaultSettings


def class_text(keys: Sequence[str], references: Mapping[str, str]) -> str:
    """Return the source of a class with a field for each of *keys*.

    Args:
        keys: The variables of the `.env`, in its order.
        references: Of those that are in the vault.
    """
    fields = [_field(key, references.get(key)) for key in keys]
    names = ["SecretStr"] if references else []
    if any("Field(" in field for field in fields):
        names.insert(0, "Field")
    imports = [
        "from typing import Annotated\n" if references else "",
        f"from pydantic import {', '.join(names)}\n" if names else "",
        "from vaultconfig import VaultSettings\n\n",
    ]
    body = [f"    {field}" for field in fields] or ["    pass"]
    return "\n".join([*filter(None, imports), "class Settings(VaultSettings):", *body])


def _field(key: str, reference: str | None) -> str:
    name = _attribute(key)
    kind = "str" if reference is None else f'Annotated[SecretStr, "{reference}"]'
    alias = "" if name == key.lower() else f' = Field(validation_alias="{key}")'
    return f"{name}: {kind}{alias}"


def _attribute(key: str) -> str:
    """Return the name of a field for *key* that means nothing else to Python or pydantic."""
    name = key.lower()
    if not name.isidentifier() or name.startswith(("_", "model_")):
        name = f"field_{name.strip('_')}"
    return f"{name}_" if keyword.iskeyword(name) or hasattr(VaultSettings, name) else name
