"""Runs the sources of a class as pydantic-settings does, and keeps what each of them gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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

from vaultconfig.loading.given import (
    ARGUMENT,
    COMMAND_LINE,
    DEFAULT,
    DOTENV,
    ENVIRONMENT,
    SECRETS_DIRECTORY,
    Layer,
)
from vaultconfig.loading.places import merged
from vaultconfig.source.situation import Situation
from vaultconfig.source.texts import AsWritten, Variables
from vaultconfig.source.upstream import (
    States,
    passing_over_absent,
    reads_environment,
    taking_references,
    tell,
)

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


def gather(
    sources: Sequence[PydanticBaseSettingsSource], situation: Situation, *, resolves: bool
) -> Gathered:
    """Run *sources*, those of a class without ours.

    Args:
        sources: The highest first.
        situation: Which `.env` is among them.
        resolves: Whether references that stand as values count.
    """
    state: dict[str, Any] = {}
    states: States = {}
    defaults: DefaultSettingsSource | None = None
    layers: list[Layer] = []
    init: InitSettingsSource | None = None
    for source in sources:
        tell(source, state, states)
        data = _called(source, resolves=resolves)
        states[_name_of(source)] = data
        if type(source) is InitSettingsSource:
            init = source
        elif isinstance(source, DefaultSettingsSource) and source.defaults:
            defaults = source
        elif not data:
            continue
        state = merged([data, state])
        name = _layer_name(source)
        variables = Variables(source) if isinstance(source, EnvSettingsSource) else None
        layer = Layer(name, data, variables)
        if name == DOTENV:
            layer = layer._replace(as_written=AsWritten(situation.env_file, situation.encoding))
        layers.append(layer)
    for source in sources:
        if isinstance(source, EnvSettingsSource):  # it is kept, and what it was told is not to be
            tell(source, {}, {})
    return Gathered(layers, init, defaults, states)


def _called(source: PydanticBaseSettingsSource, *, resolves: bool) -> dict[str, Any]:
    """Return what *source* gives."""
    if isinstance(source, EnvSettingsSource) and type(source) in (
        EnvSettingsSource,
        DotEnvSettingsSource,
    ):
        source = passing_over_absent(source)
    if not resolves or type(source) in (InitSettingsSource, DefaultSettingsSource):
        return source()  # they decode nothing
    # One search through all variables, among them the lists of a command line.
    variables = getattr(source, "env_vars", None)
    may_refer = variables is None or "vault:" in repr([*variables.values()])
    if not may_refer or not isinstance(source, PydanticBaseSettingsSource):
        return source()
    return taking_references(source)()


def _layer_name(source: PydanticBaseSettingsSource) -> str:
    for kind, name in _ALSO_DERIVED:
        if isinstance(source, kind):
            return name
    if isinstance(source, EnvSettingsSource) and reads_environment(type(source)):
        return ENVIRONMENT
    return _EXACTLY.get(type(source)) or _name_of(source)


def _name_of(source: object) -> str:
    """Return the name that pydantic-settings has for *source*, which may be a function."""
    return str(getattr(source, "__name__", type(source).__name__))
