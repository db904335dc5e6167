"""What `check` finds, as data: the same for a table, for lines and for JSON. Pure, no values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal[
    "ok", "fallback", "missing", "denied", "malformed", "invalid", "unavailable", "not asked"
]
"""``fallback`` is a field that another source gives because the vault does not."""

Severity = Literal["error", "warning", "note"]
"""An ``error`` makes the check fail, a ``warning`` may matter, a ``note`` is as it should be."""

FINE = frozenset({"ok", "fallback", "not asked"})


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """One field.

    Attributes:
        field: Dotted.
        source: Where its value comes from, as `vaultconfig.provenance` calls it.
        reference: In its annotation or its value, with placeholders filled.
        version: Of the (first) secret.
        expires_at: When the first of its secrets ends.
        problem: What is wrong with it, and what to do.
    """

    field: str
    source: str
    status: Status
    reference: str | None = None
    version: int | None = None
    expires_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not about one field.

    Attributes:
        kind: For programs.
        message: What is wrong, and what to do.
    """

    severity: Severity
    kind: Literal[
        "clock",
        "connection",
        "drift",
        "expiry",
        "file",
        "fixed",
        "scopes",
        "token",
        "variables",
    ]
    message: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a check found.

    Attributes:
        ok: Whether nothing is wrong.
        target: The settings class.
        environment: Its name, or null where none is set.
        url: Where the vault is; null if that is not known.
        identity: Of the token; null if the vault was not asked or did not say.
    """

    ok: bool
    target: str
    environment: str | None
    url: str | None
    identity: str | None
    fields: tuple[FieldFinding, ...]
    problems: tuple[Problem, ...]
