"""The arguments and options that commands share. Loads nothing but click."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vaultconfig.cli import debug_option, environment_option

F = TypeVar("F", bound=Callable[..., Any])


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def check_can_ask() -> None:
    """Reject a command that would ask where there is no terminal to answer from."""
    if not sys.stdin.isatty():
        raise click.UsageError(
            "standard input is not a terminal, so there is no way to ask: add --yes"
        )


def named(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Reject an empty name of a file, which a variable that is not set leaves."""
    if value == "":
        raise click.BadParameter("the name of the file is empty")
    return value


def output_option(help_: str, *, metavar: str = "FILE") -> Callable[[F], F]:
    """Return the option that names what a command writes."""
    return click.option("-o", "--output", metavar=metavar, callback=named, help=help_)


json_option = click.option("--json", "as_json_", is_flag=True, help="Print JSON, for programs.")


def _complete_target(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    from pathlib import Path

    from vaultconfig.cli.completion import targets

    return [target for target in targets(Path.cwd()) if target.startswith(incomplete)]


target_argument = click.argument("target", required=False, shell_complete=_complete_target)


def complete_path(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the paths in the vault that begin so, for a shell to complete."""
    from vaultconfig.cli.known_paths import completions

    return completions(incomplete, fields=False)


def complete_reference(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the paths that begin so, and after a hash the fields."""
    from vaultconfig.cli.known_paths import completions

    return completions(incomplete, fields=True)


def common(function: F) -> F:
    """Add what every command that works with a vault takes."""
    return environment_option(debug_option(function))
