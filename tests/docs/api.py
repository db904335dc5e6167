"""Writes docs/reference/api.md from the signatures and docstrings. Run by ``make api``.

The code is read, not run: so names that are loaded late, overloads and drivers that are not
installed make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import griffe

from tests.docs.blocks import DOCS, ROOT

PAGE: Final = DOCS / "reference/api.md"
MODULES: Final = (
    *("vaultconfig", "vaultconfig.errors", "vaultconfig.testing", "vaultconfig.devserver"),
    *("vaultconfig.fastapi", "vaultconfig.asgi", "vaultconfig.django", "vaultconfig.redaction"),
    *("vaultconfig.drivers.sqlalchemy", "vaultconfig.drivers.psycopg"),
    *("vaultconfig.drivers.asyncpg", "vaultconfig.drivers.redis"),
)
"""Those whose ``__all__`` applications may rely on."""

INTERNAL: Final = {
    *("Body.from_json", "Body.parse", "Change.concerns", "Change.followed_by"),
    *("ClientCredentials.abandon", "ClientCredentials.sync_auth_flow", "Fault.concerns"),
    *("Fault.lag_of", "Identity.require_scope", "KeptFresh.after_fork", "KeptFresh.measured"),
    *("KeptFresh.uses", "LiveSettings.redactor", "LiveSettings.seams", "LoggedRequest.is_about"),
    *("MissingExtraError.purpose", "SharedSource.current_state", "SharedSource.forget"),
    *("SharedSource.get_field_value", "SharedSource.settings_sources_data"),
    *("StaticToken.auth_flow", "TokenFile.auth_flow", "UnresolvedSettingsError.derive"),
    *("VaultClient.subscription", "VaultRef.key", "VaultRef.of", "VaultSettings._build_sources"),
    *("VaultSettings.model_config", "VaultSettings.model_post_init"),
    *("VaultSettingsSource.for_purpose", "VaultSettingsSource.completed"),
    *("VaultSettingsSource.purpose", "VaultSettingsSource.situation"),
}
"""Members and parameters, each of its class, that only we, httpx or pydantic use."""

INTRODUCTION: Final = """\
# API

<!-- Made from the docstrings by `make api`; change them there. -->

