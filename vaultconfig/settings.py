"""VaultSettings: pydantic-settings with a vault among its sources, which never prints a secret."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, Unpack

from pydantic import BaseModel, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vaultconfig.connection.environment import FallbackMode
from vaultconfig.errors import (
    ConfigurationError,
    UnresolvedSettingsError,
    VaultConfigError,
    closest,
)
from vaultconfig.loading.checks import check_class
from vaultconfig.loading.fields import fields_of, model_fields, overlap
from vaultconfig.loading.layers import Provenance
from vaultconfig.loading.made import failures_of_factories, failures_of_masks
from vaultconfig.loading.mistakes import clean_error
from vaultconfig.loading.report import Origins, Report
from vaultconfig.masking.values import PLAIN_TYPES, RECORD, masks_shown, unmask
from vaultconfig.source.arranging import arranged, given_by, run
from vaultconfig.source.situation import DEFAULT_ENV_FILE
from vaultconfig.source.upstream import OwnSources, Sources

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    from vaultconfig.masking.printing import Printer

_OPTIONS: Final = {
    name for name in inspect.signature(BaseSettings.__init__).parameters if name.startswith("_")
}
"""The arguments of ``Settings()`` that are pydantic-settings', not fields."""


_loading: ContextVar[Report | None] = ContextVar("vaultconfig_loading", default=None)


class VaultConfigDict(SettingsConfigDict, total=False):
    """The ``model_config`` of a `VaultSettings` class: pydantic-settings' own keys, and ours."""

    vault_environment: str | None
    """The environment where nothing else says it; may not be a development name."""

    vault_fallback: FallbackMode
    """When `.env` may stand in for the vault; "development" by default."""

    vault_variables: Mapping[str, str]
    """What fills ``{name}`` in paths."""

    vault_resolve_values: bool
    """Whether references that stand as values of fields are resolved; True by default."""

    vault_store: str | None
    """The store where `VAULTCONFIG_STORE` does not name one: ``file:DIRECTORY``, or a URL."""

    vault_application: str | None
    """The application's name in the store, where `VAULTCONFIG_APPLICATION` does not say it."""


