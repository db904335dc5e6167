"""``vaultconfig run``: another program, with the settings in its environment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import click
from pydantic_settings import BaseSettings

from vaultconfig.cli import end_by
from vaultconfig.cli.becoming import become, check_lengths
from vaultconfig.cli.gathering import gathered
from vaultconfig.cli.options import common, target_argument
from vaultconfig.cli.target import load_target
from vaultconfig.cli.wording import suggestion
from vaultconfig.connection.variables import PRIVATE_VARIABLES
from vaultconfig.errors import ConfigurationError
from vaultconfig.references import parse_duration
from vaultconfig.render.rules import reject_references

_COMMAND: Final = "vaultconfig.command"
_SEPARATE: Final = "write -- before the program"
_GRACE: Final = 10.0  # seconds


class _Run(click.Command):
    """Leaves alone what stands after ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before it."""
        if "--" in args:
            end = args.index("--")
            args, ctx.meta[_COMMAND] = args[:end], args[end + 1 :]
            return super().parse_args(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            problem = error.format_message()
        # Most likely it is about what belongs to the program.
        raise click.UsageError(f"{problem.rstrip('.')}: {_SEPARATE}", ctx)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the program after the rest."""
        return [*super().collect_usage_pieces(ctx), "-- PROGRAM [ARGUMENT]..."]


def _duration(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    seconds = None if value is None else parse_duration(value)
    if value is not None and seconds is None:
        raise click.BadParameter(f"{value!r} is not a duration such as 10, 1.5s or 2m")
    return seconds


@click.command(cls=_Run)
@target_argument
@click.option(
    "--only", multiple=True, metavar="NAME", help="Set this variable only; may be repeated."
)
@click.option("--prefix", default="", metavar="TEXT", help="Put this before each name.")
@click.option(
    "--keep-credentials", is_flag=True, help="Keep the vault's credentials in the environment."
)
@click.option("--watch", is_flag=True, help="Start PROGRAM again when a variable changes.")
@click.option(
    "--grace",
    metavar="SECONDS",
    callback=_duration,
    help="Time between SIGTERM and SIGKILL, with --watch.  [default: 10]",
)
@common
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    target: str | None,
    only: Sequence[str],
    prefix: str,
    keep_credentials: bool,
    watch: bool,
    grace: float | None,
) -> None:
    """Run PROGRAM with what the vault gives to the settings class TARGET in its environment.

    PROGRAM replaces this process: it gets its pid, signals and terminal, and the exit code is its
    own. It does not inherit the credentials for the vault. Exit code 127 means that PROGRAM was not
    found, 126 that it cannot be run.

    With --watch PROGRAM is a child of this process, which passes signals on, ends as PROGRAM ends,
    and starts it again when the vault changes a variable.

    \b
    Example:
      vaultconfig run app.settings:Settings -- gunicorn app:app
    """
    command: list[str] = ctx.meta.get(_COMMAND, [])
    if command and not command[0]:
        raise click.UsageError("the program after -- is empty: name one")
    if not command:
        raise click.UsageError(_without_program(target, has_dashes=_COMMAND in ctx.meta))
    if grace is not None and not watch:
        raise click.UsageError("--grace is for --watch: add that, or leave it out")
    settings_cls = load_target(target)
    make = partial(_variables, settings_cls, only, prefix)
    environ_with = partial(_environ_with, settings_cls, keep_credentials=keep_credentials)
    if not watch:
        become(command, environ_with(make()))
    if not hasattr(os, "killpg"):
        raise ConfigurationError(
            "run --watch needs process groups, which Windows does not have: leave out --watch, or "
            "use render --watch"
        )
    from vaultconfig.cli.supervising import Supervisor
    from vaultconfig.cli.watching import watched

    supervisor = Supervisor(command, _GRACE if grace is None else grace)
    meanwhile = f"{command[0]} keeps its variables"
    with watched(make, meanwhile=meanwhile, wake=supervisor.wake) as found:
        status = supervisor.run(found.look, environ_with)
    if status < 0:
        import resource  # which Windows does not have

        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if hard:  # a core of ours would hold the values; with 0 Linux still pipes it to a handler
            resource.setrlimit(resource.RLIMIT_CORE, (1, hard))
        end_by(signal.Signals(-status))
    ctx.exit(status)


def _variables(
    settings_cls: type[BaseSettings], only: Sequence[str], prefix: str
) -> dict[str, str]:
    """Return the variables to set, which an environment can hold."""
    values = {variable.key: variable.text for variable in gathered(settings_cls)}
    for name in only:
        if name not in values:
            raise click.UsageError(f"there is no variable {name!r}{suggestion(name, values)}")
    values = {key: value for key, value in values.items() if not only or key in only}
    reject_references(values)
    values = {f"{prefix}{key}": value for key, value in values.items()}
    _check(values)
    return values


def _environ_with(
    settings_cls: type[BaseSettings], values: Mapping[str, str], *, keep_credentials: bool
) -> dict[str, str]:
    """Return our environment with *values*, and without what is only for us."""
    # Another spelling of a variable would be a second one, and might be the one that counts.
    folds = not settings_cls.model_config.get("case_sensitive")
    spellings = {key.lower() for key in values} if folds else set()
    kept = {
        key: value
        for key, value in os.environ.items()
        if key.lower() not in spellings
        and (keep_credentials or key.upper() not in PRIVATE_VARIABLES)
    }
    return {**kept, **values}


def _without_program(target: str | None, *, has_dashes: bool) -> str:
    if target is None or ":" in target or has_dashes:
        example = f"{target or ''} -- PROGRAM"
    else:  # it is the program
        example = f"-- {target}"
    problem = "name the program after --" if has_dashes else _SEPARATE
    return f"{problem}: vaultconfig run {example.lstrip()}"


def _check(values: Mapping[str, str]) -> None:
    """Reject what no environment can hold."""
    wrong = [key for key in values if "=" in key]
    if wrong:
        raise ConfigurationError(f"{wrong[0]!r} is not a valid variable name: it has a '='")
    unfit = [key for key, value in values.items() if not _fits(key) or not _fits(value)]
    if unfit:
        raise ConfigurationError(
            f"{', '.join(unfit)}: an environment cannot hold the value (it has a NUL character, or "
            f"is not text in {sys.getfilesystemencoding()}): change the value in the vault, or the "
            "locale (LC_ALL)"
        )
    check_lengths(values)


def _fits(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
