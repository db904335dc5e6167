"""What we use of pydantic-settings beyond what it promises: no other file has its private names.

A new version of it that changes one of them is met here alone, and `make test-pydantic-settings`
runs its own tests against what we make of them.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import new_class
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)
from pydantic_settings.sources import DefaultSettingsSource
from pydantic_settings.utils import _settings_debug_enabled

from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.needs import REFERENCE_KEY
from vaultconfig.loading.places import merged
from vaultconfig.references import is_reference

T = TypeVar("T", bound=BaseSettings)

Sources: TypeAlias = tuple[PydanticBaseSettingsSource, ...]
States: TypeAlias = dict[str, dict[str, Any]]
"""What each source gave, by its name."""


class OwnSources:
    """Goes before ``BaseSettings`` among the bases of a class that arranges its sources itself."""

    @classmethod
    def _settings_init_sources(cls, **options: Any) -> tuple[Sources, dict[str, Any]]:
        return cls._vaultconfig_sources(**options)  # for ``CliApp``; a load asks for them itself

    @classmethod
    def _vaultconfig_sources(cls, **options: Any) -> tuple[Sources, dict[str, Any]]:
        """Return the sources, and the arguments that are fields."""
        raise NotImplementedError


def sources_of(settings_cls: type[BaseSettings], **options: Any) -> tuple[Sources, dict[str, Any]]:
    """Return the sources of *settings_cls*, and the arguments that are fields."""
    return settings_cls._settings_init_sources(**options)


def usual_sources_of(
    settings_cls: type[BaseSettings], **options: Any
) -> tuple[Sources, dict[str, Any]]:
    """Return the same of a class with `OwnSources`, before it arranges them."""
    usual: Any = super(OwnSources, settings_cls)
    found: tuple[Sources, dict[str, Any]] = usual._settings_init_sources(**options)
    return found


def run_as_usual(settings_cls: type[BaseSettings], sources: Sources) -> None:
    """Run *sources* as those of a plain ``BaseSettings``."""
    settings_cls._settings_build_values(sources, {})


def made_of(settings_cls: type[T], state: Callable[[], Any], arguments: Mapping[str, Any]) -> T:
    """Return ``settings_cls(**arguments)`` with *state* in the place of all sources."""
    sources: Any = (state,)  # a function will do
    return settings_cls(_build_sources=(sources, dict(arguments)))


def call_all(
    sources: Iterable[PydanticBaseSettingsSource], *, resolves: bool
) -> tuple[list[tuple[PydanticBaseSettingsSource, dict[str, Any]]], States]:
    """Run *sources*, the highest first, as ``BaseSettings`` does.

    Args:
        resolves: Whether a reference that stands as a value is to come through.

    Returns:
        Each with what it gives; and the same by name, which pydantic-settings would log.
    """
    state: dict[str, Any] = {}
    states: States = {}
    given: list[tuple[PydanticBaseSettingsSource, dict[str, Any]]] = []
    for source in sources:
        if isinstance(source, PydanticBaseSettingsSource):
            _tell(source, state, states)
            data = _data_of(source, resolves=resolves)
        else:
            data = source()
        given.append((source, data))
        states[name_of(source)] = data
        state = merged([data, state]) if data else state
    for source, _ in given:
        if isinstance(source, EnvSettingsSource):  # it is kept, and what it was told is not to be
            _tell(source, {}, {})
    return given, states


def name_of(source: object) -> str:
    """Return the name that pydantic-settings has for *source*, which may be a function."""
    return str(getattr(source, "__name__", type(source).__name__))


def _data_of(source: PydanticBaseSettingsSource, *, resolves: bool) -> dict[str, Any]:
    """Return what *source* gives."""
    variables = getattr(source, "env_vars", None)
    if type(source) is DotEnvSettingsSource and not variables:
        return {}  # it would find that out field by field
    if type(source) is EnvSettingsSource:  # that of a `.env` asks all fields for the extra
        fields = _fields_given_by(source)
        if not fields:
            return {}
        source = _taking_fields(source, fields)
    decodes = type(source) not in (InitSettingsSource, DefaultSettingsSource)
    # One search through all variables, among them the lists of a command line.
    if resolves and decodes and (variables is None or "vault:" in repr([*variables.values()])):
        source = _taking_references(source)
    return source()


def _tell(source: PydanticBaseSettingsSource, state: dict[str, Any], states: States) -> None:
    """Tell *source* what those before it gave: merged, and by source."""
    source._set_current_state(state)
    source._set_settings_sources_data(states)


def restore_names(
    settings_cls: type[BaseSettings],
    init_kwargs: Mapping[str, Any],
    state: dict[str, Any],
    source: PydanticBaseSettingsSource | None,
) -> None:
    """Spell *state* as the caller of ``Settings()`` has spelled *init_kwargs*.

    Args:
        source: Of the arguments; it remembers which warnings have been given.
    """
    if init_kwargs:
        warned = {} if source is None else source._init_state
        settings_cls._settings_restore_init_kwarg_names(
            settings_cls, dict(init_kwargs), state, warned
        )


def log_what_came(settings_cls: type[BaseSettings], states: States) -> None:
    """Log what the sources gave, where ``PYDANTIC_SETTINGS_DEBUG`` asks for it."""
    if _settings_debug_enabled() and logging.getLogger("pydantic_settings").isEnabledFor(
        logging.DEBUG
    ):
        settings_cls._settings_log_debug(states)


class SharedSource(PydanticBaseSettingsSource):
    """A source that may serve several loads at a time: each thread has a state of its own."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._told = _Told()

    def _set_current_state(self, state: dict[str, Any]) -> None:
        self._told.state = state

    def _set_settings_sources_data(self, states: States) -> None:
        self._told.states = states

    @property
    def current_state(self) -> dict[str, Any]:
        """What the sources before this one gave to the load of this thread, merged."""
        return self._told.state

    @property
    def settings_sources_data(self) -> States:
        """The same, by source."""
        return self._told.states

    def forget(self) -> None:
        """Let go of both, which hold values."""
        self._told.state, self._told.states = {}, {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: fields are filled together, not one by one."""
        return None, field_name, False


class _Told(threading.local):
    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.states: States = {}


def _taking_references(source: PydanticBaseSettingsSource) -> PydanticBaseSettingsSource:
    """Return *source*, but that a reference is neither read as JSON nor coerced.

    A source can outlive a load and be in use by another thread, so this is an object of its own:
    of a class that is derived from the source's, and with the same attributes.
    """
    kind = type(source)
    if kind.__basicsize__ != PydanticBaseSettingsSource.__basicsize__:
        return source  # it has attributes elsewhere than in its `__dict__`
    view = object.__new__(_class_taking_references(kind))
    view.__dict__ = vars(source)
    return view


@lru_cache(maxsize=256)
def _class_taking_references(kind: type[Any]) -> type[PydanticBaseSettingsSource]:
    module = {"__module__": kind.__module__}
    return new_class(kind.__name__, (_TakingReferences, kind), exec_body=lambda n: n.update(module))


class _TakingReferences(PydanticBaseSettingsSource):
    """Goes before the class of a source."""

    def __init_subclass__(cls) -> None:
        """Leave out the source's own, which may want arguments, or keep what is derived."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        if isinstance(value, str) and is_reference(value):
            return {REFERENCE_KEY: value}
        return super().decode_complex_value(field_name, field, value)

    def explode_env_vars(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, Any]:
        # The reference of an object would replace what stands inside, if that came before.
        outer_first = dict(sorted(env_vars.items(), key=lambda item: len(item[0])))
        return super().explode_env_vars(field_name, field, outer_first)  # type: ignore[misc, no-any-return]

    def _coerce_env_val_strict(self, field: FieldInfo | None, value: Any) -> Any:
        if isinstance(value, str) and is_reference(value):
            return value  # in a strict class it would itself be the path or the bytes
        return super()._coerce_env_val_strict(field, value)  # type: ignore[misc]  # of variables


def _fields_given_by(source: EnvSettingsSource) -> Mapping[str, FieldInfo]:
    """Return the fields of the class, without single values whose variables are not set.

    *source* itself would take 20 µs to find that out for each: with most values in the vault, that
    is most of the time of a load.
    """
    cls, infos = source.settings_cls, source.settings_cls.model_fields
    if not cls.__pydantic_complete__:
        return infos
    of_class = _looked_for.setdefault(cls, {})
    spelling = (source.case_sensitive, source.env_prefix, source.env_prefix_target)
    looked_for = of_class.get(spelling)
    if looked_for is None:
        always, by_variable = set[str](), dict[str, set[str]]()
        for field in fields_of(cls):
            if field.takes_text_as_it_is:
                for variable, _ in names_in(source, field.name, field.info):
                    by_variable.setdefault(variable, set()).add(field.name)
            else:
                always.add(field.name)
        looked_for = of_class[spelling] = _LookedFor(always, by_variable)
    always, by_variable = looked_for
    set_here = by_variable.keys() & source.env_vars.keys()
    given = always.union(*(by_variable[variable] for variable in set_here))
    return {name: info for name, info in infos.items() if name in given} if given else {}


def _taking_fields(source: EnvSettingsSource, fields: Mapping[str, FieldInfo]) -> EnvSettingsSource:
    """Return *source*, but that it knows some *fields* only."""
    view = copy.copy(source)
    view.settings_cls = cast("type[BaseSettings]", _WithFewerFields(source.settings_cls, fields))
    return view


class _WithFewerFields:
    """Stands for a settings class, of which it knows some fields only."""

    def __init__(self, settings_cls: type[BaseSettings], fields: Mapping[str, FieldInfo]) -> None:
        self.model_fields = fields
        self._settings_cls = settings_cls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings_cls, name)