class VaultSettings(OwnSources, BaseSettings):  # type: ignore[misc]  # its options differ
    """Settings whose annotated fields are filled from the vault, all in one load.

    A field says where its value is: ``Annotated[SecretStr, "vault:path#field"]``. Which source
    wins is told in docs/reference/settings.md, under Precedence.

    ``repr`` and ``str`` mask what came from the vault.

    Raises:
        VaultConfigError: See `vaultconfig.errors`; `UnresolvedSettingsError` names every
            setting that failed.
        pydantic.ValidationError: A value does not fit its field; it holds no input.
    """

    model_config: ClassVar[VaultConfigDict] = VaultConfigDict(
        env_file=DEFAULT_ENV_FILE,
        extra="ignore",
        hide_input_in_errors=True,
        vault_fallback="development",
        vault_resolve_values=True,
    )

    # It is there before any validator of the class can print the settings.
    _vaultconfig_origins: Origins = PrivateAttr(default_factory=lambda: _origins(_loading.get()))

    def __init__(
        self,
        *,
        _vault_environment: str | None = None,
        _build_sources: tuple[Sources, dict[str, Any]] | None = None,
        **values: Any,
    ) -> None:
        """Load the settings; the arguments are pydantic-settings' own, and one of ours.

        Args:
            _vault_environment: The environment's name, over `VAULTCONFIG_ENVIRONMENT`.
            _build_sources: What ``CliApp`` has prepared.
            values: Values of fields, and ``_env_file`` and the like.
        """
        options = {name: values.pop(name) for name in _OPTIONS & values.keys()}
        if _build_sources is None:
            _check_names(type(self), values)
        report: Report | None = None
        failure: Exception | None = None
        shown = masks_shown()
        try:
            if _build_sources is None:
                options["_vault_environment"] = _vault_environment
                report = run(type(self), values, options)
            else:
                report = given_by(type(self), *_build_sources).run()
            token = _loading.set(report)
            try:
                super(BaseSettings, self).__init__(**report.state)
            finally:
                _loading.reset(token)
        except ValidationError as error:
            report = report or Report(type(self), {})
            failure = clean_error(error, type(self), report.values, nulls=report.nulls)
        except VaultConfigError as error:
            failure = error.with_traceback(None)
        if failure is None and report is not None:
            failures = failures_of_factories(type(self), report.state, self)
            if masks_shown() != shown:
                failures += failures_of_masks(self, report.state, report.values)
            failure = UnresolvedSettingsError(failures) if failures else None
        if failure is not None:  # out here it has no context, and no frames that hold values
            raise failure
        self._vaultconfig_origins.set_fields = self.model_fields_set.copy()
        _unmask_fields(self, self._vaultconfig_origins)

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Load the settings, as ``Settings()`` does.

        A type checker without pydantic's plugin reports the fields without a default as missing
        arguments of ``Settings()``, but not of this method.

        Args:
            values: As of the class itself.

        Raises:
            VaultConfigError: See `VaultSettings`.
            pydantic.ValidationError: See `VaultSettings`.
        """
        return cls(**values)

    @classmethod
    async def aload(cls, **values: Any) -> Self:
        """Load the settings in a daemon thread, while the event loop of asyncio goes on.

        Cancelling returns at once; the request under way ends within its deadline, without effect.

        Args:
            values: As of the class itself.

        Raises:
            VaultConfigError: See `VaultSettings`.
            pydantic.ValidationError: See `VaultSettings`.
        """
        from vaultconfig.threads import in_daemon_thread  # brings asyncio

        return await in_daemon_thread(partial(cls, **values))

    def __init_subclass__(cls, **options: Unpack[VaultConfigDict]) -> None:
        """Take our keys where they stand as class keywords; pydantic has taken its own."""
        values: dict[str, Any] = dict(options)
        ours = {name: values.pop(name) for name in options if name.startswith("vault_")}
        super().__init_subclass__(**values)
        vars(cls)["model_config"].update(ours)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Reject what can be told to be wrong already: see `vaultconfig.loading.checks`."""
        super().__pydantic_init_subclass__(**kwargs)
        ours, theirs = (c.__private_attributes__[RECORD] for c in (VaultSettings, cls))
        if theirs is not ours:
            raise ConfigurationError(f"the private attribute {RECORD} is taken: choose another")
        check_class(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        """Return the JSON schema, with the references as ``x-vault``."""
        from vaultconfig.loading.schema import add_references  # late: few ask for it

        schema = handler(core_schema)
        add_references(handler.resolve_ref_schema(schema), cls, handler)
        return schema

    @classmethod
    def _vaultconfig_sources(cls, **options: Any) -> tuple[Sources, dict[str, Any]]:
        return arranged(cls, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; where the class validates that, its error holds no input either."""
        failure: ValidationError | None = None
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            record, values = self._vaultconfig_origins, []
            if record.from_vault():
                values = record.values(self, _printed(self, record).masked)
            failure = clean_error(error, type(self), values)
        finally:
            del value  # which may be one of the vault's, and would show in a traceback with locals
        if failure is not None:
            raise failure

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: beside the fields nothing that the vault gave."""
        state = super().__getstate__()
        private = state["__pydantic_private__"] or {}
        if RECORD in private and private[RECORD].from_vault():
            record = private[RECORD].for_pickle(_printed(self, private[RECORD]))
            state = {**state, "__pydantic_private__": {**private, RECORD: record}}
        return state

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Return what `repr` and `str` show: masks for what came from the vault."""
        record = getattr(self, RECORD, None)
        if record is None:  # half-built, as in the traceback of a load that failed
            return ()
        args = super().__repr_args__()
        return record.printer().args(self, args) if record.from_vault() else args


def _printed(settings: VaultSettings, record: Origins) -> Printer:
    """Return what has printed all fields of *settings* by *record*."""
    printer = record.printer()
    fields = [*vars(settings).items(), *(settings.__pydantic_extra__ or {}).items()]
    deque(printer.args(settings, fields), maxlen=0)
    return printer


def provenance(settings: VaultSettings) -> dict[str, Provenance]:
    """Return where the value of each field came from, by dotted name; never a value.

    Raises:
        TypeError: *settings* is not an object of a `VaultSettings` class.
    """
    if not isinstance(settings, VaultSettings):
        raise TypeError(
            f"provenance() takes an object of a VaultSettings class, not {settings!r}; of live"
            " settings it takes `current`"
        )
    return settings._vaultconfig_origins.provenance(type(settings))


def overridden_fields(settings: VaultSettings) -> list[str]:
    """Name the fields with a reference in their annotation that a higher source has given."""
    return sorted(settings._vaultconfig_origins.overridden)


def _check_names(settings_cls: type[BaseSettings], values: Collection[str]) -> None:
    """Reject what is meant to be an option and is not, such as ``_vault_enviroment``."""
    unknown = {name for name in values if name.startswith("_")}
    if unknown:
        unknown -= {str(step) for field in fields_of(settings_cls) for (step, *_) in field.places}
    for name in sorted(unknown):
        close = closest(name, [*_OPTIONS, "_vault_environment"], cutoff=0.0)
        raise ConfigurationError(f"{settings_cls.__name__} has no argument {name}: write {close}")


def check_arguments(settings_cls: type[BaseSettings], names: Collection[str]) -> None:
    """Reject arguments of *settings_cls* that would be ignored.

    Raises:
        ConfigurationError: One is neither a field nor an option; it names the nearest.
    """
    validators = settings_cls.__pydantic_decorators__.model_validators.values()
    takes_any = (
        settings_cls.__init__ not in (vars(BaseSettings)["__init__"], VaultSettings.__init__)
        or settings_cls.model_config.get("extra") in ("allow", "forbid")
        or any(validator.info.mode != "after" for validator in validators)
        or not settings_cls.__pydantic_complete__
    )
    if takes_any or not names:
        return
    fields = [str(step) for field in fields_of(settings_cls) for (step, *_) in field.places]
    known = [*fields, *_OPTIONS, "_vault_environment"]
    for name in sorted({*names} - {*known}):
        if name.lower() in map(str.lower, fields):  # which pydantic-settings takes, too
            continue
        close = closest(name, known)
        instead = f"write {close}" if close else f"it has {', '.join(fields)}"
        raise ConfigurationError(f"{settings_cls.__name__} has no field {name}: {instead}")


def _origins(report: Report | None) -> Origins:
    return Origins({}, ()) if report is None else report.kept()


def _unmask_fields(settings: BaseModel, origins: Origins) -> None:
    """Make plain what pydantic handed through as it was: fields typed Any, object or dict."""
    may_copy = model_fields(type(settings)).may_copy
    for values in (vars(settings), settings.__pydantic_extra__ or {}):
        names = [name for name, value in values.items() if type(value) not in PLAIN_TYPES]
        if names:
            secret = origins.from_vault()
            roots = {name.partition(".")[0] for name in secret}
            for name in names:
                # An extra key may have dots, as the name of a host has.
                has_some = name in roots or ("." in name and any(overlap(name, s) for s in secret))
                if has_some or (secret and may_copy):
                    values[name] = unmask(values[name])
