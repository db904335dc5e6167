"""``vaultconfig rm``: delete a secret, which the vault keeps for a while."""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from vaultconfig.cli.connecting import add_suggestion, open_vault, path_from
from vaultconfig.cli.options import common
from vaultconfig.client import VaultClient
from vaultconfig.errors import AccessDeniedError, VaultConfigError


@click.command()
@click.argument("path")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def rm(*, path: str, yes: bool) -> None:
    """Delete the secret at PATH. The vault keeps it for a while, but it cannot be read.

    \b
    Example:
      vaultconfig rm environments/staging/old-service
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(
            "standard input is not a terminal, so there is no way to ask: add --yes"
        )
    path = path_from(path)
    with open_vault() as client:
        try:
            if not yes and not _is_confirmed(client, path):
                return
            client.delete(path)
        except VaultConfigError as error:
            add_suggestion(error, client)
            raise
    click.echo(f"{path}: deleted", err=True)


def _is_confirmed(client: VaultClient, path: str) -> bool:
    """Ask, if there is something to ask about."""
    with suppress(AccessDeniedError):  # whoever may delete need not be allowed to read
        client.read(path)
    return click.confirm(f"Delete {path}?", err=True)
