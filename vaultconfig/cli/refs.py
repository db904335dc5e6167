"""``vaultconfig refs``: what a settings class asks the vault for, without asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import click

from vaultconfig.cli.checking.survey import not_asking, quiet
from vaultconfig.cli.failures import CONFIGURATION
from vaultconfig.cli.options import common, json_option, target_argument
from vaultconfig.cli.streams import aside
from vaultconfig.cli.tables import as_json, show
from vaultconfig.cli.target import load_target
from vaultconfig.errors import InvalidReferenceError, VaultConfigError
from vaultconfig.inspection import survey

_HEADER: Final = ("FIELD", "REFERENCE", "STANDS IN")


@dataclass(frozen=True, slots=True)
class Needed:
    """One reference.

    Attributes:
        field: Dotted.
        reference: With placeholders filled as far as they can be.
        stands_in: ``annotation`` or ``value``.
        problem: Why it is not valid, or can't be read yet.
    """

    field: str
    reference: str
    stands_in: str
    problem: str | None = None


@click.command()
@target_argument
@json_option
@common
def refs(*, target: str | None, as_json_: bool) -> None:
    """List the references of the settings class TARGET, as they stand in this environment.

    The vault is not asked. A field that a higher source gives is left out: nothing is read for it.

    \b
    Example:
      vaultconfig refs app.settings:Settings -e production
    """
    settings_cls = load_target(target)
    quiet()
    with aside():
        found = survey(settings_cls, not_asking)
    needed, is_wrong = [], False
    for need, _ in sorted(found.outcomes, key=lambda item: item[0].name):
        place = "annotation" if need.layer is None else "value"
        problem = str(need.wanted) if isinstance(need.wanted, VaultConfigError) else None
        needed.append(Needed(need.name, need.shown or "", place, problem))
        is_wrong |= isinstance(need.wanted, InvalidReferenceError)
    if as_json_:
        click.echo(as_json(needed))
    else:
        show([(item.field, item.reference, item.stands_in) for item in needed], header=_HEADER)
        for item in needed:
            if item.problem:
                click.echo(f"{item.field}: {item.problem}", err=True)
    click.get_current_context().exit(CONFIGURATION if is_wrong else 0)
