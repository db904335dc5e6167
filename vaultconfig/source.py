"""The pydantic-settings source: it fills in what the other sources left to the vault.

It has to be the last one. It returns nothing: it replaces top-level entries of the state that
pydantic-settings hands on, so that values stay out of the debug log of sources.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from vaultconfig.connection.connection import (
    CONNECTION_VARIABLES,
    DEADLINE,
    DEVELOPMENT_DEADLINE,
    SET_CREDENTIALS,
    Connection,
    DotEnvFiles,
    MisplacedCredentialsError,
    dotenv_variables,
    expanded_texts,
    files_of,
    read_connection,
    regular_files,
    stored_connection_variables,
    unreadable_lines,
)
from vaultconfig.connection.environment import VARIABLE, current_environment
from vaultconfig.connection.fallback import FallbackMode, FallbackRule, NoCredentialsError
from vaultconfig.errors import (
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
)
from vaultconfig.loading.checks import complete
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.given import DOTENV, Layer
from vaultconfig.loading.load import Ask, Load
from vaultconfig.loading.places import keys_only
from vaultconfig.loading.report import LoadRecord, annotated_in, variable_name
from vaultconfig.loading.values import Answers
from vaultconfig.references import VaultRef
from vaultconfig.vaults.shared import resolve

DEFAULT_ENV_FILE: Final = Path(".env")

ON_YOUR_OWN_MACHINE: Final = f"on your own machine, export {VARIABLE}=development"

LAYER_NAMES: Final = {
    "InitSettingsSource": "argument",
    "CliSettingsSource": "command line",
    "EnvSettingsSource": "environment",
    "DotEnvSettingsSource": DOTENV,
    "SecretsSettingsSource": "secrets directory",
    "NestedSecretsSettingsSource": "secrets directory",
}
"""How `provenance` calls the sources, by the names that pydantic-settings has for them."""


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


class _Given(threading.local):
    """What the other sources gave to a load, which runs in one thread."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.data: dict[str, dict[str, Any]] = {}


class _Written:
    """Tells how a text stands in `.env` where variables were expanded in it, else None."""

    def __init__(self, env_file: DotEnvFiles, encoding: str | None) -> None:
        self._env_file, self._encoding = env_file, encoding
        self._texts: Mapping[str, str] | None = None

    def __call__(self, text: str) -> str | None:
        if self._texts is None:
            self._texts = expanded_texts(self._env_file, self._encoding)
        return self._texts.get(text)


