"""Asks the vault, over the connection that a load has.

Imported by the first load that asks: the connection's settings take a fifth of our import.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence

from pydantic_settings import BaseSettings

from vaultconfig.connection.connection import (
    CONNECTION_VARIABLES,
    Connection,
    MisplacedCredentialsError,
    read_connection,
)
from vaultconfig.connection.environment import VARIABLE, NoCredentialsError
from vaultconfig.connection.store_settings import with_store
from vaultconfig.errors import VaultConfigError
from vaultconfig.loading import advice
from vaultconfig.loading.fields import model_fields
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.layers import Layer
from vaultconfig.references import VaultRef
from vaultconfig.source.hints import files_in, ignored_in
from vaultconfig.source.situation import Situation
from vaultconfig.vaults.shared import vault_for


def ask(
    situation: Situation,
    references: Sequence[VaultRef],
    connection: Connection | None = None,
    resolve: Callable[[Connection, Sequence[VaultRef], float], Answers] | None = None,
    *,
    vault_first: bool = False,
) -> Answers:
    """Resolve *references*; an error that `.env` may cover is the answer to each of them.

    Args:
        connection: To ask over, where that is known already.
        resolve: Asks, within so many seconds; by default the vault of this process.
        vault_first: Whether cache and store only serve what the vault can't give.

    Raises:
        VaultConfigError: Any other.
    """
    rule = situation.rule
    failure: VaultConfigError
    try:
        if connection is None:
            config = situation.settings_cls.model_config
            connection = with_store(connection_for(situation), rule.environment, config)
    except (MisplacedCredentialsError, NoCredentialsError) as error:
        failure = error.with_traceback(None)
    else:
        try:
            deadline = connection.deadline_in(rule.environment)
            if resolve is not None:
                return resolve(connection, references, deadline)
            vault = vault_for(connection)
            return vault.resolve(references, deadline=deadline, vault_first=vault_first)
        except VaultConfigError as error:
            failure = error.with_traceback(None)
    if not rule.covers(failure):
        raise failure
    return {reference: copy.copy(failure) for reference in references}


def connection_for(situation: Situation) -> Connection:
    """Return the connection settings, in development from `.env` too.

    Raises:
        ConfigurationError: There are no credentials, or a setting is wrong.
    """
    rule, encoding = situation.rule, situation.encoding
    env_file = situation.env_file if rule.environment.is_development else None
    connection = read_connection(os.environ, env_file=env_file, encoding=encoding)
    if connection.has_credentials:
        return connection
    files, ignored = files_in(situation), [] if rule.is_possible else ignored_in(situation)
    raise NoCredentialsError(
        advice.no_credentials(connection.url, rule, files=files, ignored=ignored)
    )


def without_connection(layer: Layer, settings_cls: type[BaseSettings]) -> Layer:
    """Take away what *layer*, a `.env`, says of the connection, but for fields of the class."""
    fields = model_fields(settings_cls).by_key
    names = {VARIABLE, *CONNECTION_VARIABLES}
    if not settings_cls.model_config.get("case_sensitive"):
        names = {name.lower() for name in names}
    kept = {key: v for key, v in layer.data.items() if key in fields or key not in names}
    return layer._replace(data=kept)
