"""Where one load runs: which environment it is, and which `.env` may stand in for the vault."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic_settings import BaseSettings

from vaultconfig.connection.env_files import DotEnvFiles
from vaultconfig.connection.environment import FallbackRule, current_environment

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


class Situation(NamedTuple):
    """Where one load of *settings_cls* runs.

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