class VaultSettingsSource(PydanticBaseSettingsSource):
    """Fills the fields that carry references; the last source of a settings class.

    `VaultSettings` brings it along. A class that derives from ``BaseSettings`` itself returns it
    as the last source from ``settings_customise_sources``; it then gets the values, but neither
    the masking nor the cleaned errors.

    Args:
        settings_cls: The settings class.
        environment: The environment's name, over `VAULTCONFIG_ENVIRONMENT` and the class.
        env_file: The `.env` that may hold the connection in development; the class's own
            where None is given, else the one in the working directory.
        encoding: Of that file; the class's own where None is given.
        layer_names: For sources with names of their own, what they are to be taken for.

    Attributes:
        fallback: A rule over that of the class, for callers that want to know what the vault gives.
        ask: Reads references in the place of our own way to do it.
        load: What came of them.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        environment: str | None = None,
        env_file: DotEnvFiles = None,
        encoding: str | None = None,
        layer_names: Mapping[str, str] = LAYER_NAMES,
    ) -> None:
        super().__init__(settings_cls)
        complete(settings_cls)
        named = self.config.get("env_file") or DEFAULT_ENV_FILE
        self._env_file: DotEnvFiles = named if env_file is None else env_file
        self._encoding: str | None = encoding or self.config.get("env_file_encoding")
        self._environment = environment
        self._layer_names = layer_names
        self._of_thread = _Given()
        self.fallback: FallbackMode | None = None
        self.ask: Ask | None = None
        self.load: Load | None = None
        self.record = LoadRecord()
        self.values: Sequence[Any] = ()

    def _set_current_state(self, state: dict[str, Any]) -> None:
        self._of_thread.state = state  # one source may serve several loads at a time

    def _set_settings_sources_data(self, states: dict[str, dict[str, Any]]) -> None:
        self._of_thread.data = states

    @property
    def current_state(self) -> dict[str, Any]:
        """What the sources before this one gave to the load of this thread, merged."""
        return self._of_thread.state

    @property
    def settings_sources_data(self) -> dict[str, dict[str, Any]]:
        """The same, by source."""
        return self._of_thread.data

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: fields are filled together, not one by one."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Fill the vault's fields in; nothing is returned.

        Raises:
            VaultConfigError: See `vaultconfig.errors`. Without a traceback of its own: the
                frames below hold tokens.
        """
        failure: VaultConfigError | None = None
        try:
            self._load()
        except VaultConfigError as error:
            failure = error.with_traceback(None)
        if failure is not None:
            raise failure
        return {}

    def _load(self) -> None:
        rule = self._rule
        layers = [
            Layer(self._layer_names.get(name, name), data)
            for name, data in self.settings_sources_data.items()
        ]
        is_read = any(layer.source == DOTENV and layer.data for layer in layers)
        load = Load(
            self.settings_cls,
            layers,
            rule=rule,
            variable_of=self._variable_of,
            written=_Written(self._env_file if is_read else None, self._encoding),
        )
        self.load, self.record, self.values = load, load.record, load.values
        self._drop_connection(load)
        hint = None
        try:
            load.run(
                self.current_state,
                self.ask or self._ask,
                variables=self._option("vault_variables", {}),
                resolve_values=self._option("vault_resolve_values", default=True),
                extra=self.config.get("extra") == "allow",
            )
        except NoCredentialsError as error:
            error.fields = [slot.name for slot, _ in load.claims]
            raise
        except UnresolvedSettingsError as error:
            failures = error.failures
            hint = None if self.fallback else self._hint(failures, rule)
        else:
            return
        raise UnresolvedSettingsError(failures, hint=hint)

    def _drop_connection(self, load: Load) -> None:
        """Take away what a `.env` says of the connection, where extra keys count."""
        if self.config.get("extra") == "ignore":
            return
        fields = {step for field in fields_of(self.settings_cls) for (step, *_) in field.places}
        for name in (VARIABLE, *CONNECTION_VARIABLES):
            key = name if self.config.get("case_sensitive") else name.lower()
            if key not in fields and key not in load.given:
                self.current_state.pop(key, None)

    @property
    def _rule(self) -> FallbackRule:
        """When `.env` may stand in; not kept, because a source can outlive a load."""
        rule = fallback_rule(self.config, self._environment)
        return rule if self.fallback is None else replace(rule, mode=self.fallback)

    def _option(self, name: str, default: Any = None) -> Any:
        """Return what a class says in its `VaultConfigDict`."""
        value = self.config.get(name)
        return default if value is None else value

    def connection(self) -> Connection:
        """Return the connection settings, in development from `.env` too.

        Raises:
            ConfigurationError: There are no credentials, or a setting is wrong.
        """
        rule = self._rule
        env_file = self._env_file if rule.environment.is_development else None
        connection = read_connection(os.environ, env_file=env_file, encoding=self._encoding)
        if not connection.has_credentials:
            raise self._no_credentials(connection, rule)
        return connection

    def _ask(self, references: Sequence[VaultRef]) -> Answers:
        rule = self._rule
        failure: VaultConfigError
        try:
            connection = self.connection()
        except (MisplacedCredentialsError, NoCredentialsError) as error:
            failure = error.with_traceback(None)
        else:
            usual = DEVELOPMENT_DEADLINE if rule.environment.is_development else DEADLINE
            try:
                return resolve(connection, references, deadline=connection.deadline or usual)
            except VaultConfigError as error:
                failure = error.with_traceback(None)
        if not rule.covers(failure):
            raise failure
        return {reference: copy.copy(failure) for reference in references}

    def _no_credentials(self, connection: Connection, rule: FallbackRule) -> NoCredentialsError:
        where = self._where()
        if rule.is_possible and rule.environment.is_development:
            return NoCredentialsError(f"no credentials for the vault, and no value in {where}")
        message = f"no credentials for the vault at {connection.url}: {SET_CREDENTIALS}"
        if rule.is_possible:
            return NoCredentialsError(message)
        stored = [] if rule.environment.is_development else self._ignored_names()
        if stored:
            message += f" ({', '.join(stored)} in {where}: used in development only)"
        if rule.environment.name is None:
            message += f"; {ON_YOUR_OWN_MACHINE}"
        elif not rule.environment.is_development:
            message += f"; in the environment {rule.environment.name!r} {where} is no substitute"
        return NoCredentialsError(message)

    def _ignored_names(self) -> list[str]:
        """Name what `.env` has for the vault's part, and may provide in development only."""
        fields = annotated_in(self.settings_cls, self._stored_keys())
        file, encoding = self._env_file, self._encoding
        is_named = VARIABLE in map(str.upper, dotenv_variables(file, encoding))
        return stored_connection_variables(file, encoding) + [VARIABLE] * is_named + fields

    def _hint(self, failures: Sequence[SettingFailure], rule: FallbackRule) -> str | None:
        """Say what to do about `.env`: fill it, or that it has what it may not provide here."""
        if rule.is_possible:
            return self._hint_to_fill(failures)
        names = annotated_in(self.settings_cls, self._stored_keys())
        stray = [failure.field for failure in failures if failure.field in names]
        if not stray:
            return None
        told = f"{self._where()} has {', '.join(stray)}"
        if rule.mode == "never":
            return f"{told}, which vault_fallback='never' leaves to the vault"
        if self._env_file is not DEFAULT_ENV_FILE:
            return f"{told}: fields with a reference are not taken from there in this environment"
        return f"{told}, which it provides in development only: {ON_YOUR_OWN_MACHINE}"

    def _hint_to_fill(self, failures: Sequence[SettingFailure]) -> str | None:
        lacking = [f.field for f in failures if isinstance(f.error, NoCredentialsError)]
        names = [variable_name(self.settings_cls, field) for field in lacking]
        where = ", ".join(str(file.absolute()) for file in files_of(self._env_file))
        if not names or not where:
            return None
        unreadable = unreadable_lines(self._env_file, self._encoding)
        if unreadable:
            lines = ", ".join(unreadable)
            return f"fix {lines}, which cannot be read: {', '.join(names)} may stand there"
        return f"add {', '.join(names)} to {where}"

    def _where(self) -> str:
        """Name the files that stand in for the vault, or would."""
        return ", ".join(map(str, files_of(self._env_file))) or ".env"

    def _stored_keys(self) -> dict[Any, Any]:
        files, encoding = regular_files(self._env_file), self._encoding
        try:
            source = DotEnvSettingsSource(
                self.settings_cls, env_file=files, env_file_encoding=encoding
            )
            return keys_only(source())
        except (SettingsError, UnicodeError, OSError):
            return {}

    def _variable_of(self, text: str) -> str | None:
        variables = {**dotenv_variables(self._env_file, self._encoding), **os.environ}
        exact = (name for name, value in variables.items() if value == text)
        within = (name for name, value in variables.items() if text in value)
        return next(exact, None) or next(within, None)
