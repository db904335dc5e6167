"""What `render` and `run` write, with a word about the part of it that is not the vault's."""

from __future__ import annotations

import functools

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli.streams import aside
from vaultconfig.inspection import gather
from vaultconfig.render.proof import settings_variables
from vaultconfig.render.variables import Variable


def gathered(
    settings_cls: type[BaseSettings], *, vault_first: bool = False, everything: bool = False
) -> list[Variable]:
    """Return the variables to write, as `gather` and `settings_variables` have them.

    Raises:
        pydantic.ValidationError: A value that would be written does not fit its field.
        VaultConfigError: See `vaultconfig.errors`.
    """
    with aside():
        report = gather(settings_cls, vault_first=vault_first)
        if report.overridden:
            _warn(tuple(f"{name} ({report.origins[name].source})" for name in report.overridden))
        return settings_variables(report, everything=everything)


@functools.cache  # what follows the vault gathers again and again
def _warn(given: tuple[str, ...]) -> None:
    # Such as a file of ours that the module of the class has loaded: it would be written anew.
    told = f"not the vault's, because another source gives it: {', '.join(given)}"
    click.echo(f"Warning: {told}", err=True)
