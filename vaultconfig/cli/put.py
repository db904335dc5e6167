"""``vaultconfig put``: write a secret, with values that stay out of the shell's history."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

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


@click.command()
@click.argument("path")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=@FILE|KEY=-|KEY=VALUE...")
@click.option(
    "--type",
    "secret_type",
    default="kv",
    show_default=True,
    metavar="TYPE",
    help="Type of the secret.",
)
@click.option("--description", metavar="TEXT", help="A description, for people.")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="A tag, for listings; may be repeated."
)
@click.option(
    "--base64", "to_base64", is_flag=True, help="Encode the files as base64, for binary data."
)
@click.option("--merge", is_flag=True, help="Keep the other fields of the secret.")
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

    Fields that this removes are named; with --merge they stay.

    KEY=@FILE takes a file as it is, KEY=- standard input without its last line break; on a terminal
    it asks, and does not show what is typed. KEY=VALUE stays in the shell's history.

    \b
    Examples:
      vaultconfig put environments/production/db user=app password=-
      vaultconfig put shared/tls key=@tls.key certificate=@tls.crt
    """
    path = path_from(path)
    data = {
        key: _value(key, source, to_base64=to_base64) for key, source in _sources(pairs).items()
    }
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


def _sources(pairs: Sequence[str]) -> dict[str, str]:
    """Return for each key where its value is: ``-``, ``@FILE``, or the value itself."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, source = pair.partition("=")
        if not key or not equals:
            raise click.UsageError("each value is written KEY=@FILE, KEY=- or KEY=VALUE")
        if key in found:
            raise click.UsageError("a key is given twice")
        found[key] = source
    if list(found.values()).count("-") > 1:
        raise click.UsageError("standard input can be the value of one key only")
    shown = [key for key, source in found.items() if source != "-" and not source.startswith("@")]
    if shown:
        click.echo(
            f"Warning: {', '.join(shown)}: on the command line a value stays in the shell's "
            "history and in the list of processes; KEY=- and KEY=@FILE do not",
            err=True,
        )
    return found


def _value(key: str, source: str, *, to_base64: bool) -> str:
    if source == "-":
        return _typed(key)
    if not source.startswith("@"):
        return source
    try:
        with open(source[1:], "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as exc:
        raise ConfigurationError(f"{key}: {source[1:]}: {exc.strerror}") from None
    text = base64.b64encode(content).decode() if to_base64 else _decoded(content)
    if text is None or len(content) > _LARGEST:
        del content, text  # a traceback may show the locals of this frame
        raise ConfigurationError(
            f"{key}: {source[1:]} is not text, or too large: --base64 takes binary data"
        )
    return text


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


def _others(
    client: VaultClient, path: str, data: Mapping[str, str], *, needed: bool
) -> dict[str, Any]:
    """Return the fields that the secret has beside those of *data*, as far as it may be read."""
    try:
        present = client.read(path).data
    except SecretNotFoundError:
        present = {}
    except (SecretError, AuthenticationError):
        if needed:
            raise
        present = {}  # a token that may write need not be allowed to read
    return {key: value for key, value in present.items() if key not in data}
