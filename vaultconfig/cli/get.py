"""``vaultconfig get``: one value, because it was asked for."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from typing import Any

import click

from vaultconfig.cli.connecting import open_vault, reference_from
from vaultconfig.cli.options import common, complete_reference, output_option
from vaultconfig.errors import ConfigurationError, InvalidReferenceError, VaultConfigError
from vaultconfig.masking.values import mask
from vaultconfig.references import Resolved, VaultRef, as_text, picked
from vaultconfig.render import files
from vaultconfig.secret import Secret


@click.command()
@click.argument("reference", metavar="REF", shell_complete=complete_reference)
@output_option("Write the value into this file, with mode 0600.")
@click.option(
    "--base64", "is_base64", is_flag=True, help="Decode the value from base64, for binary data."
)
@click.option("--reveal", is_flag=True, help="Show the value on a terminal, too.")
@common
def get(*, reference: str, output: str | None, is_base64: bool, reveal: bool) -> None:
    """Print the value that REF refers to: vault:PATH?version=N#FIELD, or without the vault:.

    Without a field it is the whole secret, as JSON. Nothing is added to the value, so that it can
    be piped; on a terminal --reveal is required.

    \b
    Examples:
      vaultconfig get environments/production/db#password | pbcopy
      vaultconfig get shared/tls#key -o tls.key
    """
    output = None if output == "-" else output
    on_terminal = output is None and sys.stdout.isatty()
    if on_terminal and not reveal:
        raise click.UsageError(
            "standard output is a terminal, and would show the value: add --reveal"
        )
    wanted = reference_from(reference)
    with open_vault() as client:
        secret = client.read(*wanted.key)
    found = picked(secret, wanted)
    if isinstance(found, VaultConfigError):
        if meant := _meant(secret, wanted):
            found.add_note(f"did you mean {meant}?")
        del secret  # a traceback may show the locals of this frame
        raise found
    content = _encoded(found.value)
    if is_base64:
        content = _decoded(content, wanted)
    if output is None:
        click.echo(content, nl=on_terminal)
        return
    for warning in files.write(output, content):
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"{output}: {len(content)} bytes, mode 0600", err=True)


def _meant(secret: Secret, wanted: VaultRef) -> str | None:
    """Return the reference that may have been meant by a field that is missing."""
    name, mark, options = (wanted.field or "").partition("?")
    inside = f"#/{name.strip('/').replace('.', '/')}"
    try:
        meant = VaultRef(f"vault:{wanted.path}{mark}{options}{f'#{name}' if mark else inside}")
    except InvalidReferenceError:
        return None
    return str(meant) if mark or isinstance(picked(secret, meant), Resolved) else None


def _encoded(value: Any) -> bytes:
    text = as_text(value)
    if text is None:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    masked: bytes = mask(text.encode(errors="surrogatepass"))  # from tracebacks that show locals
    return masked


def _decoded(content: bytes, reference: VaultRef) -> bytes:
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        pass  # its frames hold the value, so the error is raised out here
    raise ConfigurationError(f"{reference} is not base64: leave --base64 out")
