"""``vaultconfig ls``: the secrets below a prefix, without their values."""

from __future__ import annotations

import sys

import click

from vaultconfig.cli.connecting import open_vault, path_from
from vaultconfig.cli.options import common, complete_path, json_option
from vaultconfig.cli.tables import as_json, printable, show
from vaultconfig.client import SecretSummary

_HEADER = ("PATH", "VERSION", "TYPE", "UPDATED", "TAGS")


@click.command()
@click.argument("prefix", default="", shell_complete=complete_path)
@json_option
@common
def ls(*, prefix: str, as_json_: bool) -> None:
    """List the secrets below PREFIX: a table on a terminal, else one path per line.

    \b
    Example:
      vaultconfig ls environments/production
    """
    prefix = prefix.removeprefix("vault:")
    if "{" in prefix:
        prefix = path_from(prefix.rstrip("/"))
    with open_vault() as client:
        found = list(client.list(prefix))
    if not found:
        where = f"that begins with {printable(prefix)}" if prefix else "at all"
        click.echo(f"there is no secret {where}, or none that this token may list", err=True)
    if as_json_:
        click.echo(as_json(found))
        return
    show([_row(item) if sys.stdout.isatty() else (item.path,) for item in found], header=_HEADER)


def _row(item: SecretSummary) -> tuple[str, ...]:
    version = "" if item.version is None else str(item.version)
    updated = item.updated_at.isoformat(" ", "seconds") if item.updated_at else ""
    return item.path, version, item.secret_type or "", updated, ", ".join(item.tags)
