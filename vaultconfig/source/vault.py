"""Our source of pydantic-settings, and how the sources of a class are arranged around it.

`VaultSettings` runs its sources by `run`. In a class that derives from ``BaseSettings`` itself our
source is the last one, which fills in what the others left. It returns nothing: it replaces the
state that pydantic-settings hands on, so that values stay out of the debug log of sources.
"""

from __future__ import annotations

import codecs
import copy
import io
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, DotEnvSettingsSource
from pydantic_settings.sources import DefaultSettingsSource

from vaultconfig.connection.env_files import DotEnvFiles, files_of
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError, VaultConfigError
from vaultconfig.loading.checks import complete, failures_of_coercion
from vaultconfig.loading.layers import ARGUMENT, DOTENV, Layer
from vaultconfig.loading.places import merged, not_too_deep
from vaultconfig.loading.report import Report
from vaultconfig.source.gathering import LAYER_NAMES, Gathered, gather
from vaultconfig.source.meeting import Given, Purpose, surrounding
from vaultconfig.source.situation import DEFAULT_ENV_FILE, Situation, fallback_rule
from vaultconfig.source.texts import AsWritten
from vaultconfig.source.upstream import SharedSource, Sources, sources_of


class VaultSettingsSource(SharedSource):
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
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        environment: str | None = None,
        env_file: DotEnvFiles = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(settings_cls)
        complete(settings_cls)
        self._environment = environment
        self._env_file = env_file
        self._encoding = encoding
        self._purpose = Purpose()

    def for_purpose(self, purpose: Purpose) -> VaultSettingsSource:
        """Return the same source for another purpose."""
        other = copy.copy(self)
        other._purpose = purpose
        return other

    def in_place_of_none(
        self, environment: str | None, env_file: DotEnvFiles, encoding: str | None
    ) -> VaultSettingsSource:
        """Return the same source with these arguments; its own count more, but for the first."""
        other = copy.copy(self)
        other._environment = environment or self._environment
        other._env_file = env_file if self._env_file is None else self._env_file
        other._encoding = self._encoding or encoding
        return other

    def situation(self) -> Situation:
        """Return where a load runs now; a source can outlive it, and the environment change."""
        env_file, encoding = self._env_file, self._encoding
        if env_file is None:
            env_file = self.config.get("env_file") or DEFAULT_ENV_FILE
        rule = fallback_rule(self.config, self._environment)
        rule = rule._replace(mode=self._purpose.fallback or rule.mode)
        encoding = encoding or self.config.get("env_file_encoding")
        return Situation(self.settings_cls, rule, env_file, encoding)

    def __call__(self) -> dict[str, Any]:
        """Fill the vault's fields in; nothing is returned.

        Raises:
            VaultConfigError: See `vaultconfig.errors`. Without a traceback of its own: the
                frames below hold tokens.
        """
        failure: VaultConfigError | None = None
        state, loads = self.current_state, surrounding.get()
        try:
            situation = self.situation()
            given = Given(situation, self._purpose, Gathered(self._layers(situation)))
            report = given.run() if loads is None else loads.first(given)
        except VaultConfigError as error:
            failure = error.with_traceback(None)
        else:
            state.clear()
            state.update(report.state)
            if self._purpose.look is not None:
                self._purpose.look(report)
        self.forget()
        if failure is not None:
            raise failure
        return {}

    @not_too_deep
    def _layers(self, situation: Situation) -> list[Layer]:
        """Return what pydantic-settings has kept of the other sources of a plain class."""
        states = self.settings_sources_data.items()
        layers = [Layer(LAYER_NAMES.get(name, name), data) for name, data in states]
        if self.config.get("vault_resolve_values") is not False:
            arguments = next((layer.data for layer in layers if layer.source == ARGUMENT), {})
            coerced = failures_of_coercion(self.settings_cls, self.current_state, arguments)
            if coerced:
                raise UnresolvedSettingsError(coerced)
        as_written = AsWritten(situation.env_file, situation.encoding)
        layers = [x._replace(as_written=as_written) if x.source == DOTENV else x for x in layers]
        # It keeps the data of one source a class; what another one gave is in the state alone.
        if merged([{}, *(layer.data for layer in reversed(layers))]) != self.current_state:
            above = [layer for layer in layers if layer.is_above]
            below = [layer for layer in layers if not layer.is_above]
            layers = [*above, Layer("other sources", dict(self.current_state)), *below]
        return layers


