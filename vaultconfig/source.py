"""Where pydantic-settings and the vault meet: runs the sources of a class, and asks the vault.

`VaultSettings` runs its sources by `run`. In a class that derives from ``BaseSettings`` itself our
source is the last one, which fills in what the others left. It returns nothing: it replaces the
state that pydantic-settings hands on, so that values stay out of the debug log of sources. The only
file that uses private names of pydantic-settings.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from types import new_class
from typing import Any, Final, NamedTuple

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
    SettingsError,
)
from pydantic_settings.sources import DefaultSettingsSource
from pydantic_settings.utils import _settings_debug_enabled

from vaultconfig.connection.connection import (
    CONNECTION_VARIABLES,
    DEADLINE,
    DEVELOPMENT_DEADLINE,
    Connection,
    MisplacedCredentialsError,
    read_connection,
    stored_connection_variables,
)
from vaultconfig.connection.environment import (
    VARIABLE,
    FallbackMode,
    FallbackRule,
    NoCredentialsError,
    current_environment,
)
from vaultconfig.connection.stored import (
    DotEnvFiles,
    dotenv_variables,
    expanded_texts,
    files_of,
    regular_files,
    unreadable_lines,
)
from vaultconfig.errors import SettingFailure, UnresolvedSettingsError, VaultConfigError
from vaultconfig.forks import import_undisturbed
from vaultconfig.loading import advice
from vaultconfig.loading.checks import complete
from vaultconfig.loading.fields import ModelField, model_fields
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.given import (
    ARGUMENT,
    COMMAND_LINE,
    DEFAULT,
    DOTENV,
    ENVIRONMENT,
    Layer,
)
from vaultconfig.loading.load import Ask, Load
from vaultconfig.loading.needs import REFERENCE_KEY
from vaultconfig.loading.places import Place, get_at, merged
from vaultconfig.loading.report import Report
from vaultconfig.references import VaultRef, is_reference
from vaultconfig.secret import SecretKey

logger = logging.getLogger("vaultconfig")

DEFAULT_ENV_FILE: Final = Path(".env")

_LAYER_NAMES: Final = {
    "InitSettingsSource": ARGUMENT,
    "CliSettingsSource": COMMAND_LINE,
    "EnvSettingsSource": ENVIRONMENT,
    "DotEnvSettingsSource": DOTENV,
    "SecretsSettingsSource": "secrets directory",
    "NestedSecretsSettingsSource": "secrets directory",
    "DefaultSettingsSource": DEFAULT,
}
"""How `provenance` calls the sources, by the names that pydantic-settings has for them."""

_KINDS: Final[tuple[type[PydanticBaseSettingsSource], ...]] = (
    CliSettingsSource,
    DotEnvSettingsSource,
    SecretsSettingsSource,
    NestedSecretsSettingsSource,
)


_DECODE_NOTHING: Final = (InitSettingsSource, DefaultSettingsSource)
"""The sources whose values never are texts to be read as JSON."""


class Purpose(NamedTuple):
    """What a load is for: to have settings, or to look at what becomes of them.

    Attributes:
        ask: Reads references in the place of our own way to do it.
        fallback: A rule over that of the class.
        raises: Whether settings that fail are raised, not only reported.
    """

    ask: Ask | None = None
    fallback: FallbackMode | None = None
    raises: bool = True


def fallback_rule(config: Mapping[str, Any], environment: str | None) -> FallbackRule:
    """Return where we are, and when `.env` may stand in for the vault there.

    Args:
        config: The ``model_config`` of a settings class.
        environment: The environment's name, over the variable and the class.
    """
    current = current_environment(
        environment, declared=config.get("vault_environment"), environ=os.environ
    )
    return FallbackRule(config.get("vault_fallback") or "development", current)


class _OfThread(threading.local):
    """What pydantic-settings told our source in one thread, and what came of it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.data: dict[str, dict[str, Any]] = {}
        self.report: Report | None = None


