"""``vaultconfig import``: a `.env` into the vault, a plan first."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import click

from vaultconfig.cli.connecting import environment_here, open_vault, path_from, reference_from
from vaultconfig.cli.importing.declaration import class_text
from vaultconfig.cli.importing.moving import PATIENCE, Move, Pace, moves_for, written
from vaultconfig.cli.importing.next_steps import check_module, free_module, next_steps
from vaultconfig.cli.importing.plan import Fate, Planner
from vaultconfig.cli.importing.variables import Variable, read_variables, without
from vaultconfig.cli.options import check_can_ask, common, named, output_option, yes_option
from vaultconfig.cli.tables import row_lines
from vaultconfig.cli.wording import count, suggestion
from vaultconfig.client import VaultClient
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.masking.values import mask
from vaultconfig.references.paths import PATHS
from vaultconfig.render import files

_PREFIX: Final = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)*")


@click.command("import")
@click.argument("file", callback=named)
@click.option(
    "--to", "prefix", required=True, metavar="PREFIX", help="Path in the vault to write below."
)
@click.option(
    "--secret", multiple=True, metavar="KEY", help="Treat this variable as a secret, too."
)
@click.option(
    "--plain", multiple=True, metavar="KEY", help="Do not treat the text of this one as a secret."
)
@click.option("--force", is_flag=True, help="Overwrite secrets that differ.")
@click.option(
    "--comment-out", is_flag=True, help="Make comments of the lines that moved, without values."
)
@output_option("Write the class there, and not to standard output.", metavar="MODULE.py")
@yes_option
@common
def import_(
    *,
    file: str,
    prefix: str,
    secret: Sequence[str],
    plain: Sequence[str],
    force: bool,
    comment_out: bool,
    output: str | None,
    yes: bool,
) -> None:
    """Copy the secrets of the dotenv FILE into the vault below PREFIX.

    It shows a plan, asks, writes, and prints the class that reads them and the commands to run
    next. FILE stays as it is, but for --comment-out. Related keys share a secret. Secrets that the
    vault has already are not written again, so that the command can be repeated after a failure;
    one that differs is overwritten with --force only.

    \b
    Example:
      vaultconfig import .env --to environments/production/shop
    """
    prefix, text = _prefix(prefix), _text_of(file)
    fates = Planner(read_variables(text, file=file), prefix, secret, plain).plan()
    _check(fates, secret=secret, plain=plain, comment_out=comment_out)
    source = class_text(fates) + "\n"
    output = None if output == "-" else output
    if output is not None:
        check_module(output, source)
    moved = _moved(fates)
    commented = moved if comment_out else {}
    with open_vault(deadline=PATIENCE) as client:
        moves = moves_for(client, _secrets(fates))
        states: dict[str, str] = {move.path: move.state for move in moves}
        rows = [_row(fate, states, moved) for fate in fates]
        for line in row_lines(rows, header=("KEY", "GOES TO", "STATE"), aligned=bool(rows)):
            click.echo(line, err=True)
        missing = _missing(moves, force=force)
        if not yes:
            _ask(missing, commented, file=file)
        if output is not None and not os.path.lexists(output):
            files.write_plain(output, source)
        if commented:
            files.edit(file, text, text)  # what can't be edited later is found before all else
        click.echo(_written(client, missing, moved), err=True)
    if output is None and not sys.stdout.isatty():  # on a terminal it is in what follows
        click.echo(source.encode(), nl=False)  # before the file changes: it might not be written
    if commented:
        files.edit(file, text, without(text, commented))
        click.echo(f"{file}: {count(len(commented), 'variable')} turned into comments", err=True)
    file_of_class = output or free_module()
    again = ["vaultconfig", "import", file, "--to", prefix, "-o", file_of_class]
    again += [word for key in secret for word in ("--secret", key)]
    again += [word for key in plain for word in ("--plain", key)]
    is_to_clean = moved and not commented and not any(_uses(fate, moved) for fate in fates)
    click.echo("Next, in a shell in this directory:", err=True)
    for line in next_steps(
        fates,
        environment_here(),
        file=file,
        module=file_of_class,
        source=source if output is None else None,
        again=[*again, "--yes", "--comment-out"] if is_to_clean else [],
    ):
        click.echo(line, err=True)


def _text_of(file: str) -> str:
    text = files.read(file)
    if text is None:
        raise ConfigurationError(f"{file}: there is no such file")
    masked: str = mask(text)  # hidden from tracebacks that show locals
    return masked


def _prefix(text: str) -> str:
    """Return the path that *text* is, placeholders left in it.

    New secrets have the paths that every server takes; those that others have written may not.
    """
    prefix = text.removeprefix("vault:").removesuffix("/")
    if not prefix or not _PREFIX.fullmatch(path_from(prefix)):
        raise ConfigurationError(f"--to {text!r}: {PATHS}")
    return prefix


def _check(
    fates: Sequence[Fate], *, secret: Sequence[str], plain: Sequence[str], comment_out: bool
) -> None:
    """Reject what was asked for and can't be done."""
    moved, keys = _moved(fates), [fate.key for fate in fates]
    for key in (*secret, *plain):
        if key not in keys:
            raise click.UsageError(f"the file has no {key}{suggestion(key, keys)}")
    for fate in fates:
        if fate.key in secret and not fate.moves:
            raise click.UsageError(f"{fate.key} cannot be moved: {fate.note}")
        used = ", ".join(_uses(fate, moved))
        if used and comment_out:
            raise ConfigurationError(
                f"{fate.key} (line {fate.variable.line}) stays and is made of {used}, which would "
                "become a comment: write out the value, or leave out --comment-out"
            )


