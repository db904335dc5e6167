"""``vaultconfig store``: a key for the store, and what is stored taken away. Asks no vault."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from typing import Any

import click

from vaultconfig.cli import debug_option
from vaultconfig.cli.connecting import connection_here
from vaultconfig.cli.options import common, output_option, target_argument
from vaultconfig.cli.target import load_target
from vaultconfig.cli.wording import count
from vaultconfig.connection.environment import current_environment
from vaultconfig.connection.store_settings import with_store
from vaultconfig.errors import ConfigurationError, VaultUnavailableError
from vaultconfig.masking.values import mask
from vaultconfig.render import files
from vaultconfig.store.shelf import ShelfError
from vaultconfig.vaults.shared import vault_for


@click.group()
@common
def store() -> None:
    """Make a key for the store, or remove what is stored.

    The store keeps secrets between memory and vault, for many processes and through an outage.

    \b
    Example:
      vaultconfig store keygen
    """


@store.command(short_help="Print a new key.")
@output_option("Write it into this new file, with mode 0600.")
@debug_option
def keygen(*, output: str | None) -> None:
    """Print a new key: 32 random bytes in base64, for VAULTCONFIG_STORE_KEY.

    All hosts that share a store need the same key. A file with it can be named in
    VAULTCONFIG_STORE_KEY_FILE.

    \b
    Example:
      vaultconfig store keygen -o store.key
    """
    key = mask(f"{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    if output is None or output == "-":
        click.echo(key, nl=False)
        return
    if os.path.lexists(output):
        raise ConfigurationError(
            f"{output} exists, and may hold a key that is in use: choose another file"
        )
    for warning in files.write(output, key):
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"{output}: a new key, mode 0600", err=True)


@store.command(short_help="Remove what is stored.")
@target_argument
@common
def clear(*, target: str | None) -> None:
    """Remove what is stored for one application, environment, tenant and server.

    The vault is not asked, and no token is needed. What other keys have sealed stays, since it is
    found by the key. The class TARGET is needed where VAULTCONFIG_STORE or VAULTCONFIG_APPLICATION
    is not set.

    \b
    Example:
      vaultconfig store clear app.settings:Settings -e production
    """
    connection = connection_here()
    config: Mapping[str, Any] = {}
    if target is not None or not (connection.store and connection.application):
        config = _config_of(target)
    environment = current_environment(
        None, declared=config.get("vault_environment"), environ=os.environ
    )
    connection = with_store(connection, environment, config)
    settings, found = connection.store_settings, vault_for(connection).store
    if settings is None or found is None:
        raise ConfigurationError(
            f"no store is used in {environment}: choose another environment with -e NAME"
            if environment.is_development
            else "no store is configured: set VAULTCONFIG_STORE, or vault_store in the class"
        )
    problem = ""
    try:
        number = found.clear()
    except ShelfError as error:
        problem = str(error)
    if problem:
        raise VaultUnavailableError(f"the store could not be cleared: {problem}")
    click.echo(
        f"{settings.place}: {count(number, 'entry', 'entries')} of {settings.application} in "
        f"{settings.environment} removed",
        err=True,
    )


def _config_of(target: str | None) -> Mapping[str, Any]:
    try:
        return load_target(target).model_config
    except ConfigurationError as error:
        if target is None:
            error.add_note("without a class set VAULTCONFIG_STORE and VAULTCONFIG_APPLICATION")
        raise
