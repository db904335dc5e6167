"""Runs the sources of a settings class as ``Settings()`` would, without the fallback to `.env`.

What comes out is the input that pydantic would validate, with the vault's values masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from vaultconfig.connection.fallback import NoCredentialsError
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.loading.report import LoadRecord
from vaultconfig.source import VaultSettingsSource

_NO_FALLBACK: Final = (
    "render and run take values from the vault alone: .env is not used instead, in development "
    "either"
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources of a settings class gave.

    Attributes:
        settings_cls: The class.
        state: By the names that pydantic knows.
        record: Where it came from.
    """

    settings_cls: type[BaseSettings]
    state: dict[str, Any] = field(repr=False)
    record: LoadRecord


def gather(settings_cls: type[BaseSettings]) -> Gathered:
    """Return what the sources of *settings_cls* give; nothing is validated yet.

    Raises:
        ConfigurationError: The class has no source for the vault, or a source failed.
        VaultConfigError: See `vaultconfig.errors`.
    """
    sources, ours = sources_of(settings_cls)
    ours.fallback = "never"
    failure: Exception
    try:
        state = settings_cls._settings_build_values(sources, {})
    except VaultConfigError as error:
        failure = error.with_traceback(None)
        if isinstance(error, NoCredentialsError):
            failure.add_note(_NO_FALLBACK)
    except SettingsError as error:
        failure = ConfigurationError(str(error))  # its cause holds what could not be decoded
    else:
        return Gathered(settings_cls, state, ours.record)
    raise failure


def sources_of(
    settings_cls: type[BaseSettings],
) -> tuple[tuple[PydanticBaseSettingsSource, ...], VaultSettingsSource]:
    """Return all sources of *settings_cls*, and the one for the vault among them.

    Raises:
        ConfigurationError: It has none.
    """
    # Not the class's own command line: the one there is was for us.
    parses = False if settings_cls.model_config.get("cli_parse_args") else None
    sources, _ = settings_cls._settings_init_sources(_cli_parse_args=parses)
    ours = _find(sources)
    if ours is None:
        raise ConfigurationError(
            f"{settings_cls.__name__} has no source for the vault: derive it from VaultSettings, "
            "or return a VaultSettingsSource from its settings_customise_sources"
        )
    return sources, ours


def _find(sources: Sequence[object]) -> VaultSettingsSource | None:
    return next((s for s in sources if isinstance(s, VaultSettingsSource)), None)
