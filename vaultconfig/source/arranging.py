"""Arranges the sources of a `VaultSettings` class, with ours behind the others, and runs them."""

from __future__ import annotations

import codecs
import io
import os
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, DotEnvSettingsSource
from pydantic_settings.sources import DefaultSettingsSource

from vaultconfig.connection.env_files import files_of
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.checks import complete
from vaultconfig.loading.report import Report
from vaultconfig.source.gathering import gather
from vaultconfig.source.meeting import Given, surrounding
from vaultconfig.source.situation import DEFAULT_ENV_FILE, fallback_rule
from vaultconfig.source.upstream import Sources, usual_sources_of
from vaultconfig.source.vault_source import VaultSettingsSource


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
        sources, _ = arranged(settings_cls, _init_kwargs=init_kwargs, **options)
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
    return Given(situation, ours.purpose, gathered, init_kwargs=init_kwargs, options=options)


def arranged(
    settings_cls: type[BaseSettings], *, _vault_environment: str | None = None, **options: Any
) -> tuple[Sources, dict[str, Any]]:
    """Return the sources of *settings_cls* with ours behind them, whatever the class says.

    Args:
        settings_cls: The settings class.
        options: The arguments of ``Settings()`` that are not fields.

    Returns:
        The sources, the highest first; and the arguments that are fields.

    Raises:
        ConfigurationError: A `.env` is not in its encoding.
    """
    complete(settings_cls)
    config = settings_cls.model_config
    env_file, used = options.get("_env_file", config.get("env_file")), options
    if env_file is DEFAULT_ENV_FILE and not fallback_rule(config, _vault_environment).is_possible:
        used = {**options, "_env_file": None}  # the default one is for where it may stand in
    sources, init_kwargs = _usual_sources(settings_cls, used)
    theirs = vault_source_in(sources)
    if _vault_environment is None and theirs is not None and theirs.environment:
        # It decides on `.env`.
        return arranged(settings_cls, _vault_environment=theirs.environment, **options)
    others = [s for s in sources if not isinstance(s, (VaultSettingsSource, DefaultSettingsSource))]
    defaults = [s for s in sources if isinstance(s, DefaultSettingsSource)]
    readers = [source for source in others if isinstance(source, DotEnvSettingsSource)]
    # The first counts most, and of its files the last.
    files = [file for reader in reversed(readers) for file in _files_read(reader)]
    encoding = next(filter(None, (reader.env_file_encoding for reader in readers)), None)
    env_files = files or env_file or ()
    ours = theirs or VaultSettingsSource(settings_cls)
    ours = ours.completed(_vault_environment, env_file=env_files, encoding=encoding)
    return (*others, ours, *defaults), init_kwargs


def _usual_sources(
    settings_cls: type[BaseSettings], options: Mapping[str, Any]
) -> tuple[Sources, dict[str, Any]]:
    try:
        return usual_sources_of(settings_cls, **options)
    except UnicodeDecodeError as error:
        problem = f"{_file_read_in(error)} at byte {error.start}"
        advice = "convert it, or name the encoding that it has"
    except PermissionError as error:
        problem = f"{error.filename} can't be read ({error.strerror})"
        advice = "give it to this user, or take it away"
    # Out here, because the exception may hold the whole file.
    raise ConfigurationError(f"{problem}: {advice}")


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