class VaultSettingsSource(PydanticBaseSettingsSource):
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
        named = self.config.get("env_file") or DEFAULT_ENV_FILE
        self._env_file: DotEnvFiles = named if env_file is None else env_file
        self._encoding: str | None = encoding or self.config.get("env_file_encoding")
        self._environment = environment
        self._purpose = Purpose()
        self._of_thread = _OfThread()

    def for_purpose(self, purpose: Purpose) -> VaultSettingsSource:
        """Return the same source for another purpose."""
        other = copy.copy(self)
        other._purpose, other._of_thread = purpose, _OfThread()
        return other

    def _set_current_state(self, state: dict[str, Any]) -> None:
        self._of_thread.state = state  # one source may serve several loads at a time

    def _set_settings_sources_data(self, states: dict[str, dict[str, Any]]) -> None:
        self._of_thread.data = states

    @property
    def current_state(self) -> dict[str, Any]:
        """What the sources before this one gave to the load of this thread, merged."""
        return self._of_thread.state

    @property
    def settings_sources_data(self) -> dict[str, dict[str, Any]]:
        """The same, by source."""
        return self._of_thread.data

    @property
    def report(self) -> Report | None:
        """What came of the load of this thread."""
        return self._of_thread.report

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: fields are filled together, not one by one."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Fill the vault's fields in; nothing is returned.

        Raises:
            VaultConfigError: See `vaultconfig.errors`. Without a traceback of its own: the
                frames below hold tokens.
        """
        failure: VaultConfigError | None = None
        loads = _loads.get()
        try:
            given = Given(self, self._layers_by_name())
            report = given.run() if loads is None else loads.first(given)
            self._of_thread.report = report
        except VaultConfigError as error:
            failure = error.with_traceback(None)
        else:
            self.current_state.clear()
            self.current_state.update(report.state)
        if failure is not None:
            raise failure
        return {}

    def _layers_by_name(self) -> list[Layer]:
        """Return what pydantic-settings has kept of the other sources of a plain class."""
        layers = [
            Layer(_LAYER_NAMES.get(name, name), data)
            for name, data in self.settings_sources_data.items()
        ]
        written = _Written(self._env_file, self._encoding)
        layers = [replace(x, written=written) if x.source == DOTENV else x for x in layers]
        # It keeps the data of one source a class; what another one gave is in the state alone.
        if merged([{}, *(layer.data for layer in reversed(layers))]) != self.current_state:
            above = [layer for layer in layers if layer.is_above]
            below = [layer for layer in layers if not layer.is_above]
            layers = [*above, Layer("other sources", dict(self.current_state)), *below]
        return layers

    def _without_connection(self, layer: Layer) -> Layer:
        """Take away what a `.env` says of the connection, where extra keys count."""
        if layer.source != DOTENV or self.config.get("extra") == "ignore":
            return layer
        fields = model_fields(self.settings_cls).by_key
        names = {VARIABLE, *CONNECTION_VARIABLES}
        if not self.config.get("case_sensitive"):
            names = {name.lower() for name in names}
        kept = {key: v for key, v in layer.data.items() if key in fields or key not in names}
        return replace(layer, data=kept)

    @property
    def _rule(self) -> FallbackRule:
        """When `.env` may stand in; not kept, because a source can outlive a load."""
        rule = fallback_rule(self.config, self._environment)
        mode = self._purpose.fallback
        return rule if mode is None else rule._replace(mode=mode)

    def connection(self, rule: FallbackRule | None = None) -> Connection:
        """Return the connection settings, in development from `.env` too.

        Args:
            rule: Where we are, if that is known.

        Raises:
            ConfigurationError: There are no credentials, or a setting is wrong.
        """
        rule = rule or self._rule
        env_file = self._env_file if rule.environment.is_development else None
        connection = read_connection(os.environ, env_file=env_file, encoding=self._encoding)
        if not connection.has_credentials:
            ignored = [] if rule.is_possible else self._ignored_names()
            files = self._where()
            message = advice.no_credentials(connection.url, rule, files=files, ignored=ignored)
            raise NoCredentialsError(message)
        return connection

    def _ignored_names(self) -> list[str]:
        """Name what `.env` has for the vault's part, and may provide in development only."""
        file, encoding = self._env_file, self._encoding
        is_named = VARIABLE in map(str.upper, dotenv_variables(file, encoding))
        stored = stored_connection_variables(file, encoding)
        return stored + [VARIABLE] * is_named + self._shut_out()

    def _hint(self, failures: Sequence[SettingFailure], rule: FallbackRule) -> str | None:
        """Say what to do about `.env`: fill it, or that it has what it may not provide here."""
        if rule.is_possible:
            absent = [f.field for f in failures if isinstance(f.error, NoCredentialsError)]
            cls, config = self.settings_cls, self.config
            names = [advice.variable_name(cls, config, field) for field in absent]
            files = [str(file.absolute()) for file in files_of(self._env_file)]
            if not names or not files:
                return None
            unreadable = unreadable_lines(self._env_file, self._encoding)
            return advice.values_to_add(names, files, unreadable)
        failed = {failure.field for failure in failures}
        stray = [name for name in self._shut_out() if name in failed]
        if not stray:
            return None
        is_default = self._env_file is DEFAULT_ENV_FILE
        return advice.values_ignored(stray, rule, files=self._where(), is_default=is_default)

    def _where(self) -> str:
        """Name the files that stand in for the vault, or would."""
        return ", ".join(map(str, files_of(self._env_file))) or ".env"

    def _shut_out(self) -> list[str]:
        """Name the annotated fields that `.env` has; in production it has not been read yet."""
        files, encoding = regular_files(self._env_file), self._encoding
        try:
            data = DotEnvSettingsSource(
                self.settings_cls, env_file=files, env_file_encoding=encoding
            )()
        except (SettingsError, UnicodeError, OSError):
            return []
        rule = self._rule._replace(mode="never")
        load = Load(
            self.settings_cls,
            [Layer(DOTENV, data)],
            rule=rule,
            read_text=_TextReader(self.settings_cls),
            variables={},
            resolves_values=False,
            extra=False,
        )
        unasked = NoCredentialsError("not asked")
        return load.run(lambda references: dict.fromkeys(references, unasked)).shut_out


