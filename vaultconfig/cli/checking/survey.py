"""What came of each field in a load that went to its end whatever failed."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from vaultconfig.cli.checking.declared import DeclaredFields
from vaultconfig.cli.checking.findings import FieldFinding, Reads, Status
from vaultconfig.cli.failures import lines_of
from vaultconfig.connection.connection import Connection
from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.errors import (
    NOT_FOUND,
    AccessDeniedError,
    ConfigurationError,
    FieldNotFoundError,
    InvalidReferenceError,
    SecretError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
    VersionNotFoundError,
    closest,
)
from vaultconfig.live.schedule import EARLIEST, LATEST, SHORTEST_TTL
from vaultconfig.loading.advice import variable_name
from vaultconfig.loading.fields import describe, fields_of
from vaultconfig.loading.layers import DEFAULT, VAULT, Provenance
from vaultconfig.loading.mistakes import mistakes_in
from vaultconfig.loading.needs import Need
from vaultconfig.loading.report import Report
from vaultconfig.references import Resolved
from vaultconfig.secret import SecretKey
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.shared import vault_for

READS_A_MINUTE: Final = 1000
"""What ScaiVault allows an identity, by its documentation."""


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


def quiet() -> None:
    """Leave to the command what it prints anyway, but for the client's second attempts."""
    for name in ("vaultconfig", "dotenv"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    if logging.lastResort is not None:
        logging.getLogger("vaultconfig.client").addHandler(logging.lastResort)


def not_asking(references: Sequence[Any]) -> dict[Any, VaultConfigError]:
    """Answer for a vault that is not to be asked."""
    return {reference: NotAskedError("the vault was not asked") for reference in references}


def findings_about_fields(
    found: Report, declared: DeclaredFields, hints: Mapping[str, str], *, offline: bool
) -> list[FieldFinding]:
    """Return what came of each field, in the order of the class.

    Args:
        found: What came of the load.
        declared: The fields of the class.
        hints: What to say of paths beside their errors.
        offline: Then nothing is missed that only the place has where the application is to run.
    """
    model = declared.model
    rows = {
        name: FieldFinding(name, origin.source, "ok", version=origin.version)
        for name, origin in found.kept().provenance(model).items()
    }
    begun: set[str] = set()
    for need, error in sorted(found.outcomes, key=lambda item: declared.order(item[0].name)):
        # The models around it are listed as defaults only for lack of values.
        steps = need.name.split(".")
        for parent in (".".join(steps[:end]) for end in range(1, len(steps))):
            if parent in rows and rows[parent].source == DEFAULT:
                del rows[parent]
        row = _finding(need, error, found)
        hint = hints.get(error.path) if isinstance(error, SecretError) else None
        if row.problem and hint:
            row = replace(row, problem=f"{row.problem}: {hint}")
        elif row.status == "missing":
            row = replace(row, command=_command(need, found, begun))
        if offline and _depends_on_the_place(need, model):
            row = replace(row, status="not set", problem=None)
        rows[need.name] = row
    for name, line in _invalid(found):
        row = rows.get(name) or FieldFinding(name, "none", "invalid")
        rows[name] = _mistaken(row, line, model, offline=offline)
    for name, row in rows.items():
        place = declared.line_of(name)
        if place is not None:
            rows[name] = replace(row, file=place[0], line=place[1])
    return [rows[name] for name in sorted(rows, key=declared.order)]


def _finding(need: Need, error: VaultConfigError | None, found: Report) -> FieldFinding:
    # A load that fails gives nothing, so what stands in for the field does not count.
    fails = any(failure.field == need.name for failure in found.failures)
    kept = None if fails else found.origins.get(need.name)
    origin = kept or Provenance(VAULT)
    secrets = [found.answers.get(reference) for reference in need.references]
    expiries = [item.secret.expires_at for item in secrets if isinstance(item, Resolved)]
    replaced = error is not None and kept is not None
    optional = isinstance(error, NOT_FOUND) and any(ref.optional for ref in need.references)
    expected = optional or isinstance(error, (NotAskedError, NoCredentialsError))
    status: Status = "fallback" if replaced else status_of(error)
    if replaced and expected:
        status = "ok"
    return FieldFinding(
        need.name,
        origin.source,
        status,
        reference=need.shown or "",
        version=origin.version,
        expires_at=min(filter(None, expiries), default=None),
        problem=None if error is None or status in {"ok", "not asked"} else lines_of(error)[0],
    )


def _mistaken(
    row: FieldFinding, line: ErrorDetails, model: type[BaseSettings], *, offline: bool
) -> FieldFinding:
    """Return *row* with what pydantic says of it."""
    if line["type"] != "missing":
        return replace(row, status="invalid", problem=line["msg"])
    if offline:
        return replace(row, source="none", status="not set")
    told = f"{line['msg']}: set {variable_name(model, model.model_config, row.field)}"
    return replace(row, source="none", status="missing", problem=told)


def _command(need: Need, found: Report, begun: set[str]) -> str | None:
    """Return what writes the field that *need* misses, if it is plain what to write.

    Args:
        need: What it is for.
        found: The answers are in it.
        begun: The paths for which such a command was returned before, and which have a secret once
            that one was run.
    """
    for reference in need.references:
        error, key = found.answers.get(reference), reference.field
        is_new = isinstance(error, SecretNotFoundError)
        if not isinstance(error, NOT_FOUND) or not key or key.startswith("/"):
            continue
        if isinstance(error, FieldNotFoundError) and closest(key, error.available):
            continue  # a slip in the reference, most likely
        if isinstance(error, VersionNotFoundError) or reference.version is not None:
            continue  # no new version has that number
        merge = [] if is_new and reference.path not in begun else ["--merge"]
        begun.add(reference.path)
        return shlex.join(["vaultconfig", "put", reference.path, f"{key}=-", *merge])
    return None


def _depends_on_the_place(need: Need, model: type[Any]) -> bool:
    """Whether a placeholder is left that the environment, or a field without a default, fills."""
    if not isinstance(need.wanted, ConfigurationError):
        return False
    if isinstance(need.wanted, InvalidReferenceError):
        return False
    required = {f.name for f in fields_of(model) if f.info.is_required() and f.declared is None}
    names = {name for reference in need.references for name in reference.placeholders}
    return bool(names) and names <= {"environment", *required}


def status_of(error: VaultConfigError | None) -> Status:
    """Return what *error*, which stands in the way of a field, means for it."""
    if error is None:
        return "ok"
    found = (status for kinds, status in _STATUSES if isinstance(error, kinds))
    return next(found, "unavailable")


def _invalid(found: Report) -> Iterator[tuple[str, ErrorDetails]]:
    """Yield what pydantic finds wrong, with the field's name, but for what the vault withheld."""
    holes = [need.name for need, error in found.outcomes if error is not None]
    for line in mistakes_in(found.model, found.state, nulls=found.nulls):
        name = describe(found.model, line["loc"])[0] or found.model.__name__
        if not any(
            f"{hole}.".startswith(f"{name}.") or f"{name}.".startswith(f"{hole}.") for hole in holes
        ):
            yield name, line


def expiries_in(found: Report) -> dict[str, datetime]:
    """Return when each secret ends that does, by path."""
    resolved = [item.secret for item in found.answers.values() if isinstance(item, Resolved)]
    return {secret.path: secret.expires_at for secret in resolved if secret.expires_at}


def lifetimes_in(found: Report, connection: Connection) -> dict[SecretKey, Lifetime]:
    """Return the secrets that the class reads, and how long each may be served."""
    references = [ref for need, _ in found.outcomes for ref in need.references]
    return vault_for(connection).lifetimes(ref for ref in references if not ref.placeholders)


def reads_of(lifetimes: Mapping[SecretKey, Lifetime], *, is_shared: bool) -> Reads | None:
    """Return what live settings of the class would ask of the vault, if they ask for anything."""
    # A secret is read again after a part of its ttl, at random: on average this one.
    part = (EARLIEST + LATEST) / 2
    a_minute = sum(60 / (part * max(by.ttl, SHORTEST_TTL)) for by in lifetimes.values())
    if not a_minute:
        return None
    processes = None if is_shared else int(READS_A_MINUTE / a_minute)
    return Reads(a_minute, READS_A_MINUTE, processes)
