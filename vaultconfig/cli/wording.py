"""Small pieces of what the commands say. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from vaultconfig.errors import closest


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about *name*: what else may have been meant, or nothing."""
    close = closest(name, known)
    return f": did you mean {close}?" if close else ""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return such as ``1 variable``, ``2 variables``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def fields_counted(statuses: Sequence[str]) -> str:
    """Return such as ``3 fields: 2 ok, 1 missing``, in the order in which they come."""
    told = ", ".join(f"{number} {status}" for status, number in Counter(statuses).items())
    return ": ".join(filter(None, [count(len(statuses), "field"), told]))


def moment(when: datetime) -> str:
    """Return such as ``2026-03-01 12:00+00:00``."""
    return when.isoformat(" ", "minutes")
