"""The vault that the environment names, for commands that work without a settings class."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from vaultconfig.connection.connection import Connection, read_connection
from vaultconfig.connection.environment import VARIABLE, Environment, current_environment
from vaultconfig.connection.urls import is_loopback
from vaultconfig.errors import (
    ConfigurationError,
    InvalidReferenceError,
    SecretError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
    closest,
)
from vaultconfig.references import VaultRef, meant_by
from vaultconfig.references.options import OPTIONS
from vaultconfig.source.situation import DEFAULT_ENV_FILE
from vaultconfig.vaults.shared import connect

if TYPE_CHECKING:
    from vaultconfig.client import VaultClient

_SCHEME: Final = "vault:"
_LOOPBACK_PATIENCE: Final = 1.0  # seconds
_MOST_LISTED: Final = 1000  # secrets of each
_MOST_LISTINGS: Final = 5


def environment_here() -> Environment:
    """Return the environment that this process is in."""
    return current_environment(None, declared=None, environ=os.environ)


def connection_here() -> Connection:
    """Read the connection settings, in development from `.env` too.

    Raises:
        ConfigurationError: One is invalid.
    """
    env_file = DEFAULT_ENV_FILE if environment_here().is_development else None
    return read_connection(os.environ, env_file=env_file)


@contextmanager
def open_vault(*, deadline: float | None = None) -> Iterator[VaultClient]:
    """Yield a client for it, with *deadline* where no other is set; nothing is sent yet.

    Errors about a path get a note on which one may have been meant.

    Raises:
        ConfigurationError: There are no credentials, or a setting is invalid.
        VaultUnavailableError: It should be on this machine, and nothing is listening there.
    """
    connection = connection_here()
    deadline = connection.deadline or deadline
    with connect(connection.model_copy(update={"deadline": deadline})) as client:
        _check_listening(connection.url)
        try:
            yield client
        except SecretError as error:
            for hint in hints_about_paths(client, [error]).values():
                error.add_note(hint)
            raise


def hints_about_paths(client: VaultClient, errors: Iterable[SecretError]) -> dict[str, str]:
    """Return which path may have been meant by the one in an error.

    Args:
        client: Lists what is near, if its token may.
        errors: Those that are not about a path get no hint.
    """
    hints: dict[str, str] = {}
    near: dict[str, list[str]] = {}
    for error in errors:
        is_invalid, parent = "invalid_path" in str(error), error.path.rpartition("/")[0]
        if not is_invalid and not isinstance(error, SecretNotFoundError):
            continue
        if parent not in near and len(near) < _MOST_LISTINGS:
            near[parent] = []
            with suppress(VaultConfigError):  # a token that may read need not be allowed to list
                near[parent] = [item.path for item in islice(client.list(parent), _MOST_LISTED)]
        hint = _path_meant(error.path, near.get(parent, []))
        if hint:
            hints[error.path] = hint
    return hints


def _path_meant(path: str, known: Collection[str]) -> str | None:
    for parent, _, field in (path.rpartition("/"), path.rpartition(".")):
        if parent in known:
            return f"{parent} is a secret: did you mean its field, {parent}#{field}?"
    parent, slash, name = path.rpartition("/")
    # By what differs alone: all that is there begins in the same way.
    close = closest(name, [other.removeprefix(parent + slash) for other in known])
    return f"did you mean {parent}{slash}{close}?" if close else None


def _check_listening(url: str) -> None:
    """Say at once that nothing listens on this machine: that is not an outage, which passes."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not is_loopback(host):
        return
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((host, port), timeout=_LOOPBACK_PATIENCE).close()
    except ConnectionRefusedError:
        raise VaultUnavailableError(
            f"nothing is listening at {url}: check SCAIVAULT_URL, or start vaultconfig dev-server"
        ) from None
    except OSError:
        pass  # the client knows more of these


def reference_from(text: str) -> VaultRef:
    """Return the reference that *text* is, with or without its ``vault:``, placeholders filled.

    Raises:
        ConfigurationError: It is not valid, or holds a placeholder that nothing fills.
    """
    try:
        reference = VaultRef.parse(text if text.startswith(_SCHEME) else _SCHEME + text)
    except InvalidReferenceError as error:
        if meant := _meant(text, error):
            error.add_note(f"did you mean {meant}?")
        raise
    name = environment_here().name
    if name is None and "environment" in reference.placeholders:
        raise ConfigurationError(
            f"{{environment}} in {reference.path}: no environment is set: -e NAME, or export "
            f"{VARIABLE}"
        )
    return reference.fill({} if name is None else {"environment": name})


def _meant(text: str, error: InvalidReferenceError) -> str | None:
    """Return the reference that *text*, which is not valid, may have been meant to be."""
    meant = _SCHEME + text.removeprefix(_SCHEME).strip("/")
    option = re.match(r"[^=&#]+", error.reference[error.column - 1 :])
    if option and (close := closest(option[0], OPTIONS)):
        at = error.column - 1
        meant = error.reference[:at] + close + error.reference[at + option.end() :]
    elif ":" in text and not text.startswith(_SCHEME):
        meant = meant_by(text) or meant
    with suppress(InvalidReferenceError):
        return str(VaultRef(meant))
    return None


def path_from(text: str) -> str:
    """Return the path that *text* is, with or without ``vault:``, placeholders filled.

    Raises:
        ConfigurationError: It is not valid, or names more than a secret.
    """
    reference = reference_from(text)
    if reference != VaultRef(f"vault:{reference.path}"):
        raise ConfigurationError(f"{text} is more than a path: leave out what follows ? or #")
    return reference.path
