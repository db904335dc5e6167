"""The settings class that reads from the vault what was a `.env`, as text to paste. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Sequence
from typing import Final

from pydantic import TypeAdapter

from vaultconfig.cli.importing.plan import Fate
from vaultconfig.settings import VaultSettings

_FOREIGN: Final = re.compile(r"[^a-z0-9_]+")
_TYPES: Final = frozenset({"bool", "int", "str"})  # a field of that name would hide it


def class_text(fates: Sequence[Fate]) -> str:
    """Return the source of a class with a field for each of *fates* but the connection's."""
    fields: dict[str, str] = {}
    for fate in fates:
        if fate.how != "connection":
            name = _attribute(fate.key, fields)
            fields[name] = _field(name, fate)
    body = list(fields.values()) or ["    pass"]
    source = "\n".join(body)
    names = [name for name in ("Field", "SecretStr") if re.search(rf"(= |: |\[){name}\b", source)]
    imports = [
        "from typing import Annotated\n" if "Annotated[" in source else "",
        f"from pydantic import {', '.join(names)}\n" if names else "",
        "from vaultconfig import VaultSettings\n\n",
    ]
    return "\n".join([*filter(None, imports), "class Settings(VaultSettings):", source])


def _field(name: str, fate: Fate) -> str:
    kind, text = fate.kind, fate.variable.value
    if fate.annotation is not None:
        kind = f"Annotated[{kind}, {_quoted(fate.annotation)}]"
    arguments = []
    if fate.how == "default":
        value = TypeAdapter(bool).validate_python(text) if fate.kind == "bool" else text
        default = _quoted(text) if fate.kind == "str" and text is not None else str(value)
        arguments.append(f"default={default}")
    if name != fate.key.lower():
        arguments.append(f"validation_alias={_quoted(fate.key)}")
    match arguments:
        case []:
            return f"    {name}: {kind}"
        case [only] if only.startswith("default="):
            return f"    {name}: {kind} = {only.removeprefix('default=')}"
    return f"    {name}: {kind} = Field({', '.join(arguments)})"


def _attribute(key: str, taken: Collection[str]) -> str:
    """Return the name of a field for *key* that means nothing else to Python or pydantic."""
    name = _FOREIGN.sub("_", key.lower())
    if not name.isidentifier() or name.startswith(("_", "model_")):
        name = f"field_{name.strip('_')}".rstrip("_")
    if keyword.iskeyword(name) or hasattr(VaultSettings, name) or name in _TYPES:
        name = f"{name}_"
    while name in taken:
        name = f"{name}_"
    return name


def _quoted(text: str) -> str:
    """Return *text* as a literal on one line, in double quotes where that needs no escapes."""
    literal = repr(str(text))
    return literal if '"' in literal else f'"{literal[1:-1]}"'