class Given:
    """What the sources of a class gave to one load, which can be run again without them.

    Args:
        source: Ours.
        layers: What the others gave, highest first.
        init_kwargs: The arguments of ``Settings()``.
        init: Their source, where it is pydantic-settings' own.
        defaults: The source of defaults, where it has any.
        options: The arguments of ``Settings()`` that are no fields.
        log: Logs what they gave, once it has come to a load.
    """

    def __init__(
        self,
        source: VaultSettingsSource,
        layers: Sequence[Layer],
        *,
        init_kwargs: Mapping[str, Any] | None = None,
        init: InitSettingsSource | None = None,
        defaults: DefaultSettingsSource | None = None,
        options: Mapping[str, Any] | None = None,
        log: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings_cls = source.settings_cls
        self.options = options
        self._log = log
        # Not itself: it holds what it was told of a load, values of the vault among it.
        self._source = source.for_purpose(source._purpose)
        self._rule = source._rule
        self._layers = layers
        self._init_kwargs = init_kwargs or {}
        self._init = init
        self._defaults = defaults
        self._load = self._load_of(layers)

    def _load_of(self, layers: Sequence[Layer]) -> Load:
        source = self._source
        config: Mapping[str, Any] = source.config
        return Load(
            self.settings_cls,
            [source._without_connection(layer) for layer in layers],
            rule=self._rule,
            read_text=_TextReader(self.settings_cls),
            variables=config.get("vault_variables") or {},
            resolves_values=config.get("vault_resolve_values") is not False,
            extra=config.get("extra") == "allow",
        )

    def with_arguments(self, init_kwargs: Mapping[str, Any]) -> Given:
        """Return the same with other arguments, as an outer class gives them to a nested one."""
        before, init = self._init_kwargs, self._init
        if init is None or (
            init_kwargs.keys() == before.keys()
            and all(value is before[name] for name, value in init_kwargs.items())
        ):
            return self
        partial_update = init.nested_model_default_partial_update
        source = InitSettingsSource(
            self.settings_cls, dict(init_kwargs), nested_model_default_partial_update=partial_update
        )
        data = source()
        return Given(
            self._source,
            [replace(x, data=data) if x.source == ARGUMENT else x for x in self._layers],
            init_kwargs=init_kwargs,
            init=source,
            defaults=self._defaults,
            options=self.options,
        )

    def run(self, before: Report | None = None) -> Report:
        """Resolve what the sources leave to the vault.

        Args:
            before: The report of the same load before; then what the vault has filled once is not
                given back to `.env`, and nothing is logged.

        Raises:
            VaultConfigError: See `vaultconfig.errors`.
        """
        source, purpose = self._source, self._source._purpose
        ask = purpose.ask or self._ask
        report = self._load.run(ask)
        if self._defaults is not None and not report.failures:
            # They go with the tag of a union, which may have come from the vault.
            *others, given = self._layers
            fitting = copy.copy(self._defaults)
            fitting._set_current_state(report.state)
            data = fitting()
            if data != given.data:
                report = self._load_of([*others, replace(given, data=data)]).run(ask)
        known = () if before is None else {failure.field for failure in before.replaced}
        replaced = [failure for failure in report.replaced if failure.field not in known]
        if before is not None and (report.failures or replaced):
            raise UnresolvedSettingsError(report.failures or replaced)
        if purpose.raises and report.failures:
            hint = None if purpose.fallback else source._hint(report.failures, self._rule)
            raise UnresolvedSettingsError(report.failures, hint=hint)
        if purpose.raises and before is None and replaced:
            told = "; ".join(map(str, replaced))
            logger.warning("taken from .env or the default, not from the vault: %s", told)
        if before is None:
            self._log()
        if self._defaults is not None:
            kept, defaults = report.state.items(), self._defaults.defaults
            report.state = {k: v for k, v in kept if k not in defaults or defaults[k] != v}
        # The input leaves as the caller has spelled it.
        self.settings_cls._settings_restore_init_kwarg_names(
            self.settings_cls,
            dict(self._init_kwargs),
            report.state,
            (self._init or source)._init_state,
        )
        return report

    def patch(self, before: Report, changed: Collection[SecretKey]) -> Report | None:
        """Return the report *before* with other answers, or None where only `run` can tell it."""
        has_defaults = self._defaults is not None
        return None if has_defaults else self._load.patch(before, changed, self._ask)

    def _ask(self, references: Sequence[VaultRef]) -> Answers:
        rule, loads = self._rule, _loads.get()
        failure: VaultConfigError
        try:
            connection = (loads and loads.connection) or self._source.connection(rule)
        except (MisplacedCredentialsError, NoCredentialsError) as error:
            failure = error.with_traceback(None)
        else:
            usual = DEVELOPMENT_DEADLINE if rule.environment.is_development else DEADLINE
            deadline = connection.deadline or usual
            try:
                if loads is not None:
                    return loads.resolve(connection, references, deadline)
                # Late, because only a load needs them.
                import_undisturbed(("vaultconfig.vaults.shared",))
                from vaultconfig.vaults.shared import resolve

                return resolve(connection, references, deadline=deadline)
            except VaultConfigError as error:
                failure = error.with_traceback(None)
        if not rule.covers(failure):
            raise failure
        return {reference: copy.copy(failure) for reference in references}


class Loads(ABC):
    """What live settings put around the loads of one build: that of their class, and nested ones.

    Attributes:
        connection: Where to ask, whatever the environment says by now; None until that is known.
    """

    connection: Connection | None

    @abstractmethod
    def load(
        self,
        settings_cls: type[BaseSettings],
        init_kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
        gather: Callable[[], Given],
    ) -> Report:
        """Return what comes of a load of *settings_cls*; *gather* runs its sources, if need be.

        Raises:
            VaultConfigError: See `vaultconfig.errors`.
        """

    @abstractmethod
    def first(self, given: Given) -> Report:
        """Return what comes of *given*, whose sources have just run."""

    @abstractmethod
    def resolve(
        self, connection: Connection, references: Sequence[VaultRef], deadline: float
    ) -> Answers:
        """Resolve *references*; see `Vault.resolve`."""

    @contextmanager
    def around(self) -> Iterator[None]:
        """Stand around what loads inside."""
        token = _loads.set(self)
        try:
            yield
        finally:
            _loads.reset(token)


_loads: ContextVar[Loads | None] = ContextVar("vaultconfig_loads", default=None)


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

    def gather() -> Given:
        sources, _ = settings_cls._settings_init_sources(_init_kwargs=init_kwargs, **options)
        return gathered(settings_cls, sources, init_kwargs, options)

    loads = _loads.get()
    if loads is None:
        return gather().run()
    return loads.load(settings_cls, init_kwargs, options, gather)


def gathered(
    settings_cls: type[BaseSettings],
    sources: Sequence[PydanticBaseSettingsSource],
    init_kwargs: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> Given:
    """Run *sources* as pydantic-settings does.

    Args:
        settings_cls: Whose they are.
        sources: As `arranged` returns them.
        init_kwargs: The arguments of ``Settings()``.
        options: See `Given`.
    """
    ours = vault_source_in(sources)
    resolves = settings_cls.model_config.get("vault_resolve_values") is not False
    state: dict[str, Any] = {}
    states: dict[str, dict[str, Any]] = {}
    defaults: DefaultSettingsSource | None = None
    layers: list[Layer] = []
    init: InitSettingsSource | None = None
    for source in sources:
        if source is ours:
            continue
        if isinstance(source, PydanticBaseSettingsSource):
            source._set_current_state(state)
            source._set_settings_sources_data(states)
        data = _called(source, resolves=resolves)
        states[_name_of(source)] = data
        if type(source) is InitSettingsSource:
            init = source
        elif isinstance(source, DefaultSettingsSource) and source.defaults:
            defaults = source
        elif not data:
            continue
        state = merged([data, state])
        variables = _Variables(source) if isinstance(source, EnvSettingsSource) else None
        layer = Layer(_layer_name(source), data, variables)
        if layer.source == DOTENV:
            layer = replace(layer, written=_Written(ours._env_file, ours._encoding))
        layers.append(layer)
    for source in sources:
        if isinstance(source, EnvSettingsSource):  # it is kept, and what it was told is not to be
            source._set_current_state({})
            source._set_settings_sources_data({})
    return Given(
        ours,
        layers,
        init_kwargs=init_kwargs,
        init=init,
        defaults=defaults,
        options=options,
        log=partial(_log, settings_cls, states),
    )


def arranged(
    settings_cls: type[BaseSettings],
    sources: Sequence[PydanticBaseSettingsSource],
    *,
    environment: str | None,
    env_file: DotEnvFiles,
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return *sources* with ours behind them, whatever the class says.

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
    ours = VaultSettingsSource(
        settings_cls,
        environment=environment,
        env_file=files or env_file or (),
        encoding=next(filter(None, (reader.env_file_encoding for reader in readers)), None),
    )
    return (*others, ours, *defaults)


def vault_source_in(sources: Sequence[object]) -> VaultSettingsSource:
    """Return the source for the vault among *sources*.

    Raises:
        StopIteration: There is none.
    """
    return next(source for source in sources if isinstance(source, VaultSettingsSource))


def _files_read(reader: DotEnvSettingsSource) -> list[Path]:
    """Return the `.env` files of *reader*, which may also look for them in outer directories."""
    depth = getattr(reader, "env_file_depth", None) or 0
    outer = list(Path.cwd().parents)[:depth] if depth else []
    found: list[Path] = []
    for file in files_of(reader.env_file):
        places = (file, *(directory / file for directory in outer))
        found.append(next((place for place in places if os.path.isfile(place)), file))
    return found


def _called(source: PydanticBaseSettingsSource, *, resolves: bool) -> dict[str, Any]:
    """Return what *source* gives."""
    if type(source) is DotEnvSettingsSource and not source.env_vars:
        return {}  # it would look for every field in a `.env` that is not there
    if not resolves or type(source) in _DECODE_NOTHING:
        return source()
    # One search through all variables, among them the lists of a command line.
    variables = getattr(source, "env_vars", None)
    may_refer = variables is None or "vault:" in repr([*variables.values()])
    if not may_refer or not isinstance(source, PydanticBaseSettingsSource):
        return source()
    return _taking_references(source)()


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

    def _coerce_env_val_strict(self, field: FieldInfo | None, value: Any) -> Any:
        if isinstance(value, str) and is_reference(value):
            return value  # in a strict class it would itself be the path or the bytes
        return super()._coerce_env_val_strict(field, value)  # type: ignore[misc]  # of variables


def _name_of(source: object) -> str:
    return str(getattr(source, "__name__", type(source).__name__))


def _layer_name(source: PydanticBaseSettingsSource) -> str:
    """Return what *source* counts as: files and cloud vaults derive from the same classes."""
    if not isinstance(source, PydanticBaseSettingsSource):
        return _name_of(source)
    kind: type[Any] = next((k for k in _KINDS if isinstance(source, k)), type(source))
    if isinstance(source, EnvSettingsSource) and kind not in _KINDS:
        reads_environment = kind._load_env_vars is EnvSettingsSource._load_env_vars
        kind = EnvSettingsSource if reads_environment else kind
    return _LAYER_NAMES.get(kind.__name__, _name_of(source))


class _Variables:
    """The variables of an environment, a `.env` or a command line; see `given.Variables`."""

    def __init__(self, source: EnvSettingsSource) -> None:
        self._source = source

    def name_at(self, place: Place) -> str | None:
        found = self._find(place)
        if found is None:
            return None
        key = found[1]
        return next((name for name in os.environ if name.lower() == key), key.upper())

    def read(self, place: Place, text: str) -> Any:
        found = self._find(place)
        if found is None:
            return text
        field, key, is_complex = found
        source = copy.copy(self._source)
        source.env_vars = {}  # those of what is inside count for themselves; they may be references
        if len(place) == 1:
            return _prepared(source, field, text, is_complex=is_complex)
        if text == source.env_parse_none_str:
            return None
        nested = source.explode_env_vars(field.name, field.info, {key: text})
        return get_at(_in_the_case_of_fields(source, field, nested), place[1:])

    def _find(self, place: Place) -> tuple[ModelField, str, bool] | None:
        """Return the field that *place* is in, and the key of the variable."""
        source, (top, *inner) = self._source, map(str, place)
        if inner and not source.env_nested_delimiter:
            return None
        for field in model_fields(source.settings_cls).by_key.get(top, ()):
            for _, name, is_complex in source._extract_field_info(field.info, field.name):
                key = (source.env_nested_delimiter or "").join([name, *inner])
                key = key if source.case_sensitive else key.lower()
                if source.env_vars.get(key) is not None:
                    return field, key, is_complex
        return None


class _TextReader:
    """Makes of a text what a variable with that text would give a field of *settings_cls*."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self._settings_cls = settings_cls
        config = settings_cls.model_config
        self._reads_all = config.get("strict") or config.get("env_parse_none_str")
        self._source: EnvSettingsSource | None = None

    def __call__(self, field: ModelField, text: str) -> Any:
        if field.takes_text_as_it_is and not self._reads_all:
            return text
        if self._source is None:
            self._source = _WithoutVariables(self._settings_cls)
        return _prepared(self._source, field, text, is_complex=False)


class _WithoutVariables(EnvSettingsSource):
    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {}


def _prepared(source: EnvSettingsSource, field: ModelField, text: str, *, is_complex: bool) -> Any:
    """Return what *source* makes of *text* for *field*."""
    if text == source.env_parse_none_str:
        return None
    value = source.prepare_field_value(field.name, field.info, text, is_complex)
    return _in_the_case_of_fields(source, field, value)


def _in_the_case_of_fields(source: EnvSettingsSource, field: ModelField, value: Any) -> Any:
    if source.case_sensitive or not isinstance(value, dict):
        return value
    return source._replace_field_names_case_insensitively(field.info, value)


class _Written:
    """Tells how a text stands in `.env` where variables were expanded in it, else None."""

    def __init__(self, env_file: DotEnvFiles, encoding: str | None) -> None:
        self._env_file = [file.absolute() for file in files_of(env_file)]
        self._encoding = encoding
        self._texts: Mapping[str, str] | None = None

    def __call__(self, text: str) -> str | None:
        if self._texts is None:
            self._texts = expanded_texts(self._env_file, self._encoding)
        return self._texts.get(text)


def _log(settings_cls: type[BaseSettings], states: dict[str, dict[str, Any]]) -> None:
    """Log what the sources gave, where ``PYDANTIC_SETTINGS_DEBUG`` asks for it."""
    if _settings_debug_enabled() and logging.getLogger("pydantic_settings").isEnabledFor(
        logging.DEBUG
    ):
        settings_cls._settings_log_debug(states)
