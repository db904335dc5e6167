"""``vaultconfig rm``: delete a secret, which the vault keeps for a while."""

from __future__ import annotations

import sys

import click

from vaultconfig.cli.connecting import add_suggestion, open_vault
from vaultconfig.cli.options import common
from vaultconfig.errors import VaultConfigError


@click.command()
@click.argument("path")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def rm(*, path: str, yes: bool) -> None:
    """Delete the secret at PATH. The vault keeps it for a while, but nobody can read it.

    \b
    Example:
      vaultconfig rm environments/staging/old-service
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("nobody is here to be asked: add --yes")
    if not yes and not click.confirm(f"Delete {path}?", err=True):
        return
    with open_vault() as client:
        try:
            client.delete(path)
        except VaultConfigError as error:
            add_suggestion(error, client)
            raise
    click.echo(f"{path}: deleted", err=True)
