"""One load of what the sources of a class gave: the load and the vault meet here."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_settings import BaseSettings, InitSettingsSource

from vaultconfig.connection.environment import FallbackMode
from vaultconfig.errors import UnresolvedSettingsError
from vaultconfig.forks import import_undisturbed
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.layers import ARGUMENT, DOTENV, Layer
from vaultconfig.loading.load import Ask, Load
from vaultconfig.loading.report import Report
from vaultconfig.references import VaultRef
from vaultconfig.source.gathering import Gathered
from vaultconfig.source.situation import Situation
from vaultconfig.source.texts import TextReader
from vaultconfig.source.upstream import defaults_beside, log_what_came, restore_names

if TYPE_CHECKING:
    from vaultconfig.connection.connection import Connection

_LATE: Final = ("vaultconfig.source.asking",)
"""What is not imported before it is needed: the settings of the connection, and the vaults."""

logger = logging.getLogger("vaultconfig")


class Purpose(NamedTuple):
    """What a load is for: to have settings, or to look at what becomes of them.

    Attributes:
        ask: Reads references in the place of our own way to do it.
        fallback: A rule over that of the class.
        raises: Whether settings that fail are raised, not only reported.
        vault_first: Whether cache and store only serve what the vault can't give.
        look: Called with what came of it, where pydantic-settings runs the sources.
    """

    ask: Ask | None = None
    fallback: FallbackMode | None = None
    raises: bool = True
    vault_first: bool = False
    look: Callable[[Report], None] | None = None


class Given:
    """What the sources of a class gave to one load, which can be run again without them.

    Args:
        situation: Where it runs.
        purpose: What it is for.
        gathered: What the sources gave.
        init_kwargs: The arguments of ``Settings()`` that are fields.
        options: The others.

    Attributes:
        read_text: Reads a text from the vault as that of a variable.
        has_defaults: Whether one of the sources gives the defaults of the class.
    """

    def __init__(
        self,
        situation: Situation,
        purpose: Purpose,
        gathered: Gathered,
        *,
        init_kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings_cls = situation.settings_cls
        self.options = options
        self._situation = situation
        self._purpose = purpose
        self.read_text = TextReader(situation.settings_cls)
        self._gathered = gathered
        self.has_defaults = gathered.defaults is not None
        self._init_kwargs = init_kwargs or {}
        self._load = self._load_of(gathered.layers)

    def _load_of(self, layers: Sequence[Layer]) -> Load:
        config: Mapping[str, Any] = self.settings_cls.model_config
        return Load(
            self.settings_cls,
            [self._without_connection(layer) for layer in layers],
            rule=self._situation.rule,
            read_text=self.read_text,
            variables=config.get("vault_variables") or {},
            resolves_values=config.get("vault_resolve_values") is not False,
            extra=config.get("extra") == "allow",
        )

    def _hint(self, report: Report) -> str | None:
        if self._purpose.fallback:
            return None
        import_undisturbed(_LATE)
        from vaultconfig.source.hints import hint

        return hint(self._situation, report.failures)

    def _without_connection(self, layer: Layer) -> Layer:
        if layer.source != DOTENV or self.settings_cls.model_config.get("extra") == "ignore":
            return layer  # keys of no field do not count
        import_undisturbed(_LATE)
        from vaultconfig.source.asking import without_connection

        return without_connection(layer, self.settings_cls)

    def with_arguments(self, init_kwargs: Mapping[str, Any]) -> Given:
        """Return the same with other arguments, as an outer class gives them to a nested one."""
        before, init = self._init_kwargs, self._gathered.init
        if init is None or (
            init_kwargs.keys() == before.keys()
            and all(value is before[name] for name, value in init_kwargs.items())
        ):
            return self
        partial_update = init.nested_model_default_partial_update
        init = InitSettingsSource(
            self.settings_cls, dict(init_kwargs), nested_model_default_partial_update=partial_update
        )
        data, layers = init(), self._gathered.layers
        layers = [x._replace(data=data) if x.source == ARGUMENT else x for x in layers]
        gathered = Gathered(layers, init, self._gathered.defaults)  # which logs nothing
        return Given(
            self._situation, self._purpose, gathered, init_kwargs=init_kwargs, options=self.options
        )

    def run(self, before: Report | None = None) -> Report:
        """Resolve what the sources leave to the vault.

        Args:
            before: The report of the same load before; then what the vault has filled once is not
                given back to `.env`, and nothing is logged.

        Raises:
            VaultConfigError: See `vaultconfig.errors`.
        """
        gathered, purpose = self._gathered, self._purpose
        ask = purpose.ask or self.ask
        report = self._load.run(ask)
        if gathered.defaults is not None and not report.failures:
            # They go with the tag of a union, which may have come from the vault.
            *others, given = gathered.layers
            data = defaults_beside(gathered.defaults, report.state)
            if data != given.data:
                report = self._load_of([*others, given._replace(data=data)]).run(ask)
        known = () if before is None else {failure.field for failure in before.fell_back}
        fell_back = [failure for failure in report.fell_back if failure.field not in known]
        if before is not None and (report.failures or fell_back):
            raise UnresolvedSettingsError(report.failures or fell_back)
        if purpose.raises and report.failures:
            raise UnresolvedSettingsError(report.failures, hint=self._hint(report))
        if purpose.raises and before is None and fell_back:
            told = "; ".join(map(str, fell_back))
            logger.warning("taken from .env or the default, not from the vault: %s", told)
        if before is None and gathered.states is not None:
            log_what_came(self.settings_cls, gathered.states)
        if gathered.defaults is not None:
            kept, defaults = report.state.items(), gathered.defaults.defaults
            report.state = {k: v for k, v in kept if k not in defaults or defaults[k] != v}
        # The input leaves as the caller has spelled it.
        restore_names(self.settings_cls, self._init_kwargs, report.state, gathered.init)
        return report

    def ask(self, references: Sequence[VaultRef]) -> Answers:
        """Resolve *references*; see `asking.ask`."""
        import_undisturbed(_LATE)
        from vaultconfig.source.asking import ask

        loads = surrounding.get()
        if loads is None:
            return ask(self._situation, references, vault_first=self._purpose.vault_first)
        return ask(self._situation, references, loads.connection, loads.resolve)


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
        give: Callable[[], Given],
    ) -> Report:
        """Return what comes of a load of *settings_cls*; *give* runs its sources, if need be.

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
        token = surrounding.set(self)
        try:
            yield
        finally:
            surrounding.reset(token)


surrounding: ContextVar[Loads | None] = ContextVar("vaultconfig_loads", default=None)
"""The live settings inside of whose build this runs, if any."""
