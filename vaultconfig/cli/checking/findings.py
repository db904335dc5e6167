"""What `check` finds, as data: the same for a terminal, for lines and for JSON. Pure, no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from vaultconfig.cli.wording import count, fields_counted

Status = Literal[
    "ok",
    "fallback",
    "missing",
    "denied",
    "malformed",
    "invalid",
    "unavailable",
    "not asked",
    "not set",
]
"""``fallback`` is a field that another source gives because the vault does not; ``not set`` one
that nothing gives here, which does not matter offline."""

Severity = Literal["error", "warning", "note"]
"""An ``error`` makes the check fail, a ``warning`` may matter, a ``note`` is as it should be."""

FINE = frozenset({"ok", "fallback", "not asked", "not set"})


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
        command: What to run in order to do that.
        file: Where the class declares it, below the working directory.
        line: The line there.
    """

    field: str
    source: str
    status: Status
    reference: str | None = None
    version: int | None = None
    expires_at: datetime | None = None
    problem: str | None = None
    command: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not about one field.

    Attributes:
        kind: For programs.
        message: What is wrong, and what to do.
        command: What to run in order to do that.
        file: Which file it is about, below the working directory.
        line: The line there.
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
        "store",
        "token",
        "types",
        "variables",
    ]
    message: str
    command: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Reads:
    """What live settings of the class ask of the vault.

    Attributes:
        a_minute: Secrets that one process reads, or all processes together that share a store.
        limit: How many the vault allows an identity.
        processes: How many processes stay below that; null with a store.
    """

    a_minute: float
    limit: int
    processes: int | None

    def __str__(self) -> str:
        shown = f"{self.a_minute:,.1f}" if self.a_minute >= 1 else f"{self.a_minute:.2g}"
        if self.processes is None:
            who = "for all processes together that share the store"
            return f"Reads a minute: {shown} {who}; the limit is {self.limit:,}"
        return (
            f"Reads a minute: {shown} a process with live settings; the vault's limit of "
            f"{self.limit:,} allows {count(self.processes, 'process', 'processes')}, more of them "
            "need a store"
        )


@dataclass(frozen=True, slots=True)
class StoreFinding:
    """The store that the class uses.

    Attributes:
        place: Its address, without a password.
        status: Whether it can be used.
        has: How many of the class's secrets are stored and could be served.
        of: How many secrets the class has.
    """

    place: str
    status: Literal["ok", "unavailable"]
    has: int
    of: int

    def __str__(self) -> str:
        if self.status != "ok":
            return f"Store: {self.place} can't be used"
        return f"Store: {self.place} can be used, and has {self.has} of {count(self.of, 'secret')}"


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a check found.

    Attributes:
        ok: Whether nothing is wrong.
        target: The settings class.
        environment: Its name, or null where none is set.
        url: Where the vault is; null if that is not known.
        identity: Of the token; null if the vault was not asked or did not say.
        reads: Null where live settings would ask nothing, or the vault was not asked.
        store: Null where there is none, it is configured wrongly, or it was not looked at.
        summary: How many of each, in words.
    """

    ok: bool
    target: str
    environment: str | None
    url: str | None
    identity: str | None
    fields: tuple[FieldFinding, ...]
    problems: tuple[Problem, ...]
    reads: Reads | None
    store: StoreFinding | None
    summary: str


def summary_of(fields: Sequence[FieldFinding], problems: Sequence[Problem]) -> str:
    """Return such as ``12 fields: 10 ok, 1 missing, 1 denied · 2 warnings``."""
    order = get_args(Status).index
    told = fields_counted(sorted((item.status for item in fields), key=order))
    severities = Counter(item.severity for item in problems)
    around = [count(severities[name], name) for name in get_args(Severity) if severities[name]]
    return " · ".join(filter(None, [told, ", ".join(around)]))
