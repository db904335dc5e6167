"""``vaultconfig put``: write a secret, with values that stay out of the shell's history."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from vaultconfig.cli.connecting import open_vault, path_from
from vaultconfig.cli.options import common, json_option
from vaultconfig.cli.tables import as_json, printable
from vaultconfig.client import VaultClient
from vaultconfig.errors import (
    AuthenticationError,
    ConfigurationError,
    SecretError,
    SecretNotFoundError,
)

_LARGEST = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Pair:
    """A KEY and where its value is."""

    key: str
    kind: Literal["text", "file", "stdin"]
    rest: str

    @classmethod
    def parse(cls, text: str) -> _Pair:
        key, equals, rest = text.partition("=")
        if not key or not equals:
            raise click.UsageError("each value is written KEY=@FILE, KEY=- or KEY=VALUE")
        if rest == "-":
            return cls(key, "stdin", "")
        if rest.startswith("@"):
            return cls(key, "file", rest[1:])
        return cls(key, "text", rest)


@click.command()
@click.argument("path")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=@FILE|KEY=-|KEY=VALUE...")
@click.option("--type", "secret_type", default="kv", show_default=True, metavar="TYPE")
@click.option("--description", metavar="TEXT", help="For people.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="For listings; may be repeated.")
@click.option("--base64", "to_base64", is_flag=True, help="Encode the files, for what is binary.")
@click.option("--merge", is_flag=True, help="Keep the other fields that it has.")
@json_option
@common
def put(
    *,
    path: str,
    pairs: Sequence[str],
    secret_type: str,
    description: str | None,
    tags: Sequence[str],
    to_base64: bool,
    merge: bool,
    as_json_: bool,
) -> None:
    """Write the secret at PATH: a new one, or the next version with these fields and no others.

    The fields that are gone then are named; with --merge they stay.

    KEY=@FILE takes a file as it is, KEY=- standard input without its last line break; on a terminal
    it asks, and does not show what is typed. KEY=VALUE stays in the shell's history.

    \b
    Examples:
      vaultconfig put environments/production/db user=app password=-
      vaultconfig put shared/tls key=@tls.key certificate=@tls.crt
    """
    path = path_from(path)
    parsed = _parsed(pairs)
    data = {pair.key: _value(pair, to_base64=to_base64) for pair in parsed}
    with open_vault() as client:
        others = _others(client, path, data, needed=merge)
        written = {**others, **data} if merge else data
        result = client.write(
            path, written, secret_type=secret_type, description=description, tags=tags
        )
    created = " (new)" if result.created else ""
    click.echo(as_json(result) if as_json_ else f"{path}: version {result.version}{created}")
    if others and not merge:
        names = printable(", ".join(others))
        click.echo(f"Warning: no longer in it: {names}; --merge keeps them", err=True)


def _parsed(pairs: Sequence[str]) -> list[_Pair]:
    parsed = [_Pair.parse(pair) for pair in pairs]
    if len({pair.key for pair in parsed}) < len(parsed):
        raise click.UsageError("a key is given twice")
    if sum(pair.kind == "stdin" for pair in parsed) > 1:
        raise click.UsageError("standard input can be the value of one key only")
    shown = [pair.key for pair in parsed if pair.kind == "text"]
    if shown:
        click.echo(
            f"Warning: {', '.join(shown)}: on the command line a value stays in the shell's "
            "history and in the list of processes; KEY=- and KEY=@FILE do not",
            err=True,
        )
    return parsed


def _others(
    client: VaultClient, path: str, data: Mapping[str, str], *, needed: bool
) -> dict[str, Any]:
    """Return the fields that the secret has beside those of *data*, as far as we may see them."""
    try:
        present = client.read(path).data
    except SecretNotFoundError:
        present = {}
    except (SecretError, AuthenticationError):
        if needed:
            raise
        present = {}  # whoever may write need not be allowed to read
    return {key: value for key, value in present.items() if key not in data}


def _value(pair: _Pair, *, to_base64: bool) -> str:
    match pair.kind:
        case "text":
            return pair.rest
        case "stdin":
            return _typed(pair.key)
    try:
        with Path(pair.rest).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as exc:
        problem = f"{pair.rest}: {exc.strerror}"
    else:
        text = base64.b64encode(content).decode() if to_base64 else _decoded(content)
        if text is not None and len(content) <= _LARGEST:
            return text
        problem = f"{pair.rest} is not text, or too large: --base64 takes what is binary"
    raise ConfigurationError(f"{pair.key}: {problem}")


def _typed(key: str) -> str:
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed: use KEY=@FILE")
    if sys.stdin.isatty():
        answer: str = click.prompt(key, hide_input=True, err=True)
        return answer
    text = _decoded(sys.stdin.buffer.read())
    if text is None:
        raise ConfigurationError(f"{key}: standard input is not text: use KEY=@FILE with --base64")
    return text.removesuffix("\n").removesuffix("\r")


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