def vault_source_in(sources: Sequence[object]) -> VaultSettingsSource | None:
    """Return the source for the vault among *sources*."""
    return next((source for source in sources if isinstance(source, VaultSettingsSource)), None)


def run(
    settings_cls: type[BaseSettings], init_kwargs: dict[str, Any], options: Mapping[str, Any]
) -> Report:
    """Return what comes of a load of *settings_cls*, a `VaultSettings` class.

    Args:
        settings_cls: The class.
        init_kwargs: The arguments of ``Settings()`` that are fields.
        options: The others.

    Raises:
        VaultConfigError: See `vaultconfig.errors`.
    """

    def give() -> Given:
        sources, _ = sources_of(settings_cls, _init_kwargs=init_kwargs, **options)
        return given_by(settings_cls, sources, init_kwargs, options)

    loads = surrounding.get()
    return give().run() if loads is None else loads.load(settings_cls, init_kwargs, options, give)


def given_by(
    settings_cls: type[BaseSettings],
    sources: Sources,
    init_kwargs: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> Given:
    """Run *sources*, those of *settings_cls*; see `run`."""
    ours = vault_source_in(sources) or VaultSettingsSource(settings_cls)
    situation = ours.situation()
    gathered = gather(
        [source for source in sources if source is not ours],
        situation,
        resolves=ours.config.get("vault_resolve_values") is not False,
    )
    return Given(situation, ours._purpose, gathered, init_kwargs=init_kwargs, options=options)


def arranged(
    settings_cls: type[BaseSettings],
    make: Callable[..., tuple[Sources, dict[str, Any]]],
    environment: str | None,
    options: Mapping[str, Any],
) -> tuple[Sources, dict[str, Any]]:
    """Return the sources of *settings_cls* with ours behind them, whatever the class says.

    Args:
        settings_cls: The settings class.
        make: Makes its sources, in the order of its choice.
        environment: ``_vault_environment`` of ``Settings()``.
        options: The arguments of *make*.

    Raises:
        ConfigurationError: A `.env` is not in its encoding.
    """
    complete(settings_cls)
    env_file = options.get("_env_file", settings_cls.model_config.get("env_file"))
    changed: dict[str, Any] = {}
    if env_file is DEFAULT_ENV_FILE:
        rule = fallback_rule(settings_cls.model_config, environment)
        changed["_env_file"] = env_file if rule.is_possible else None
    problem = ""
    try:
        sources, init_kwargs = make(**{**options, **changed})
    except UnicodeDecodeError as error:
        problem = f"{_file_read_in(error)} at byte {error.start}"
    if problem:  # out here, because the exception holds the whole file
        raise ConfigurationError(f"{problem}: convert it, or name the encoding that it has")
    theirs = vault_source_in(sources)
    if environment is None and theirs is not None and theirs._environment:
        return arranged(settings_cls, make, theirs._environment, options)  # it decides on `.env`
    ours = theirs or VaultSettingsSource(settings_cls)
    others = [s for s in sources if not isinstance(s, (VaultSettingsSource, DefaultSettingsSource))]
    defaults = [s for s in sources if isinstance(s, DefaultSettingsSource)]
    readers = [source for source in others if isinstance(source, DotEnvSettingsSource)]
    # The first counts most, and of its files the last.
    files = [file for reader in reversed(readers) for file in _files_read(reader)]
    encoding = next(filter(None, (reader.env_file_encoding for reader in readers)), None)
    ours = ours.in_place_of_none(environment, files or env_file or (), encoding)
    return (*others, ours, *defaults), init_kwargs


def _files_read(reader: DotEnvSettingsSource) -> list[Path]:
    """Return the `.env` files of *reader*, which may also look for them in outer directories."""
    depth = getattr(reader, "env_file_depth", None) or 0
    outer = list(Path.cwd().parents)[:depth] if depth else []
    found: list[Path] = []
    for file in files_of(reader.env_file):
        places = (file, *(directory / file for directory in outer))
        found.append(next((place for place in places if os.path.isfile(place)), file))
    return found


def _file_read_in(error: UnicodeDecodeError) -> str:
    """Say which file is not in which encoding; only the frames of *error* know the file."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    held = [item for frame in frames for item in frame.f_locals.values()]
    files = [item for item in held if isinstance(item, io.IOBase) and hasattr(item, "name")]
    file = files[-1] if files else None
    name, encoding = getattr(file, "name", "a file"), getattr(file, "encoding", error.encoding)
    return f"{name} is not {codecs.lookup(encoding).name}"
