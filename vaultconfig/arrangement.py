"""The sources of a settings class, put in the order that ours needs. Does no I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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

from vaultconfig.connection import DotEnvFiles
from vaultconfig.references import is_reference
from vaultconfig.slots import REFERENCE_KEY
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
    files = (s.env_file for s in others if isinstance(s, DotEnvSettingsSource) and s.env_file)
    env_file = next(files, env_file)
    others = [source for source in others if not _is_empty(source)]
    if not _orders_sources_itself(settings_cls):
        _put_arguments_first(others)
    layer_names: dict[str, str] = {}
    for source in others:
        if settings_cls.model_config.get("vault_resolve_values") is not False:
            _let_references_pass(source)
        _name_apart(source, layer_names)
        layer_names[_name(source)] = _layer_name(source)
    ours = VaultSettingsSource(
        settings_cls, environment=environment, env_file=env_file or (), layer_names=layer_names
    )
    return (*others, ours, *defaults)


def _put_arguments_first(sources: list[PydanticBaseSettingsSource]) -> None:
    """Arguments win over the command line, which pydantic-settings puts in front of them."""
    sources.sort(key=lambda source: type(source) is not InitSettingsSource)


def _orders_sources_itself(settings_cls: type[BaseSettings]) -> bool:
    hook = BaseSettings.settings_customise_sources.__name__
    return next(cls for cls in settings_cls.__mro__ if hook in vars(cls)) is not BaseSettings


def _is_empty(source: PydanticBaseSettingsSource) -> bool:
    """Whether it is a `.env` that is not there: calling it costs as much as the environment."""
    return type(source) is DotEnvSettingsSource and not source.env_vars


def _let_references_pass(source: PydanticBaseSettingsSource) -> None:
    """Have *source* take a reference for a complex field, which it would try to read as JSON."""
    decode = source.decode_complex_value

    def decode_complex_value(field_name: str, field: FieldInfo, value: Any) -> Any:
        if isinstance(value, str) and is_reference(value):
            return {REFERENCE_KEY: value}
        return decode(field_name, field, value)

    vars(source)["decode_complex_value"] = decode_complex_value


def _name_apart(source: PydanticBaseSettingsSource, taken: Collection[str]) -> None:
    """Name the second source of a class: pydantic-settings keeps the data of one a name."""
    if _name(source) in taken:
        vars(source)["__name__"] = f"{_name(source)}[{len(taken)}]"


def _name(source: PydanticBaseSettingsSource) -> str:
    return str(getattr(source, "__name__", type(source).__name__))


def _layer_name(source: PydanticBaseSettingsSource) -> str:
    """Return what *source* counts as: files and cloud vaults derive from the same classes."""
    kind = next((kind for kind in _KINDS if isinstance(source, kind)), type(source))
    if kind not in _KINDS and _reads_the_environment(source):
        kind = EnvSettingsSource
    return LAYER_NAMES.get(kind.__name__, kind.__name__)


def _reads_the_environment(source: PydanticBaseSettingsSource) -> bool:
    return (
        isinstance(source, EnvSettingsSource)
        and type(source)._load_env_vars is EnvSettingsSource._load_env_vars
    )
