"""``vaultconfig whoami``: who the vault takes us for."""

from __future__ import annotations

import click

from vaultconfig.cli.connecting import open_vault
from vaultconfig.cli.options import common, json_option
from vaultconfig.cli.tables import as_json


@click.command()
@json_option
@common
def whoami(*, as_json_: bool) -> None:
    """Say who the vault takes us for, and what the token may do.

    \b
    Example:
      vaultconfig whoami
    """
    with open_vault() as client:
        identity = client.whoami()
    if as_json_:
        click.echo(as_json(identity))
        return
    kind = f" ({identity.identity_type})" if identity.identity_type else ""
    click.echo(f"identity: {identity.identity_id}{kind}")
    for name, value in (("tenant", identity.tenant_id), ("partner", identity.partner_id)):
        if value:
            click.echo(f"{name}: {value}")
    click.echo(f"scopes: {', '.join(identity.scopes) or 'none'}")
    if identity.token_expires_at:
        click.echo(f"token expires: {identity.token_expires_at.isoformat()}")
