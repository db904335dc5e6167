"""Where a settings class asks the vault, and what to say and do about `.env` where that fails."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsError

from vaultconfig.connection.connection import (
    Connection,
    read_connection,
    stored_connection_variables,
)
from vaultconfig.connection.environment import (
    VARIABLE,
    FallbackRule,
    NoCredentialsError,
    current_environment,
)
from vaultconfig.connection.stored import (
    DotEnvFiles,
    dotenv_variables,
    files_of,
    regular_files,
    unreadable_lines,
)
from vaultconfig.errors import SettingFailure
from vaultconfig.loading import advice
from vaultconfig.loading.given import DOTENV, Layer
from vaultconfig.loading.load import Load
from vaultconfig.source.texts import TextReader

DEFAULT_ENV_FILE: Final = Path(".env")
"""Where no class and no argument names a file; compared by identity, since one may name `.env`."""


def fallback_rule(config: Mapping[str, Any], environment: str | None) -> FallbackRule:
    """Return where we are, and when `.env` may stand in for the vault there.

    Args:
        config: The ``model_config`` of a settings class.
        environment: The environment's name, over the variable and the class.
    """
    current = current_environment(
        environment, declared=config.get("vault_environment"), environ=os.environ
    )
    return FallbackRule(config.get("vault_fallback") or "development", current)


class Asking(NamedTuple):
    """Where one load of *settings_cls* asks the vault.

    Attributes:
        settings_cls: The class.
        rule: When `.env` may stand in.
        env_file: The `.env` that does, and that may hold the connection in development.
        encoding: Of that file.
    """

    settings_cls: type[BaseSettings]
    rule: FallbackRule
    env_file: DotEnvFiles
    encoding: str | None

    def connection(self) -> Connection:
        """Return the connection settings, in development from `.env` too.

        Raises:
            ConfigurationError: There are no credentials, or a setting is wrong.
        """
        env_file = self.env_file if self.rule.environment.is_development else None
        connection = read_connection(os.environ, env_file=env_file, encoding=self.encoding)
        if connection.has_credentials:
            return connection
        ignored = [] if self.rule.is_possible else self._ignored_names()
        raise NoCredentialsError(
            advice.no_credentials(connection.url, self.rule, files=self._files(), ignored=ignored)
        )

    def hint(self, failures: Sequence[SettingFailure]) -> str | None:
        """Say what to do about `.env`: fill it, or that it has what it may not provide here."""
        if self.rule.is_possible:
            absent = [f.field for f in failures if isinstance(f.error, NoCredentialsError)]
            files = [str(file.absolute()) for file in files_of(self.env_file)]
            if not absent or not files:
                return None
            cls, config = self.settings_cls, self.settings_cls.model_config
            names = [advice.variable_name(cls, config, field) for field in absent]
            unreadable = unreadable_lines(self.env_file, self.encoding)
            return advice.values_to_add(names, files, unreadable)
        failed = {failure.field for failure in failures}
        stray = [name for name in self._shut_out() if name in failed]
        if not stray:
            return None
        is_default = self.env_file is DEFAULT_ENV_FILE
        return advice.values_ignored(stray, self.rule, files=self._files(), is_default=is_default)

    def _files(self) -> str:
        """Name the files that stand in for the vault, or would."""
        return ", ".join(map(str, files_of(self.env_file))) or ".env"

    def _ignored_names(self) -> list[str]:
        """Name what `.env` has for the vault's part, and may provide in development only."""
        is_named = VARIABLE in map(str.upper, dotenv_variables(self.env_file, self.encoding))
        stored = stored_connection_variables(self.env_file, self.encoding)
        return stored + [VARIABLE] * is_named + self._shut_out()

    def _shut_out(self) -> list[str]:
        """Name the annotated fields that `.env` has; in production it has not been read yet."""
        cls = self.settings_cls
        files, encoding = regular_files(self.env_file), self.encoding
        try:
            data = DotEnvSettingsSource(cls, env_file=files, env_file_encoding=encoding)()
        except (SettingsError, UnicodeError, OSError):
            return []
        load = Load(
            cls,
            [Layer(DOTENV, data)],
            rule=self.rule._replace(mode="never"),
            read_text=TextReader(cls),
            variables={},
            resolves_values=False,
            extra=False,
        )
        unasked = NoCredentialsError("not asked")
        return load.run(lambda references: dict.fromkeys(references, unasked)).shut_out
