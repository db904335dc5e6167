"""The sources of a settings class, put in the order that ours needs. Reads no values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import new_class
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)
from pydantic_settings.sources import DefaultSettingsSource

from vaultconfig.connection.connection import DotEnvFiles, files_of
from vaultconfig.loading.needs import REFERENCE_KEY
from vaultconfig.references import is_reference
from vaultconfig.source import LAYER_NAMES, VaultSettingsSource

_KINDS: Final[tuple[type[PydanticBaseSettingsSource], ...]] = (
    CliSettingsSource,
    DotEnvSettingsSource,
    SecretsSettingsSource,
    NestedSecretsSettingsSource,
)


def arranged(
    settings_cls: type[BaseSettings],
    sources: Sequence[PydanticBaseSettingsSource],
    *,
    environment: str | None,
    env_file: DotEnvFiles,
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return *sources* with ours behind them, where it belongs whatever the class says.

    Args:
        settings_cls: The settings class.
        sources: In the order of its choice.
        environment: See `VaultSettingsSource`.
        env_file: What was named as `.env`, or None where there is to be none.
    """
    others = [s for s in sources if not isinstance(s, (VaultSettingsSource, DefaultSettingsSource))]
    defaults = [s for s in sources if isinstance(s, DefaultSettingsSource)]
    readers = [source for source in others if isinstance(source, DotEnvSettingsSource)]
    # The first counts most, and of its files the last.
    files = [file for reader in reversed(readers) for file in _files_read(reader)]
    encodings = [reader.env_file_encoding for reader in readers]
    if not _orders_sources_itself(settings_cls):
        _put_arguments_first(others)
    resolving = settings_cls.model_config.get("vault_resolve_values") is not False
    layer_names: dict[str, str] = {}
    views: list[PydanticBaseSettingsSource] = []
    for source in others:
        name = _name(source)
        if name in layer_names:  # pydantic-settings keeps the data of one source a name
            name = f"{name}[{len(layer_names)}]"
        layer_names[name] = _layer_name(source)
        views.append(_view(source, name, resolving=resolving))
    ours = VaultSettingsSource(
        settings_cls,
        environment=environment,
        env_file=files or env_file or (),
        encoding=next(filter(None, encodings), None),
        layer_names=layer_names,
    )
    return (*views, ours, *defaults)


def _files_read(reader: DotEnvSettingsSource) -> list[Path]:
    """Return the `.env` files of *reader*, which may also look for them in outer directories."""
    depth = getattr(reader, "env_file_depth", None) or 0
    outer = list(Path.cwd().parents)[:depth] if depth else []
    found: list[Path] = []
    for file in files_of(reader.env_file):
        places = (file, *(directory / file for directory in outer))
        found.append(next((place for place in places if os.path.isfile(place)), file))
    return found


def _put_arguments_first(sources: list[PydanticBaseSettingsSource]) -> None:
    """Arguments win over the command line, which pydantic-settings puts in front of them."""
    sources.sort(key=lambda source: type(source) is not InitSettingsSource)


def _orders_sources_itself(settings_cls: type[BaseSettings]) -> bool:
    hook = BaseSettings.settings_customise_sources.__name__
    return next(cls for cls in settings_cls.__mro__ if hook in vars(cls)) is not BaseSettings


def _view(
    source: PydanticBaseSettingsSource, name: str, *, resolving: bool
) -> PydanticBaseSettingsSource:
    """Return *source* as this load is to see it, under *name*; the source stays as it is.

    A source can outlive a load and be in use by another thread, so the view is an object of its
    own: of a class that is derived from the source's, and with the same attributes.
    """
    kind = type(source)
    if not isinstance(source, PydanticBaseSettingsSource):  # any callable may be one
        named = partial(source)
        vars(named)["__name__"] = name
        return named
    if kind.__basicsize__ != PydanticBaseSettingsSource.__basicsize__:
        return source  # it has attributes elsewhere than in its `__dict__`
    # Calling the source for a `.env` that is not there would cost as much as the environment.
    is_empty = isinstance(source, DotEnvSettingsSource) and not source.env_vars
    is_empty &= kind is DotEnvSettingsSource
    view = object.__new__(_view_class(kind, name, resolving=resolving, is_empty=is_empty))
    view.__dict__ = vars(source)
    return view


@lru_cache(maxsize=256)
def _view_class(
    kind: type[Any], name: str, *, resolving: bool, is_empty: bool
) -> type[PydanticBaseSettingsSource]:
    def decode_complex_value(self: Any, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Take a reference for a complex field, which would be read as JSON."""
        if isinstance(value, str) and is_reference(value):
            return {REFERENCE_KEY: value}
        return kind.decode_complex_value(self, field_name, field, value)

    changed: dict[str, Any] = {"__name__": name, "__module__": kind.__module__}
    if resolving:
        changed["decode_complex_value"] = decode_complex_value
    if is_empty:
        changed["__call__"] = lambda _: {}
    return new_class(kind.__name__, (kind,), exec_body=lambda names: names.update(changed))


def _name(source: PydanticBaseSettingsSource) -> str:
    return str(getattr(source, "__name__", type(source).__name__))


def _layer_name(source: PydanticBaseSettingsSource) -> str:
    """Return what *source* counts as: files and cloud vaults derive from the same classes."""
    if not isinstance(source, PydanticBaseSettingsSource):
        return _name(source)
    kind = next((kind for kind in _KINDS if isinstance(source, kind)), type(source))
    if kind not in _KINDS and _reads_the_environment(source):
        kind = EnvSettingsSource
    return LAYER_NAMES.get(kind.__name__, kind.__name__)


def _reads_the_environment(source: PydanticBaseSettingsSource) -> bool:
    return (
        isinstance(source, EnvSettingsSource)
        and type(source)._load_env_vars is EnvSettingsSource._load_env_vars
    )
