"""The vault that the environment names, for commands that work without a settings class."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Final

from vaultconfig.cli.wording import suggestion
from vaultconfig.connection import Connection, read_connection
from vaultconfig.environment import Environment, current_environment
from vaultconfig.errors import SecretNotFoundError, VaultConfigError
from vaultconfig.references import VaultRef
from vaultconfig.source import DEFAULT_ENV_FILE

if TYPE_CHECKING:
    from vaultconfig.client import VaultClient

_MOST_LISTED: Final = 1000


def environment_here() -> Environment:
    """Return the environment that this process is in."""
    return current_environment(None, declared=None, environ=os.environ)


def connection_here() -> Connection:
    """Read the connection settings, in development from `.env` too.

    Raises:
        ConfigurationError: One is wrong.
    """
    env_file = DEFAULT_ENV_FILE if environment_here().is_development else None
    return read_connection(os.environ, env_file=env_file)


def open_vault() -> VaultClient:
    """Return a client for it; nothing is sent yet.

    Raises:
        ConfigurationError: There are no credentials, or a setting is wrong.
    """
    from vaultconfig.connect import connect  # loads httpx

    return connect(connection_here())


def reference_from(text: str) -> VaultRef:
    """Return the reference that *text* is, with or without its ``vault:``, placeholders filled.

    Raises:
        ConfigurationError: It is none, or holds a placeholder that nothing fills.
    """
    reference = VaultRef.parse(text if text.startswith("vault:") else f"vault:{text}")
    name = environment_here().name
    return reference.fill({} if name is None else {"environment": name})


def add_suggestion(error: VaultConfigError, client: VaultClient) -> None:
    """Add a note about the path that may have been meant, if the listing shows one."""
    if not isinstance(error, SecretNotFoundError):
        return
    try:
        parent = error.path.rpartition("/")[0]
        known = [item.path for item in islice(client.list(parent), _MOST_LISTED)]
    except VaultConfigError:
        return  # whoever may read need not be allowed to list
    meant = suggestion(error.path, known)
    if meant:
        error.add_note(meant.removeprefix(": "))