def _moved(fates: Sequence[Fate]) -> dict[str, str]:
    """Return the variables that move, and where to."""
    return {fate.key: fate.annotation or "" for fate in fates if fate.moves}


def _ask(missing: Sequence[Move], commented: Collection[str], *, file: str) -> None:
    steps = [f"write {_amount(missing)}"] if missing else []
    if commented:
        steps.append(f"turn {count(len(commented), 'variable')} of {file} into comments")
    if steps:
        check_can_ask()
        if not click.confirm(f"{' and '.join(steps).capitalize()}?", err=True):
            click.echo("Nothing was changed", err=True)
            raise click.exceptions.Exit(0)


def _uses(fate: Fate, moved: Collection[str]) -> list[str]:
    """Return which of *moved* a variable that stays is made of."""
    used = [part.key for part in fate.variable.parts if isinstance(part, Variable)]
    return [] if fate.moves else [key for key in dict.fromkeys(used) if key in moved]


def _secrets(fates: Sequence[Fate]) -> dict[str, dict[str, str]]:
    """Return the data of each secret, by its path."""
    secrets: dict[str, dict[str, str]] = {}
    for fate in fates:
        if fate.place is not None and fate.annotation is not None:
            path = reference_from(fate.annotation).path
            secrets.setdefault(path, {})[fate.place.field] = fate.variable.value or ""
    return secrets


def _row(fate: Fate, states: Mapping[str, str], moved: Collection[str]) -> tuple[str, str, str]:
    if fate.how == "template":
        return fate.key, "a template in the class", fate.note
    if fate.how == "vault" and fate.annotation is not None:
        state = states[reference_from(fate.annotation).path]
        return fate.key, fate.annotation, ": ".join(filter(None, [state, fate.note]))
    used = ", ".join(_uses(fate, moved))
    lost = f", and does not rotate with {used}" if used else ""
    return fate.key, f"stays: {fate.note}{lost}", ""


def _missing(moves: Sequence[Move], *, force: bool) -> list[Move]:
    """Return what is to be written."""
    differing = ", ".join(move.path for move in moves if move.state == "differs")
    if differing and not force:
        raise click.ClickException(
            f"the vault has something else at {differing}: nothing was written; --force "
            "overwrites it"
        )
    return [move for move in moves if move.state != "there"]


def _written(client: VaultClient, missing: Sequence[Move], moved: Collection[str]) -> str:
    """Write what is missing, and return what to say of it."""
    if not moved:
        return "Nothing to move: --secret KEY moves a variable all the same"
    if not missing:
        return "Nothing to write: all of it is in the vault already."
    done = 0
    writing = written(client, missing, Pace())
    try:
        with click.progressbar(
            writing, length=len(missing), label="Writing", file=sys.stderr
        ) as progress:
            for _ in progress:
                done += 1
    except VaultConfigError as error:
        error.add_note(f"{done} of {count(len(missing), 'secret')} written: run this again")
        raise
    return f"{_amount(missing)} written"


def _amount(moves: Sequence[Move]) -> str:
    values = sum(len(move.data) for move in moves)
    return f"{count(values, 'value')} in {count(len(moves), 'secret')}"
