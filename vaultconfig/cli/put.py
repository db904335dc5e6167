"""``vaultconfig put``: write a secret, with values that stay out of the shell's history."""

from __future__ import annotations

import base64
import sys
from collections.abc import Collection, Sequence

import click

from vaultconfig.cli.connecting import open_vault, path_from
from vaultconfig.cli.failures import DIFFERS
from vaultconfig.cli.options import common, complete_path, json_option
from vaultconfig.cli.tables import as_json, printable
from vaultconfig.cli.wording import moment
from vaultconfig.client import VaultClient, WriteResult
from vaultconfig.client.transport import LARGEST_ANSWER
from vaultconfig.errors import (
    AuthenticationError,
    ConfigurationError,
    SecretError,
    SecretNotFoundError,
)
from vaultconfig.references.paths import lone_surrogate
from vaultconfig.secret import Secret


@click.command()
@click.argument("path", shell_complete=complete_path)
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=@FILE|KEY=-|KEY=VALUE...")
@click.option(
    "--type",
    "secret_type",
    metavar="TYPE",
    help="Type of the secret; by default the one that it has, or kv.",
)
@click.option("--description", metavar="TEXT", help="A description, for people.")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="A tag, for listings; may be repeated."
)
@click.option(
    "--base64", "to_base64", is_flag=True, help="Encode the files as base64, for binary data."
)
@click.option("--merge", is_flag=True, help="Keep the other fields of the secret.")
@click.option("--replace", is_flag=True, help="Drop the other fields of the secret.")
@json_option
@common
def put(
    *,
    path: str,
    pairs: Sequence[str],
    secret_type: str | None,
    description: str | None,
    tags: Sequence[str],
    to_base64: bool,
    merge: bool,
    replace: bool,
    as_json_: bool,
) -> None:
    """Write the secret at PATH: a new one, or the next version of one.

    If it has other fields it asks whether to keep them; without a terminal, --merge or --replace is
    required. Its type, description and tags stay unless others are given.

    KEY=@FILE takes a file as it is, KEY=- standard input without its last line break; on a terminal
    it asks, and does not show what is typed. KEY=VALUE stays in the shell's history.

    \b
    Examples:
      vaultconfig put environments/production/db user=app password=-
      vaultconfig put shared/tls key=@tls.key certificate=@tls.crt
    """
    if merge and replace:
        raise click.UsageError("--merge and --replace are opposites: leave one of them out")
    path = path_from(path)
    named = {"--type": [secret_type], "--description": [description], "--tag": tags}
    for option, texts in named.items():
        if not all(_is_text(text) for text in texts if text is not None):
            raise ConfigurationError(f"{option} is not text: write it in UTF-8")
    sources = _sources(pairs)
    if to_base64 and not any(source.startswith("@") for source in sources.values()):
        raise click.UsageError("--base64 encodes files alone: write KEY=@FILE")
    data = {key: _value(key, source, to_base64=to_base64) for key, source in sources.items()}
    with open_vault() as client:
        present = _present(client, path, needed=not replace)
        others = {k: v for k, v in present.data.items() if k not in data} if present else {}
        merge = merge or bool(others and not replace and _wants_to_keep(path, others))
        metadata = present.metadata if present else {}
        result = client.write(
            path,
            {**others, **data} if merge else data,
            secret_type=secret_type or (present and present.secret_type) or "kv",
            description=metadata.get("description") if description is None else description,
            tags=tags or metadata.get("tags") or (),
        )
        between = _written_between(client, present, result)
    created = " (new)" if result.created else ""
    click.echo(as_json(result) if as_json_ else f"{path}: version {result.version}{created}")
    if others and not merge:
        names = printable(", ".join(others))
        click.echo(
            f"Warning: no longer in it: {names}; version {result.version - 1} has them", err=True
        )
    if present and present.expires_at:
        end = moment(present.expires_at)
        click.echo(f"Warning: it was to expire at {end}; put sets no such end", err=True)
    if between:
        click.echo(
            f"Warning: version {between} came from another writer in between, and is not "
            f"part of this one: compare it by vaultconfig get '{path}?version={between}'",
            err=True,
        )
        click.get_current_context().exit(DIFFERS)


def _present(client: VaultClient, path: str, *, needed: bool) -> Secret | None:
    """Return the secret as it is; None where there is none, or where it is not *needed*."""
    try:
        return client.read(path)
    except SecretNotFoundError:
        return None
    except (SecretError, AuthenticationError) as error:
        if not needed:  # it may be denied, or odd: then this replaces it
            return None
        if "invalid_path" not in str(error):
            error.add_note(
                "without reading it put cannot know which fields would be lost: --replace writes "
                "it all the same"
            )
        raise


def _wants_to_keep(path: str, others: Collection[str]) -> bool:
    told = f"{path} has other fields: {printable(', '.join(others))}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{told}: add --merge to keep them, or --replace to drop them")
    return click.confirm(f"{told}. Keep them?", default=True, err=True)


def _written_between(
    client: VaultClient, present: Secret | None, result: WriteResult
) -> int | None:
    """Return the version that another writer made after *present* was read, if there is one.

    The vault takes no condition for a write, so that this can only be told afterwards.
    """
    if result.created or (present and result.version == present.version + 1):
        return None
    if present is None:  # there may be older versions of a secret that was deleted
        try:
            client.read(result.path, result.version - 1)
        except (SecretError, AuthenticationError):
            return None
    return result.version - 1


def _sources(pairs: Sequence[str]) -> dict[str, str]:
    """Return for each key where its value is: ``-``, ``@FILE``, or the value itself."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, source = pair.partition("=")
        if not key or not equals:
            raise click.UsageError("each value is written KEY=@FILE, KEY=- or KEY=VALUE")
        if key in found:
            raise click.UsageError(f"{key} is given twice")
        if not _is_text(key):
            raise ConfigurationError("a key is not text: write it in UTF-8")
        if source in ("", "@"):  # as a variable that is not set leaves it
            raise click.UsageError(f"{key} has no value: for an empty text write {key}=@/dev/null")
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
        if _is_text(source):
            return source
        del source
        raise ConfigurationError(f"{key}: its value is not text: use KEY=@FILE with --base64")
    try:
        with open(source[1:], "rb") as file:
            content = file.read(LARGEST_ANSWER + 1)
    except OSError as exc:
        raise ConfigurationError(f"{key}: {source[1:]}: {exc.strerror}") from None
    text = base64.b64encode(content).decode() if to_base64 else _decoded(content)
    if len(content) > LARGEST_ANSWER:  # it could be written, but never read
        problem = f"is larger than the {LARGEST_ANSWER >> 20} MiB that a secret can have"
    elif text is None:
        problem = "is not text: --base64 takes binary data"
    else:
        return text
    del content, text  # a traceback may show the locals of this frame
    raise ConfigurationError(f"{key}: {source[1:]} {problem}")


def _typed(key: str) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(key, hide_input=True, err=True)
        return answer
    content = sys.stdin.buffer.read()
    if not content:  # as a command that failed leaves it in a pipe
        raise ConfigurationError(f"{key}: standard input is empty")
    text = _decoded(content)
    del content
    if text is None:
        raise ConfigurationError(f"{key}: standard input is not text: use KEY=@FILE with --base64")
    return text.removesuffix("\n").removesuffix("\r")


def _is_text(text: str) -> bool:
    """Whether *text* stood on the command line as UTF-8: other bytes become lone surrogates."""
    return lone_surrogate(text) is None


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
