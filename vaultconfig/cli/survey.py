"""What came of each field in a load that went to its end whatever failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vaultconfig.cli.failures import lines_of
from vaultconfig.cli.findings import FieldFinding, Status
from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.errors import (
    NOT_FOUND,
    AccessDeniedError,
    ConfigurationError,
    SecretError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.loading.fields import describe
from vaultconfig.loading.layers import DEFAULT, VAULT, Provenance
from vaultconfig.loading.mistakes import clean_error
from vaultconfig.loading.needs import Need
from vaultconfig.loading.report import Report
from vaultconfig.references import Resolved


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
    logging.getLogger("vaultconfig").addHandler(logging.NullHandler())
    if logging.lastResort is not None:
        logging.getLogger("vaultconfig.client").addHandler(logging.lastResort)


def not_asking(references: Sequence[Any]) -> dict[Any, VaultConfigError]:
    """Answer for a vault that is not to be asked."""
    return {reference: NotAskedError("the vault was not asked") for reference in references}


def findings_about_fields(found: Report) -> list[FieldFinding]:
    """Return what came of each field, in the order of their names."""
    rows = {
        name: FieldFinding(name, origin.source, "ok", version=origin.version)
        for name, origin in found.kept().provenance(found.model).items()
    }
    for need, error in found.outcomes:
        # The models around it are listed as defaults only for lack of values.
        steps = need.name.split(".")
        for parent in (".".join(steps[:end]) for end in range(1, len(steps))):
            if parent in rows and rows[parent].source == DEFAULT:
                del rows[parent]
        rows[need.name] = _finding(need, error, found)
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


def _finding(need: Need, error: VaultConfigError | None, found: Report) -> FieldFinding:
    origin = found.origins.get(need.name) or Provenance(VAULT)
    secrets = [found.answers.get(reference) for reference in need.references]
    expiries = [item.secret.expires_at for item in secrets if isinstance(item, Resolved)]
    replaced = error is not None and need.name in found.origins
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


def status_of(error: VaultConfigError | None) -> Status:
    """Return what *error*, which stands in the way of a field, means for it."""
    if error is None:
        return "ok"
    found = (status for kinds, status in _STATUSES if isinstance(error, kinds))
    return next(found, "unavailable")


def _invalid(found: Report) -> Iterator[tuple[str, ErrorDetails]]:
    """Yield what pydantic finds wrong, with the field's name, but for what the vault withheld."""
    holes = [need.name for need, error in found.outcomes if error is not None]
    for line in _mistakes(found):
        name = describe(found.model, line["loc"])[0] or found.model.__name__
        if not any(
            f"{hole}.".startswith(f"{name}.") or f"{name}.".startswith(f"{hole}.") for hole in holes
        ):
            yield name, line


def _mistakes(found: Report) -> list[ErrorDetails]:
    try:
        BaseModel.__init__(object.__new__(found.model), **found.state)
    except ValidationError as error:
        return clean_error(error, found.model, [found.state], nulls=found.nulls).errors()
    return []


def expiries_in(found: Report) -> dict[str, datetime]:
    """Return when each secret ends that does, by path."""
    resolved = [item.secret for item in found.answers.values() if isinstance(item, Resolved)]
    return {secret.path: secret.expires_at for secret in resolved if secret.expires_at}
