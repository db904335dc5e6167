"""Looks at what `.env` has, and says what to do about it where a load has failed.

Imported with `asking`, and as late.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_settings import DotEnvSettingsSource, SettingsError

from vaultconfig.connection.connection import stored_variables
from vaultconfig.connection.env_files import (
    dotenv_variables,
    files_of,
    regular_files,
    unreadable_lines,
)
from vaultconfig.connection.environment import VARIABLE, NoCredentialsError
from vaultconfig.errors import SettingFailure
from vaultconfig.loading import advice
from vaultconfig.loading.layers import DOTENV, Layer
from vaultconfig.loading.load import Load
from vaultconfig.source.situation import DEFAULT_ENV_FILE, Situation
from vaultconfig.source.texts import TextReader


def hint(situation: Situation, failures: Sequence[SettingFailure]) -> str | None:
    """Say what to do about `.env`: fill it, or that it has what it may not provide here."""
    rule, env_file = situation.rule, situation.env_file
    if rule.is_possible:
        absent = [f.field for f in failures if isinstance(f.error, NoCredentialsError)]
        files = [str(file.absolute()) for file in files_of(env_file)]
        if not absent or not files:
            return None
        cls, config = situation.settings_cls, situation.settings_cls.model_config
        names = dict.fromkeys(advice.variable_name(cls, config, field) for field in absent)
        return advice.values_to_add([*names], files, unreadable_lines(env_file, situation.encoding))
    failed = {failure.field for failure in failures}
    stray = [name for name in _shut_out_in(situation) if name in failed]
    if not stray:
        return None
    is_default = env_file is DEFAULT_ENV_FILE
    return advice.values_ignored(stray, rule, files=files_in(situation), is_default=is_default)


def files_in(situation: Situation) -> str:
    """Name the files that stand in for the vault, or would."""
    return ", ".join(map(str, files_of(situation.env_file))) or ".env"


def ignored_in(situation: Situation) -> list[str]:
    """Name what `.env` has for the vault's part, and may provide in development only."""
    file, encoding = situation.env_file, situation.encoding
    is_named = VARIABLE in map(str.upper, dotenv_variables(file, encoding))
    stored = sorted(stored_variables(file, encoding))
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
