"""Seed files: what a dev server holds at first, in TOML, JSON or YAML. Reads one file, no more.

["environments/development/db"]        # a path, and its data
user = "app"

["$about"."environments/development/db"]   # optional: what else a PUT may say
secret_type = "kv"
metadata = { tags = ["db"] }

["$tokens".reader-token]               # optional: further tokens, and whose they are
scopes = ["secrets:read"]
read = ["environments/development/**"]

["$clients".billing]                   # optional: OAuth clients
secret = "billing-secret"
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

from vaultconfig.devserver.drafts import Draft, is_json_object
from vaultconfig.devserver.identities import Identity
from vaultconfig.devserver.paths import check_path
from vaultconfig.devserver.problems import ApiError
from vaultconfig.errors import ConfigurationError

Table: TypeAlias = Mapping[str, Mapping[str, Any]]

_SECTIONS = ("$about", "$tokens", "$clients")
_IDENTITY = {f.name for f in fields(Identity)}
_OF_CLIENTS = _IDENTITY - {"identity_id"}  # that is the client's id
_LISTS = ("scopes", "read", "write", "other_tenants")


@dataclass(frozen=True, slots=True)
class Seed:
    """What a seed file says.

    Attributes:
        secrets: By path.
        tokens: The fields of `Identity`, by token.
        clients: The same and the client's ``secret``, by client id.
    """

    secrets: Mapping[str, Draft]
    tokens: Table = field(repr=False)
    clients: Table = field(repr=False)


def read_seed(file: Path) -> Seed:
    """Read and check a seed file.

    Raises:
        ConfigurationError: What is wrong and where; never what the value is.
    """
    document = _parse(file)
    try:
        return _seed(document)
    except _Mistake as exc:
        problem = str(exc)
    raise ConfigurationError(f"seed {file}: {problem}")


class _Mistake(Exception):  # noqa: N818 -- it never leaves this module
    """A text without values."""


def _parse(file: Path) -> Any:
    parse = _PARSERS.get(file.suffix.lower())
    if parse is None:
        raise ConfigurationError(f"seed {file}: name it .toml, .json, .yaml or .yml")
    try:
        return parse(file.read_text("utf-8-sig"))
    except OSError as exc:
        problem = f"it can't be read ({exc.strerror})"
    except UnicodeError:
        problem = "it is not UTF-8 text"
    except _Mistake as exc:
        problem = str(exc)
    except (ValueError, RecursionError) as exc:
        problem = f"it is not {file.suffix[1:].upper()}{_where(exc)}: correct it there"
    raise ConfigurationError(f"seed {file}: {problem}")


def _where(exc: Exception) -> str:
    """The place alone: a parser's message may quote the text."""
    if isinstance(exc, json.JSONDecodeError):
        return f" (line {exc.lineno}, column {exc.colno})"
    found = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(exc))
    return f" ({found[1]})" if found else ""


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):  # not named: in "$tokens" it is a token
        raise _Mistake("an object repeats a key: keep one of them")
    return table


def _parse_yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError:
        raise _Mistake("install pyyaml for a seed in YAML, or write it in TOML") from None

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 -- as PyYAML has it
            seen: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in seen:
                    raise _Mistake(
                        f"line {key.start_mark.line + 1} repeats a key: keep one of them"
                    )
                seen.add(str(key.value))
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 -- it is a SafeLoader
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    except yaml.YAMLError:
        place = ""
    raise _Mistake(f"it is not YAML{place}: correct it there")


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".json": _parse_json,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


def _seed(document: Any) -> Seed:
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise _Mistake("paths with their data are needed, as a table")
    about, tokens, clients = (_section(document, name) for name in _SECTIONS)
    paths = [path for path in document if path not in _SECTIONS]
    if stray := sorted(set(about) - set(paths)):
        raise _Mistake(f'"$about" names {stray[0]}, which has no data here')
    return Seed(
        secrets={path: _draft(path, document[path], about.get(path)) for path in paths},
        tokens={token: _identity("$tokens", who, _IDENTITY) for token, who in tokens.items()},
        clients={client: _client(client, who) for client, who in clients.items()},
    )


def _section(document: Mapping[str, Any], name: str) -> Table:
    section = document.get(name, {})
    if not (isinstance(section, dict) and all(isinstance(v, dict) for v in section.values())):
        raise _Mistake(f'"{name}" has to hold tables')
    if not all(isinstance(key, str) for key in section):
        raise _Mistake(f'"{name}" has a key that is not a text: put it in quotes')
    return section


def _draft(path: object, data: Any, about: Mapping[str, Any] | None) -> Draft:
    if not isinstance(path, str):
        raise _Mistake(f"{path!r} is not a path: put it in quotes")
    if not is_json_object(data):
        raise _Mistake(
            f"{path}: its data has to be a table of texts, numbers, booleans, lists and tables"
            " (put dates, and keys that are numbers, in quotes)"
        )
    if "/" not in path and about is None and _holds_only_tables(data):
        raise _Mistake(
            f"{path} holds only tables, as [a.b] does where a/b is meant: write the path as one"
            f' key in quotes, ["{_deepest(path, data)}"]; if {path} is itself a secret of tables,'
            ' name it in "$about" too'
        )
    try:
        check_path(path)
        return Draft.parse({**(about or {}), "data": data})
    except ApiError as problem:
        details = (problem.details or {}).get("fields", {})
        wrong = "; ".join(f"{name}: {expected}" for name, expected in details.items())
        message = f"{path}: {wrong or problem.message}"
    raise _Mistake(message)


def _holds_only_tables(data: Mapping[str, Any]) -> bool:
    return bool(data) and all(isinstance(value, dict) for value in data.values())


def _deepest(path: str, data: Mapping[str, Any]) -> str:
    """Return the path that the first of the tables in *data* was probably meant to have."""
    while _holds_only_tables(data):
        name, data = next(iter(data.items()))
        path = f"{path}/{name}"
    return path


def _client(client_id: str, who: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(who.get("secret"), str):
        raise _Mistake(f'"$clients".{client_id}: its secret is missing')
    rest = {name: value for name, value in who.items() if name != "secret"}
    return {"secret": who["secret"], **_identity(f'"$clients".{client_id}', rest, _OF_CLIENTS)}


def _identity(where: str, who: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    if unknown := sorted(set(map(str, who)) - known):
        raise _Mistake(f"{where}: no such key: {unknown[0]}; there are {' '.join(sorted(known))}")
    for name, value in who.items():
        texts = value if name in _LISTS else [value]
        if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            raise _Mistake(
                f"{where}: {name} has to be {'a list of texts' if name in _LISTS else 'a text'}"
            )
    return {name: tuple(value) if name in _LISTS else value for name, value in who.items()}
