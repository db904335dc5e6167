"""What each vault field is in two environments, and whether that differs. Pure, no values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vaultconfig.cli.checking.declared import DeclaredFields
from vaultconfig.cli.checking.findings import Status
from vaultconfig.cli.checking.survey import status_of
from vaultconfig.cli.failures import lines_of
from vaultconfig.errors import NOT_FOUND, VaultConfigError
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.needs import Need, references_of
from vaultconfig.loading.report import Report

Standing = Status | Literal["default", "-"]
"""``default`` is an optional reference that leads nowhere, ``-`` a field that is not there."""

Verdict = Status | Literal["same", "differs", "same reference", "not read"]
"""``not read`` is a field that stays as it is until a variable or an argument mentions it."""

_WORST_FIRST: Final[tuple[Status, ...]] = (
    "denied",
    "malformed",
    "invalid",
    "unavailable",
    "missing",
)


@dataclass(frozen=True, slots=True)
class Side:
    """A field in one environment.

    Attributes:
        environment: Its name.
        status: What the vault has for it there.
        reference: Placeholders filled.
        versions: Of each secret in it, mostly one.
        problem: What is wrong with it, and what to do.
    """

    environment: str
    status: Standing
    reference: str | None = None
    versions: tuple[int, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ComparedField:
    """A field in both environments.

    Attributes:
        field: Dotted.
        reference: In its annotation.
    """

    field: str
    status: Verdict
    reference: str | None
    sides: tuple[Side, Side]


def compared(first: Report, second: Report, names: tuple[str, str]) -> Iterator[ComparedField]:
    """Yield the fields of a settings class that the vault fills, in the order of the class.

    Args:
        first: What came of it in one environment, where nothing but the vault gives anything.
        second: The same in the other one.
        names: Of the environments.
    """
    halves = (_Half(first, names[0]), _Half(second, names[1]))
    found = dict.fromkeys(name for half in halves for name in half.names)
    unread = list(_not_read(first.model, "", found))
    for name in sorted([*found, *unread], key=DeclaredFields(first.model).order):
        one, other = halves[0].side(name), halves[1].side(name)
        field = next((half.needs[name].field for half in halves if name in half.needs), None)
        references = references_of(field.declared) if field is not None else ()
        yield ComparedField(
            name,
            "not read" if name not in found else _verdict(name, halves, {one.status, other.status}),
            ", ".join(map(str, references)) or one.reference or other.reference,
            (one, other),
        )


def errors_in(report: Report) -> Iterator[VaultConfigError]:
    """Yield what stands in the way of fields, but for what an optional reference allows."""
    half = _Half(report, "")  # its name shows nowhere
    for name, error in half.errors.items():
        if half.side(name).status != "default":
            yield error


class _Half:
    """What came of each field in one environment, by name."""

    def __init__(self, report: Report, environment: str) -> None:
        self._report = report
        self._environment = environment
        self.needs: Mapping[str, Need] = {need.name: need for need, _ in report.outcomes}
        self.values = {need.name: value for need, value in report.filled}
        self.errors = {failure.field: failure.error for failure in report.failures}
        self.errors |= {need.name: error for need, error in report.outcomes if error is not None}
        self.names = dict.fromkeys([*self.needs, *self.errors])

    def side(self, name: str) -> Side:
        need, error = self.needs.get(name), self.errors.get(name)
        if name not in self.names:
            return Side(self._environment, "-")
        reference = need.shown if need is not None else None
        if error is None and need is not None:
            versions = tuple(version for _, version in self._report.origin_of(need).secrets)
            return Side(self._environment, "ok", reference, versions)
        if isinstance(error, NOT_FOUND) and need and any(ref.optional for ref in need.references):
            return Side(self._environment, "default", reference)
        problem = lines_of(error)[0] if error is not None else None
        return Side(self._environment, status_of(error), reference, problem=problem)


def _verdict(name: str, halves: tuple[_Half, _Half], standings: set[Standing]) -> Verdict:
    one, other = halves
    worst = next((status for status in _WORST_FIRST if status in standings), None)
    if worst is not None:
        return worst
    if "-" in standings:  # such as an item that only one of two lists has
        return "differs"
    # Before the values are compared: where both read one secret, they are equal anyway.
    if one.needs[name].wanted == other.needs[name].wanted:
        return "same reference"
    if standings == {"default"}:
        return "same"
    is_same = "default" not in standings and (
        _are_equal(one.values[name], other.values[name])
        or _are_equal(*(_held(half.needs[name].field, half.values[name]) for half in halves))
    )
    return "same" if is_same else "differs"


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, too, where true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _held(field: ModelField | None, value: Any) -> Any:
    """Return what *field* makes of *value*, so that "1" and 1 are the same number."""
    if field is None:
        return value
    try:
        return field.validated(value)
    except Exception:  # it does not fit, or its model gets more than this; and it would be quoted
        return value


def _not_read(model: type, prefix: str, found: Collection[str]) -> Iterator[str]:
    """Yield which fields with references are left alone, as an optional model that is None."""
    for field in fields_of(model):
        name = f"{prefix}{field.name}"
        if not field.bears_references or name in found:
            continue
        if not any(other.startswith(f"{name}.") for other in found):
            yield name
        elif not field.many:  # the load has been inside: the rest of it is named singly
            inner: Sequence[type] = field.models
            yield from (each for kind in inner for each in _not_read(kind, f"{name}.", found))
