"""A load of a settings class that is looked at: for ``render``, ``run``, ``check`` and ``refs``.

What comes out is the input that pydantic would validate, with the vault's values masked.
"""

from __future__ import annotations

from typing import Final

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.loading.load import Ask
from vaultconfig.loading.report import Report
from vaultconfig.settings import VaultSettings
from vaultconfig.source import Purpose, VaultSettingsSource, gathered, vault_source_in

_NO_FALLBACK: Final = (
    "render and run take values from the vault alone: .env is not used instead, in development "
    "either"
)


def gather(settings_cls: type[BaseSettings]) -> Report:
    """Return what ``Settings()`` would hold without the fallback to `.env`; nothing is validated.

    Raises:
        ConfigurationError: The class has no source for the vault, or a source failed.
        VaultConfigError: See `vaultconfig.errors`.
    """
    failure: VaultConfigError | None = None
    try:
        return _load(settings_cls, Purpose(fallback="never"))
    except VaultConfigError as error:
        failure = error.with_traceback(None)
        if isinstance(error, NoCredentialsError):
            failure.add_note(_NO_FALLBACK)
    raise failure


def survey(settings_cls: type[BaseSettings], ask: Ask) -> Report:
    """Load *settings_cls* to the end whatever fails, with *ask* in place of the vault.

    Raises:
        ConfigurationError: The class has no source for the vault, or another one failed.
    """
    return _load(settings_cls, Purpose(ask=ask, raises=False))


def _load(settings_cls: type[BaseSettings], purpose: Purpose) -> Report:
    sources, found = sources_of(settings_cls)
    ours = found.for_purpose(purpose)
    sources = tuple(ours if source is found else source for source in sources)
    problem = ""
    try:
        if issubclass(settings_cls, VaultSettings):
            return gathered(settings_cls, sources, {}).run()
        settings_cls._settings_build_values(sources, {})
    except SettingsError as error:
        problem = str(error)  # its cause holds what could not be decoded
    if ours.report is None:
        problem = problem or "the class does not run the source that it has for the vault"
        raise ConfigurationError(problem)
    return ours.report


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
    try:
        return sources, vault_source_in(sources)
    except StopIteration:
        pass
    raise ConfigurationError(
        f"{settings_cls.__name__} has no source for the vault: derive it from VaultSettings, "
        "or return a VaultSettingsSource from its settings_customise_sources"
    )