All that an application may rely on. What is not on this page may change in any release.
Durations are seconds where nothing else is said.
"""
COLUMNS: Final = {"parameters": "argument", "attributes": "attribute", "raises": "raises"}
"""What stands above the table that a section of a docstring becomes; in the order of the tables."""

WIDTH: Final = 90
"""Characters of a line of a signature."""


class Entry(NamedTuple):
    """Something with a heading of its own: a module, a public name, or a method of one."""

    level: int
    title: str
    thing: Any  # griffe's classes have no type in common that tells them apart


def page() -> str:
    """Return the page."""
    package = griffe.load("vaultconfig", search_paths=[ROOT], docstring_parser="google")
    entries = list(_entries(package))
    titles = {entry.title for entry in entries}
    blocks = [block for entry in entries for block in _blocks(entry, titles)]
    return "\n\n".join([INTRODUCTION.strip(), *blocks]) + "\n"


def _entries(package: Any) -> Iterator[Entry]:
    for path in MODULES:
        inside = path.removeprefix("vaultconfig").strip(".")
        module = package[inside] if inside else package
        yield Entry(2, path, module)
        for name in module.exports:
            thing = module[name].final_target if module[name].is_alias else module[name]
            # Two modules have a function of one name, and a heading leads to one place.
            yield Entry(3, name if thing.is_class else f"{inside}.{name}".strip("."), thing)
            if thing.is_class:
                for member, each in _members(thing).items():
                    if each.is_function or "property" in each.labels:
                        yield Entry(4, f"{name}.{member}", each)


def _members(thing: Any) -> dict[str, Any]:
    return {
        name: each
        for name, each in thing.members.items()
        if name[0] != "_" and f"{thing.name}.{name}" not in INTERNAL
    }


def _blocks(entry: Entry, titles: set[str]) -> Iterator[str]:
    """Yield the heading, the signature, the text, and a table for each section of the docstring."""
    thing = entry.thing
    yield f"{'#' * entry.level} {entry.title}"
    constructor = thing.members.get("__init__") if thing.is_class else None
    documented = [each for each in (thing, constructor) if each and each.docstring]
    sections = [section for each in documented for section in each.docstring.parsed]
    if not thing.is_module:
        yield "\n".join(["```py", *_signatures(entry, constructor, titles), "```"])
    tables: dict[str, dict[str, str]] = {column: {} for column in COLUMNS.values()}
    for section in sections:
        kind = section.kind.value
        if kind == "text":
            yield _linked(section.value, entry, titles)
        elif kind == "returns":
            yield _linked(f"Returns: {section.value[0].description}", entry, titles)
        else:
            for each in section.value:
                name = str(each.annotation) if kind == "raises" else each.name
                tables[COLUMNS[kind]][name] = each.description
    if thing.is_class:
        _add_attributes(entry, tables)
    for column, rows in ((column, rows) for column, rows in tables.items() if rows):
        lines = [f"| {column} | {'when' if column == 'raises' else 'meaning'} |", "|---|---|"]
        for name, text in rows.items():
            if f"{entry.title}.{name}" not in INTERNAL:
                code = _linked(f"`{name}`", entry, titles) if column == "raises" else f"`{name}`"
                lines.append(f"| {code} | {' '.join(_linked(text, entry, titles).split())} |")
        yield "\n".join(lines)


def _add_attributes(entry: Entry, tables: dict[str, dict[str, str]]) -> None:
    """Add the attributes that have a docstring of their own.

    Raises:
        ValueError: One has no description at all.
    """
    told = {name for rows in tables.values() for name in rows}
    for name, each in _members(entry.thing).items():
        if each.is_attribute and "property" not in each.labels and name not in told:
            if each.docstring is None:
                raise ValueError(f"{entry.title}.{name} has no description")
            tables["attribute"][name] = each.docstring.value


def _signatures(entry: Entry, constructor: Any, titles: set[str]) -> Iterator[str]:
    thing = entry.thing
    if thing.is_attribute:
        yield f"{thing.name}: {thing.annotation}"
    elif thing.is_function:
        for each in thing.overloads or [thing]:
            yield _call(each, entry)
    # An exception is caught, and what has only fields is returned: neither is made by the reader.
    elif constructor and constructor.lineno and thing.module.path != "vaultconfig.errors":
        yield _call(constructor, entry)
    else:
        known = [str(b) for b in thing.bases if b.canonical_name in titles or not _is_ours(b)]
        yield f"class {thing.name}({', '.join(known)})" if known else f"class {thing.name}"
        for name, each in _members(thing).items():
            if each.is_attribute and "property" not in each.labels and each.annotation:
                yield f"    {name}: {each.annotation}"


def _is_ours(base: Any) -> bool:
    return str(base.canonical_path).startswith("vaultconfig.")


def _call(function: Any, entry: Entry) -> str:
    """Return how *function* is called, an argument a line where that is long."""
    for name in [each.name for each in function.parameters]:
        if name in {"self", "cls"} or f"{entry.title}.{name}" in INTERNAL:
            del function.parameters[name]
    called = function.signature(name=entry.thing.name, return_type=False)
    if "async" in function.labels:
        called = f"async {called}"
    returns = "" if function.name == "__init__" else f" -> {function.returns}"
    if len(called + returns) > WIDTH:
        depth, at = 0, called.index("(") + 1
        broken = f"{called[:at]}\n    "
        for character in called[at:-1]:
            depth += (character in "([") - (character in ")]")
            broken += ",\n   " if character == "," and not depth else character
        called = f"{broken},\n)"
    return called + returns


def _linked(text: str, entry: Entry, titles: set[str]) -> str:
    """Return *text* with links from the names in backticks that stand on the page."""
    owner = entry.title.partition(".")[0]

    def link(found: re.Match[str]) -> str:
        name = found[1].removeprefix("vaultconfig.")
        title = next((t for t in (f"{owner}.{name}", name, found[1]) if t in titles), entry.title)
        anchor = title.lower().replace(".", "")
        return found[0] if title == entry.title else f"[{found[0]}](#{anchor})"

    return re.sub(r"(?<!`)`([\w.]+)`(?!`)", link, text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