class _LookedFor(NamedTuple):
    """The fields of a class, by what tells that a source may give them.

    Attributes:
        always: Those that several variables may give together.
        by_variable: Single values.
    """

    always: set[str]
    by_variable: dict[str, set[str]]


_Spelling: TypeAlias = tuple[bool, str, str]
_looked_for: WeakKeyDictionary[type[BaseSettings], dict[_Spelling, _LookedFor]] = (
    WeakKeyDictionary()
)
"""By class, and by how a source spells variables."""


class WithoutVariables(EnvSettingsSource):
    """Reads texts as the environment's source does, and has none of its own."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {}


def reads_environment(kind: type[EnvSettingsSource]) -> bool:
    """Whether *kind* reads the environment of the process: cloud vaults derive from it, too."""
    return kind._load_env_vars is EnvSettingsSource._load_env_vars


def names_in(
    source: EnvSettingsSource, field_name: str, field: FieldInfo
) -> Iterator[tuple[str, bool]]:
    """Yield the names that *source* looks for, each with whether its text is read as JSON."""
    for _, name, is_complex in source._extract_field_info(field, field_name):
        yield name, is_complex


def in_the_case_of_fields(source: EnvSettingsSource, field: FieldInfo, value: Any) -> Any:
    """Return *value*, whose keys may be spelled in any case where *source* lets them."""
    if source.case_sensitive or not isinstance(value, dict):
        return value
    return source._replace_field_names_case_insensitively(field, value)


def defaults_beside(source: DefaultSettingsSource, state: dict[str, Any]) -> dict[str, Any]:
    """Return what *source* gives beside *state*: defaults go with the tag of a union in it."""
    fitting = copy.copy(source)
    fitting._set_current_state(state)
    return fitting()
