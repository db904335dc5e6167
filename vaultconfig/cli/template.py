"""``vaultconfig template``: a ``.env.example`` from the class; nothing is read for it."""

from __future__ import annotations

import sys

import click

from vaultconfig.cli.classify import looks_secret
from vaultconfig.cli.options import common, output_option, target_argument
from vaultconfig.cli.target import load_target
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.checks import complete
from vaultconfig.render import files
from vaultconfig.render.example import example


@click.command()
@target_argument
@output_option("Write it into this file, which must not exist yet.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@common
def template(*, target: str | None, output: str | None, force: bool) -> None:
    """Print a .env.example for the settings class TARGET: names, types, defaults, references.

    Copy it to .env, and fill in what is required. What the vault fills is commented out, and no
    default that may be a secret is shown.

    \b
    Example:
      vaultconfig template app.settings:Settings -o .env.example
    """
    settings_cls = load_target(target)
    complete(settings_cls)
    content = example(settings_cls, looks_secret)
    if output is None or output == "-":
        click.echo(content if sys.stdout.isatty() else content.encode(), nl=False)
        return
    try:
        files.write_plain(output, content, replace=force)
    except FileExistsError:
        raise ConfigurationError(
            f"{output} exists: choose another file, or overwrite it with --force"
        ) from None
    click.echo(f"{output}: {len(content.encode())} bytes", err=True)
