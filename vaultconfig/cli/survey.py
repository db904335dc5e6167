"""One load of a settings class that goes to its end whatever fails, and what came of each field.

It reads the sources of the class, and asks the vault through whom it is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

from vaultconfig.cli.failures import lines_of
from vaultconfig.cli.findings import FieldFinding, Status
from vaultconfig.connection.fallback import NOT_FOUND, NoCredentialsError
from vaultconfig.errors import (
    AccessDeniedError,
    ConfigurationError,
    SecretError,
    UnresolvedSettingsError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.inspection import sources_of
from vaultconfig.loading.annotations import ANYTHING
from vaultconfig.loading.filling import Filled
from vaultconfig.loading.load import Ask, Load
from vaultconfig.loading.mistakes import clean_error
from vaultconfig.loading.needs import Slot, describe, references_of
from vaultconfig.loading.places import Place
from vaultconfig.loading.report import DEFAULT, VAULT, Provenance, provenance_of
from vaultconfig.loading.values import fill
from vaultconfig.references import Resolved
from vaultconfig.source import VaultSettingsSource


class NotAskedError(VaultUnavailableError):
    """The vault was not asked, which is told elsewhere."""


_STATUSES: Final[tuple[tuple[type | tuple[type, ...], Status], ...]] = (
    (NotAskedError, "not asked"),
    (AccessDeniedError, "denied"),
    (NOT_FOUND, "missing"),
    (NoCredentialsError, "missing"),
    (SecretError, "invalid"),
    (ConfigurationError, "malformed"),
)


@dataclass(frozen=True, slots=True)
class Survey:
    """A load that is over.

    Attributes:
        settings_cls: The class.
        state: What its sources gave, as far as they did; the vault's values are masked.
        load: What the vault was to fill, and what it said.
    """

    settings_cls: type[BaseSettings]
    state: dict[str, Any] = field(repr=False)
    load: Load


def survey(settings_cls: type[BaseSettings], ask: Ask) -> Survey:
    """Load *settings_cls* as ``Settings()`` would, with *ask* in place of the vault.

    Raises:
        ConfigurationError: The class has no source for the vault, or another one failed.
    """
    logging.getLogger("vaultconfig").addHandler(logging.NullHandler())  # who asked tells it
    if logging.lastResort is not None:  # but that the vault is asked again nobody else tells
        logging.getLogger("vaultconfig.client").addHandler(logging.lastResort)
    sources, ours = sources_of(settings_cls)
    ours.ask = ask
    problem = None
    with suppress(UnresolvedSettingsError):
        try:
            settings_cls._settings_build_values(sources, {})
        except SettingsError as error:
            problem = str(error)  # its cause holds what could not be decoded
    if problem is not None:
        raise ConfigurationError(problem)
    return Survey(settings_cls, ours.current_state, _load_of(ours))


def not_asking(references: Sequence[Any]) -> dict[Any, VaultConfigError]:
    """Answer for a vault that is not to be asked."""
    return {reference: NotAskedError("the vault was not asked") for reference in references}


def references_in(found: Survey) -> list[tuple[Slot, str, VaultConfigError | None]]:
    """Return each slot with its reference as text, and what is wrong with that."""
    return [
        (slot, _shown(slot, filled), filled if isinstance(filled, VaultConfigError) else None)
        for slot, filled in found.load.claims
        if not isinstance(filled, str)
    ]


def findings_about_fields(found: Survey) -> list[FieldFinding]:
    """Return what came of each field, in the order of their names."""
    rows = {
        name: FieldFinding(name, origin.source, "ok", version=origin.version)
        for name, origin in provenance_of(found.settings_cls, found.load.record).items()
    }
    for slot, filled in found.load.claims:
        if isinstance(filled, str):
            continue
        for name in _parents_by_default(slot.name, rows):
            del rows[name]
        rows[slot.name] = _finding(slot, filled, found.load)
    for name, line in _invalid(found):
        row = rows.get(name) or FieldFinding(name, "none", "invalid")
        is_missing = line["type"] == "missing"
        rows[name] = replace(
            row,
            source="none" if is_missing else row.source,
            status="missing" if is_missing else "invalid",
            problem=line["msg"],
        )
    return [rows[name] for name in sorted(rows)]


def _load_of(ours: VaultSettingsSource) -> Load:
    if ours.load is None:
        raise ConfigurationError("the class does not run the source that it has for the vault")
    return ours.load


def _parents_by_default(name: str, rows: dict[str, FieldFinding]) -> list[str]:
    """Name the models around the field that are listed as defaults only for lack of values."""
    steps = name.split(".")
    parents = [".".join(steps[:end]) for end in range(1, len(steps))]
    return [parent for parent in parents if parent in rows and rows[parent].source == DEFAULT]


def _finding(slot: Slot, filled: Filled, load: Load) -> FieldFinding:
    error = _error(slot, filled, load)
    origin = load.record.filled.get(slot.name) or Provenance(VAULT)
    secrets = [load.answers.get(reference) for reference in references_of(filled)]
    expiries = [item.secret.expires_at for item in secrets if isinstance(item, Resolved)]
    replaced = error is not None and slot.name in load.record.filled
    optional = isinstance(error, NOT_FOUND) and any(ref.optional for ref in references_of(filled))
    expected = optional or isinstance(error, (NotAskedError, NoCredentialsError))
    status: Status = "fallback" if replaced else _status(error)
    if replaced and expected:
        status = "ok"
    return FieldFinding(
        slot.name,
        origin.source,
        status,
        reference=_shown(slot, filled),
        version=origin.version,
        expires_at=min(filter(None, expiries), default=None),
        problem=None if error is None or status in {"ok", "not asked"} else lines_of(error)[0],
    )


def _error(slot: Slot, filled: Filled, load: Load) -> VaultConfigError | None:
    if isinstance(filled, (str, VaultConfigError)):
        return filled if isinstance(filled, VaultConfigError) else None
    answers = {ref: load.answers.get(ref, NotAskedError("")) for ref in references_of(filled)}
    value = fill(filled, answers, slot.plan.target if slot.plan else ANYTHING)
    return value if isinstance(value, VaultConfigError) else None


def _status(error: VaultConfigError | None) -> Status:
    if error is None:
        return "ok"
    found = (status for kinds, status in _STATUSES if isinstance(error, kinds))
    return next(found, "unavailable")


def _shown(slot: Slot, filled: Filled) -> str:
    """Return the references: the texts around them may be secret themselves."""
    readable = slot.declared if isinstance(filled, VaultConfigError) else filled
    if isinstance(readable, VaultConfigError):
        return str(getattr(readable, "reference", ""))
    return ", ".join(map(str, references_of(readable)))


def _invalid(found: Survey) -> Iterator[tuple[str, ErrorDetails]]:
    """Yield what pydantic finds wrong, with the field's name, but for what the vault withheld."""
    load = found.load
    holes = [slot.place for slot, filled in load.claims if _error(slot, filled, load) is not None]
    for line in _mistakes(found):
        place: Place = line["loc"]
        if not any(place[: len(hole)] == hole[: len(place)] for hole in holes):
            yield describe(found.settings_cls, place)[0] or found.settings_cls.__name__, line


def _mistakes(found: Survey) -> list[ErrorDetails]:
    try:
        BaseModel.__init__(found.settings_cls.__new__(found.settings_cls), **found.state)
    except ValidationError as error:
        return clean_error(error, found.settings_cls, [found.state]).errors()
    return []


def expiries_in(found: Survey) -> dict[str, datetime]:
    """Return when each secret ends that does, by path."""
    resolved = [item.secret for item in found.load.answers.values() if isinstance(item, Resolved)]
    return {secret.path: secret.expires_at for secret in resolved if secret.expires_at}
