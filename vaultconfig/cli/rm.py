"""``vaultconfig rm``: delete a secret, which the vault keeps for a while."""

from __future__ import annotations

from contextlib import suppress

import click

from vaultconfig.cli.connecting import open_vault, path_from
from vaultconfig.cli.options import check_can_ask, common, complete_path, yes_option
from vaultconfig.errors import AccessDeniedError


@click.command()
@click.argument("path", shell_complete=complete_path)
@yes_option
@common
def rm(*, path: str, yes: bool) -> None:
    """Delete the secret at PATH. The vault keeps it for a while, but it cannot be read.

    \b
    Example:
      vaultconfig rm environments/staging/old-service
    """
    path = path_from(path)
    with open_vault() as client:
        if not yes:
            with suppress(AccessDeniedError):  # a token that may delete need not be allowed to read
                client.read(path)
            check_can_ask()
            if not click.confirm(f"Delete {path}?", err=True):
                click.echo("Nothing was deleted", err=True)
                return
        client.delete(path)
    click.echo(f"{path}: deleted", err=True)
