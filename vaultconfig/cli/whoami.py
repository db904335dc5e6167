"""``vaultconfig whoami``: the identity and scopes of the current token."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vaultconfig.cli.connecting import open_vault
from vaultconfig.cli.options import common, json_option
from vaultconfig.cli.tables import as_json, printable
from vaultconfig.client import Identity


@click.command()
@json_option
@common
def whoami(*, as_json_: bool) -> None:
    """Show the identity and scopes of the current token.

    \b
    Example:
      vaultconfig whoami
    """
    with open_vault() as client:
        identity = client.whoami()
    if as_json_:
        click.echo(as_json(identity))
        return
    for line in _lines(identity):
        click.echo(printable(line))


def _lines(identity: Identity) -> Iterator[str]:
    kind = f" ({identity.identity_type})" if identity.identity_type else ""
    yield f"identity: {identity.identity_id}{kind}"
    for name, value in (("tenant", identity.tenant_id), ("partner", identity.partner_id)):
        if value:
            yield f"{name}: {value}"
    yield f"scopes: {', '.join(identity.scopes) or 'none'}"
    if identity.token_expires_at:
        yield f"token expires: {identity.token_expires_at.isoformat()}"
