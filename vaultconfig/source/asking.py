"""Asks the vault, and says what to do about `.env` where that fails.

Imported by the first load that asks: the connection's settings take a fifth of our import.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence

from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsError

from vaultconfig.connection.connection import (
    CONNECTION_VARIABLES,
    Connection,
    MisplacedCredentialsError,
    read_connection,
    stored_connection_variables,
)
from vaultconfig.connection.environment import VARIABLE, NoCredentialsError
from vaultconfig.connection.stored import (
    dotenv_variables,
    files_of,
    regular_files,
    unreadable_lines,
)
from vaultconfig.errors import SettingFailure, VaultConfigError
from vaultconfig.loading import advice
from vaultconfig.loading.fields import model_fields
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.layers import DOTENV, Layer
from vaultconfig.loading.load import Load
from vaultconfig.references import VaultRef
from vaultconfig.source.situation import DEFAULT_ENV_FILE, Situation
from vaultconfig.source.texts import TextReader
from vaultconfig.vaults.shared import resolve


def ask(
    situation: Situation,
    references: Sequence[VaultRef],
    connection: Connection | None = None,
    resolve: Callable[[Connection, Sequence[VaultRef], float], Answers] = resolve,
) -> Answers:
    """Resolve *references*; an error that `.env` may cover is the answer to each of them.

    Args:
        connection: To ask over, where that is known already.
        resolve: Asks, within so many seconds.

    Raises:
        VaultConfigError: Any other.
    """
    rule = situation.rule
    failure: VaultConfigError
    try:
        connection = connection or connection_for(situation)
    except (MisplacedCredentialsError, NoCredentialsError) as error:
        failure = error.with_traceback(None)
    else:
        try:
            return resolve(connection, references, connection.deadline_in(rule.environment))
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
    files, ignored = _files_in(situation), [] if rule.is_possible else _ignored_in(situation)
    raise NoCredentialsError(
        advice.no_credentials(connection.url, rule, files=files, ignored=ignored)
    )


def hint(situation: Situation, failures: Sequence[SettingFailure]) -> str | None:
    """Say what to do about `.env`: fill it, or that it has what it may not provide here."""
    rule, env_file = situation.rule, situation.env_file
    if rule.is_possible:
        absent = [f.field for f in failures if isinstance(f.error, NoCredentialsError)]
        files = [str(file.absolute()) for file in files_of(env_file)]
        if not absent or not files:
            return None
        cls, config = situation.settings_cls, situation.settings_cls.model_config
        names = [advice.variable_name(cls, config, field) for field in absent]
        return advice.values_to_add(names, files, unreadable_lines(env_file, situation.encoding))
    failed = {failure.field for failure in failures}
    stray = [name for name in _shut_out_in(situation) if name in failed]
    if not stray:
        return None
    is_default = env_file is DEFAULT_ENV_FILE
    return advice.values_ignored(stray, rule, files=_files_in(situation), is_default=is_default)


def _files_in(situation: Situation) -> str:
    """Name the files that stand in for the vault, or would."""
    return ", ".join(map(str, files_of(situation.env_file))) or ".env"


def _ignored_in(situation: Situation) -> list[str]:
    """Name what `.env` has for the vault's part, and may provide in development only."""
    file, encoding = situation.env_file, situation.encoding
    is_named = VARIABLE in map(str.upper, dotenv_variables(file, encoding))
    stored = stored_connection_variables(file, encoding)
    return stored + [VARIABLE] * is_named + _shut_out_in(situation)


def _shut_out_in(situation: Situation) -> list[str]:
    """Name the annotated fields that `.env` has; in production it has not been read yet."""
    cls, files = situation.settings_cls, regular_files(situation.env_file)
    try:
        data = DotEnvSettingsSource(cls, env_file=files, env_file_encoding=situation.encoding)()
    except (SettingsError, UnicodeError, OSError):
        return []
    load = Load(
        cls,
        [Layer(DOTENV, data)],
        rule=situation.rule._replace(mode="never"),
        read_text=TextReader(cls),
        variables={},
        resolves_values=False,
        extra=False,
    )
    unasked = NoCredentialsError("not asked")
    return load.run(lambda references: dict.fromkeys(references, unasked)).shut_out


def without_connection(layer: Layer, settings_cls: type[BaseSettings]) -> Layer:
    """Take away what *layer*, a `.env`, says of the connection, but for fields of the class."""
    fields = model_fields(settings_cls).by_key
    names = {VARIABLE, *CONNECTION_VARIABLES}
    if not settings_cls.model_config.get("case_sensitive"):
        names = {name.lower() for name in names}
    kept = {key: v for key, v in layer.data.items() if key in fields or key not in names}
    return layer._replace(data=kept)
