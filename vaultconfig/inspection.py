"""A load of a settings class that is looked at: for ``render``, ``run``, ``check`` and others.

What comes out is the input that pydantic would validate, with the vault's values masked. Inside a
build of live settings it is one of its loads: the second time it asks no source and no vault.
"""

from __future__ import annotations

from typing import Final

from pydantic_settings import BaseSettings, SettingsError

from vaultconfig.connection.environment import Environment, FallbackRule, NoCredentialsError
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.loading.load import Ask
from vaultconfig.loading.report import Report
from vaultconfig.source.arranging import given_by, vault_source_in
from vaultconfig.source.gathering import Gathered
from vaultconfig.source.meeting import Given, Purpose, surrounding
from vaultconfig.source.upstream import OwnSources, Sources, run_as_usual, sources_of
from vaultconfig.source.vault_source import VaultSettingsSource

_NO_FALLBACK: Final = (
    "render and run take values from the vault alone: .env is not used instead, in development "
    "either"
)


def gather(settings_cls: type[BaseSettings], *, vault_first: bool = False) -> Report:
    """Return what ``Settings()`` would hold without the fallback to `.env`; nothing is validated.

    Args:
        settings_cls: The class.
        vault_first: Whether the vault is asked although a store has it all.

    Raises:
        ConfigurationError: The class has no source for the vault, or a source failed.
        VaultConfigError: See `vaultconfig.errors`.
    """
    failure: VaultConfigError | None = None
    try:
        return _load(settings_cls, Purpose(fallback="never", vault_first=vault_first))
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


def survey_of_annotations(
    settings_cls: type[BaseSettings], environment: Environment, ask: Ask
) -> Report:
    """Load what the annotations of *settings_cls* alone say in *environment*; no source runs.

    Other placeholders than that are filled from ``vault_variables`` and the defaults of fields.

    Raises:
        ConfigurationError: The class has no source for the vault.
    """
    situation = sources_for(settings_cls)[1].situation()
    situation = situation._replace(rule=FallbackRule("never", environment))
    return Given(situation, Purpose(ask=ask, raises=False), Gathered([])).run()


def _load(settings_cls: type[BaseSettings], purpose: Purpose) -> Report:
    reports: list[Report] = []

    def sources() -> Sources:
        sources, found = sources_for(settings_cls)
        ours = found.for_purpose(purpose._replace(look=reports.append))
        return tuple(ours if source is found else source for source in sources)

    def give() -> Given:
        return given_by(settings_cls, sources(), {}, {})

    loads = surrounding.get()
    problem = "the class does not run the source that it has for the vault"
    try:
        if issubclass(settings_cls, OwnSources):
            return give().run() if loads is None else loads.load(settings_cls, {}, {}, give)
        run_as_usual(settings_cls, sources())
    except SettingsError as error:
        problem = str(error)  # its cause holds what could not be decoded
    if not reports:
        raise ConfigurationError(problem)
    return reports[0]


def sources_for(settings_cls: type[BaseSettings]) -> tuple[Sources, VaultSettingsSource]:
    """Return all sources of *settings_cls*, and the one for the vault among them.

    Raises:
        ConfigurationError: It has none.
    """
    # Not the class's own command line: the one there is was for us.
    parses = False if settings_cls.model_config.get("cli_parse_args") else None
    sources, _ = sources_of(settings_cls, _cli_parse_args=parses)
    found = vault_source_in(sources)
    if found is not None:
        return sources, found
    raise ConfigurationError(
        f"{settings_cls.__name__} has no source for the vault: derive it from VaultSettings, "
        "or return a VaultSettingsSource from its settings_customise_sources"
    )
