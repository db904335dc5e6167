"""Makes layers of what the sources of a class give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pydantic_settings import (
    CliSettingsSource,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)
from pydantic_settings.sources import DefaultSettingsSource

from vaultconfig.loading.layers import (
    ARGUMENT,
    COMMAND_LINE,
    DEFAULT,
    DOTENV,
    ENVIRONMENT,
    SECRETS_DIRECTORY,
    Layer,
)
from vaultconfig.loading.places import not_too_deep
from vaultconfig.source.situation import Situation
from vaultconfig.source.texts import AsWritten, SourceVariables
from vaultconfig.source.upstream import States, call_all, name_of, reads_environment

_ALSO_DERIVED: Final[tuple[tuple[type[PydanticBaseSettingsSource], str], ...]] = (
    (CliSettingsSource, COMMAND_LINE),
    (DotEnvSettingsSource, DOTENV),
    (SecretsSettingsSource, SECRETS_DIRECTORY),
    (NestedSecretsSettingsSource, SECRETS_DIRECTORY),
)
_EXACTLY: Final[dict[type[PydanticBaseSettingsSource], str]] = {
    InitSettingsSource: ARGUMENT,  # files and cloud vaults derive from it and the next one
    EnvSettingsSource: ENVIRONMENT,
    DefaultSettingsSource: DEFAULT,
}
LAYER_NAMES: Final = {kind.__name__: name for kind, name in (*_ALSO_DERIVED, *_EXACTLY.items())}
"""How `provenance` calls the sources, by the names that pydantic-settings has for them."""


class Gathered(NamedTuple):
    """What the sources of a class gave to one load.

    Attributes:
        layers: What each gave, highest first.
        init: The source of arguments, where it is pydantic-settings' own.
        defaults: The source of defaults, where it has any.
        states: What pydantic-settings would log.
    """

    layers: Sequence[Layer]
    init: InitSettingsSource | None = None
    defaults: DefaultSettingsSource | None = None
    states: States | None = None

    def __repr__(self) -> str:  # not the values, which a traceback with locals would show
        return f"<Gathered {self.layers!r}>"


@not_too_deep
def gather(
    sources: Sequence[PydanticBaseSettingsSource], situation: Situation, *, resolves: bool
) -> Gathered:
    """Run *sources*, those of a class without ours.

    Args:
        sources: The highest first.
        situation: Which `.env` is among them.
        resolves: Whether references that stand as values count.
    """
    given, states = call_all(sources, resolves=resolves)
    defaults: DefaultSettingsSource | None = None
    init: InitSettingsSource | None = None
    layers: list[Layer] = []
    for source, data in given:
        if type(source) is InitSettingsSource:
            init = source
        elif isinstance(source, DefaultSettingsSource) and source.defaults:
            defaults = source
        elif not data:
            continue
        name = _layer_name(source)
        variables = SourceVariables(source) if isinstance(source, EnvSettingsSource) else None
        layer = Layer(name, data, variables)
        if name == DOTENV:
            layer = layer._replace(as_written=AsWritten(situation.env_file, situation.encoding))
        layers.append(layer)
    return Gathered(layers, init, defaults, states)


def _layer_name(source: PydanticBaseSettingsSource) -> str:
    if type(source) in _EXACTLY:
        return _EXACTLY[type(source)]
    for kind, name in _ALSO_DERIVED:
        if isinstance(source, kind):
            return name
    if isinstance(source, EnvSettingsSource) and reads_environment(type(source)):
        return ENVIRONMENT
    return name_of(source)
