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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from vaultconfig.devserver.answers import ApiError
from vaultconfig.devserver.bodies import Body, Draft
from vaultconfig.devserver.identities import Identity, OAuthClient
from vaultconfig.devserver.paths import check_path
from vaultconfig.errors import ConfigurationError, missing_extra

_Table: TypeAlias = Mapping[str, Mapping[str, Any]]

_Body = TypeVar("_Body", bound=Body)
_SECTIONS = ("$about", "$tokens", "$clients")


@dataclass(frozen=True, slots=True)
class Seed:
    """What a seed file says.

    Attributes:
        secrets: By path.
        tokens: Whose they are, by token.
        clients: By client id.
    """

    secrets: Mapping[str, Draft]
    tokens: Mapping[str, Identity] = field(repr=False)
    clients: Mapping[str, OAuthClient]


class _Mistake(Exception):  # noqa: N818 -- it never leaves this module
    """A text without values."""


def read_seed(file: Path) -> Seed:
    """Read and check a seed file.

    Raises:
        ConfigurationError: What is wrong and where; never what the value is.
    """
    name, parse = _FORMATS.get(file.suffix.lower(), ("", None))
    try:
        if parse is None:
            raise _Mistake("name it .toml, .json, .yaml or .yml")
        return _seed(parse(file.read_text("utf-8-sig")))
    except OSError as exc:
        problem = f"it can't be read ({exc.strerror})"
    except UnicodeError:
        problem = "it is not UTF-8 text"
    except _Mistake as exc:
        problem = str(exc)
    except (ValueError, RecursionError) as exc:  # whose message may quote the text
        at = re.search(r"line (\d+),? column (\d+)", str(exc))
        where = f" (line {at[1]}, column {at[2]})" if at else ""
        if "end of document" in str(exc):
            where = " (end of document)"
        problem = f"it is not {name}{where}: correct it there"
    raise ConfigurationError(f"seed {file}: {problem}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):  # not named: in "$tokens" it is a token
        raise _Mistake("an object repeats a key: keep one of them")
    return table


def _parse_yaml(text: str) -> Any:
    if missing := missing_extra("a seed in YAML", ["yaml"], extra="yaml"):
        raise _Mistake(f"{missing}, or write it in TOML")
    import yaml

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
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
    raise ValueError(f"line {mark.line + 1} column {mark.column + 1}" if mark else "")


_FORMATS: dict[str, tuple[str, Callable[[str], Any]]] = {
    ".toml": ("TOML", tomllib.loads),
    ".json": ("JSON", partial(json.loads, object_pairs_hook=_distinct)),
    ".yaml": ("YAML", _parse_yaml),
    ".yml": ("YAML", _parse_yaml),
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
        # Which token it is stays unsaid.
        tokens={token: _parsed(Identity, "$tokens", who) for token, who in tokens.items()},
        clients={name: _parsed(OAuthClient, f"$clients.{name}", c) for name, c in clients.items()},
    )


def _section(document: Mapping[str, Any], name: str) -> _Table:
    section = document.get(name, {})
    if not (isinstance(section, dict) and all(isinstance(v, dict) for v in section.values())):
        raise _Mistake(f'"{name}" has to hold tables')
    if not all(isinstance(key, str) for key in section):
        raise _Mistake(f'"{name}" has a key that is not a text: put it in quotes')
    return section


def _draft(path: object, data: Any, about: Mapping[str, Any] | None) -> Draft:
    if not isinstance(path, str):
        raise _Mistake(f"{path!r} is not a path: put it in quotes")
    if "/" not in path and about is None and _holds_only_tables(data):
        meant, inner = path, data
        while _holds_only_tables(inner):
            name, inner = next(iter(inner.items()))
            meant = f"{meant}/{name}"
        raise _Mistake(
            f"{path} holds only tables, as [a.b] does where a/b is meant: write the path as one"
            f' key in quotes, ["{meant}"]; if {path} is itself a secret of tables,'
            ' name it in "$about" too'
        )
    try:
        check_path(path)
        return Draft.parse({**(about or {}), "data": data})
    except ApiError as exc:
        problem = exc.message
        if exc.fields and "data" in exc.fields:
            problem = (
                "its data has to be a table of texts, numbers, booleans, lists and tables"
                " (put dates, and keys that are numbers, in quotes)"
            )
    raise _Mistake(f"{path}: {problem}")


def _holds_only_tables(data: Any) -> bool:
    return isinstance(data, dict) and bool(data) and all(isinstance(v, dict) for v in data.values())


def _parsed(model: type[_Body], where: str, fields: Mapping[str, Any]) -> _Body:
    try:
        return model.parse(fields)
    except ApiError as exc:
        problem = exc.message
    raise _Mistake(f"{where}: {problem}")
