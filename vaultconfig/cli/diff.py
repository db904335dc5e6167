"""``vaultconfig diff``: what differs between two environments, without a value."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli.checking.survey import not_asking, quiet
from vaultconfig.cli.comparison import ComparedField, compared, errors_in
from vaultconfig.cli.failures import DIFFERS, exit_code
from vaultconfig.cli.options import common, json_option, target_argument
from vaultconfig.cli.streams import aside
from vaultconfig.cli.tables import as_json, print_lines, printable, row_lines, width_of
from vaultconfig.cli.target import load_target, target_of
from vaultconfig.cli.wording import fields_counted
from vaultconfig.connection.environment import Environment, current_environment
from vaultconfig.errors import NOT_FOUND, ConfigurationError
from vaultconfig.inspection import sources_for, survey_of_annotations
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.report import Report
from vaultconfig.references import VaultRef
from vaultconfig.references.paths import fill
from vaultconfig.source.asking import connection_for
from vaultconfig.vaults.shared import vault_for

_PLAIN: Final = ("STATUS", "same reference", "not read")
_COLOURS: Final = {"same": "green", "differs": "yellow"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a diff found.

    Attributes:
        target: The settings class.
        environments: Their names.
        fields: Those that the vault fills, in the order of the class.
    """

    target: str
    environments: tuple[str, str]
    fields: tuple[ComparedField, ...]


@click.command()
@click.argument("first", metavar="ENV1")
@click.argument("second", metavar="ENV2")
@target_argument
@json_option
@common
def diff(*, first: str, second: str, target: str | None, as_json_: bool) -> None:
    """Compare the vault's fields of the settings class TARGET in two environments.

    No value is shown. Only annotations count, with {environment} filled by ENV1 and by ENV2:
    arguments, variables and .env do not. Exit code 1 means that something is missing, 5 that
    something is denied; values may differ.

    \b
    Example:
      vaultconfig diff staging production app.settings:Settings
    """
    environments = [_environment(name) for name in (first, second)]
    names = (str(environments[0]), str(environments[1]))
    if names[0] == names[1]:
        raise click.UsageError(f"ENV1 and ENV2 are both {names[0]}: name two environments")
    settings_cls = load_target(target)
    quiet()
    with aside():
        reports = _reports(settings_cls, environments)
    found = Comparison(
        target=target_of(settings_cls), environments=names, fields=tuple(compared(*reports, names))
    )
    if as_json_:
        click.echo(as_json(found))
    else:
        _show(found)
    click.get_current_context().exit(_code(reports))


def _environment(name: str) -> Environment:
    try:
        found = current_environment(name, declared=None, environ={})
        # Not every name that an environment may have can stand in a path.
        fill("{environment}", {"environment": found.name or ""})
    except ConfigurationError:
        raise click.UsageError(
            f"{name!r} cannot be the name of an environment: write ENV1 ENV2 TARGET"
        ) from None
    return found


def _reports(
    settings_cls: type[BaseSettings], environments: Sequence[Environment]
) -> tuple[Report, Report]:
    """Load the class in each of *environments*; what they need is read in one batch for both.

    A load asks again for what an object from the vault has brought in; then there is a second one.
    """
    situation = sources_for(settings_cls)[1].situation()
    connection = connection_for(situation)
    deadline = connection.deadline_in(situation.rule.environment)
    answers: dict[VaultRef, Any] = {}
    unknown: dict[VaultRef, None] = {}

    def ask(references: Sequence[VaultRef]) -> Answers:
        unknown.update(dict.fromkeys(ref for ref in references if ref not in answers))
        return {**not_asking(references), **{r: answers[r] for r in references if r in answers}}

    while True:
        unknown.clear()
        one, other = (survey_of_annotations(settings_cls, where, ask) for where in environments)
        if not unknown:
            return one, other
        answers |= vault_for(connection).resolve(unknown, deadline=deadline)


def _code(reports: Sequence[Report]) -> int:
    errors = [error for report in reports for error in errors_in(report)]
    others = [error for error in errors if not isinstance(error, NOT_FOUND)]
    if others:
        return exit_code(ExceptionGroup("", others))
    return DIFFERS if errors else 0


def _show(found: Comparison) -> None:
    rows = []
    for field in found.fields:
        sides = [", ".join(map(str, side.versions)) or side.status for side in field.sides]
        rows.append((field.field, field.status, *sides, field.reference or ""))
    header = ("FIELD", "STATUS", *found.environments, "REFERENCE")
    aligned = bool(rows) and sys.stdout.isatty()
    lines = list(row_lines(rows, header=header, aligned=aligned, paint=_coloured))
    width = shutil.get_terminal_size().columns
    if aligned and any(width_of(click.unstyle(line)) > width for line in lines):
        # The references are what one can do without.
        shorter = [row[:-1] for row in rows]
        lines = list(row_lines(shorter, header=header[:-1], aligned=True, paint=_coloured))
    print_lines(lines, sys.stdout)
    for field in found.fields:
        one, other = field.sides
        for side in (one,) if one.problem == other.problem else (one, other):
            if side.problem:
                where = "" if one.problem == other.problem else f"{side.environment}: "
                click.echo(f"{field.field}: {where}{printable(side.problem)}", err=True)
    unfilled = (side for f in found.fields for side in f.sides if side.status == "malformed")
    if any("{" in (side.reference or "") for side in unfilled):
        told = "variables and .env do not count: use vault_variables, or a default of the field"
        click.echo(f"Hint: {told}", err=True)
    told = fields_counted([field.status for field in found.fields])
    click.echo(f"{' and '.join(found.environments)}: {told}", err=True)


def _coloured(column: int, text: str) -> str:
    is_plain = column != 1 or text in _PLAIN
    return text if is_plain else click.style(text, fg=_COLOURS.get(text, "red"))
