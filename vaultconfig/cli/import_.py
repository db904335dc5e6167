"""``vaultconfig import``: a `.env` into the vault, a plan first."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click
from dotenv import dotenv_values
from dotenv.variables import Variable, parse_variables

from vaultconfig.cli.classify import Sorting, sort
from vaultconfig.cli.connecting import open_vault, reference_from
from vaultconfig.cli.declaration import class_text
from vaultconfig.cli.moving import PATIENCE, Move, Pace, compared, written
from vaultconfig.cli.options import check_can_ask, common, yes_option
from vaultconfig.cli.tables import lines_of
from vaultconfig.cli.wording import count, suggestion
from vaultconfig.client import VaultClient
from vaultconfig.errors import ConfigurationError
from vaultconfig.masking.values import mask
from vaultconfig.render import dotenv, files
from vaultconfig.render.rules import refers


@dataclass(frozen=True, slots=True)
class _Stored:
    """The variables of a file.

    Attributes:
        values: Those that can be moved.
        odd: Why the others can't.
        keys: Those that a class can have a field for.
    """

    values: Mapping[str, str] = field(repr=False)
    odd: Mapping[str, str]
    keys: Sequence[str]


@click.command("import")
@click.argument("file")
@click.option(
    "--to", "prefix", required=True, metavar="PREFIX", help="Path in the vault to write below."
)
@click.option(
    "--secret", multiple=True, metavar="KEY", help="Treat this variable as a secret, too."
)
@click.option(
    "--plain", multiple=True, metavar="KEY", help="Do not treat this variable as a secret."
)
@click.option("--force", is_flag=True, help="Overwrite secrets that differ.")
@yes_option
@common
def import_(
    *, file: str, prefix: str, secret: Sequence[str], plain: Sequence[str], force: bool, yes: bool
) -> None:
    """Copy the secrets of the dotenv FILE into the vault below PREFIX.

    It shows a plan, asks, writes, and prints the class that reads them; FILE stays as it is.
    Related keys share a secret. Secrets that the vault has already are not written again, so that
    the command can be repeated after a failure; one that differs is overwritten with --force only.

    \b
    Example:
      vaultconfig import .env --to environments/production/shop
    """
    stored = _read(file)
    for key in (*secret, *plain):
        if key not in stored.values:
            raise click.UsageError(f"the file has no {key} to move{suggestion(key, stored.values)}")
    sorting = sort(stored.values, secret=secret, plain=plain)
    prefix = prefix.removeprefix("vault:").removesuffix("/")
    references = {item.key: f"vault:{prefix}/{item.group}#{item.field}" for item in sorting.secret}
    paths = {key: reference_from(reference).path for key, reference in references.items()}
    with open_vault(deadline=PATIENCE) as client:
        moves = compared(client, _secrets(sorting, paths, stored.values))
        states: dict[str, str] = {move.path: move.state for move in moves}
        rows = [(key, text, states[paths[key]]) for key, text in references.items()]
        rows += [(key, "stays: it does not look like a secret", "") for key in sorting.plain]
        rows += [(key, f"stays: {problem}", "") for key, problem in stored.odd.items()]
        for line in lines_of(rows, header=("KEY", "GOES TO", "STATE"), aligned=bool(rows)):
            click.echo(line, err=True)
        _write(client, moves, force=force, yes=yes)
    click.echo(class_text(stored.keys, references))
    click.echo("Next: save this class as a module of its own", err=True)
    if references:
        keys = ", ".join(references)
        click.echo(f"Next: remove from {file} what the vault has now: {keys}", err=True)
    if sorting.plain:
        keys = ", ".join(sorting.plain)
        click.echo(f"Next: in production no .env is read, so set there: {keys}", err=True)


def _read(file: str) -> _Stored:
    text = files.read(file)
    if text is None:
        raise ConfigurationError(f"{file}: there is no such file")
    raw = mask(dotenv_values(stream=io.StringIO(text), interpolate=False))
    values = mask(dotenv.parse(text))
    odd = {key: problem for key in raw if (problem := _oddity(key, raw))}
    keys = [key for key, value in raw.items() if value is not None and _is_name(key)]
    return _Stored({key: values[key] for key in raw if key not in odd}, odd, keys)


def _oddity(key: str, raw: Mapping[str, str | None]) -> str | None:
    """Return why a variable can't be moved, or None."""
    text = raw[key]
    if text is None:
        return "it has no value"
    if not _is_name(key):
        return "its name is not a valid variable name"
    if refers(text):
        return "it is a reference already"
    names = {atom.name for atom in parse_variables(text) if isinstance(atom, Variable)}
    # A "=" is in the names that render writes, which no variable can have; "__" in its older ones.
    outside = sorted(
        name for name in names if name not in raw and "=" not in name and not name.startswith("__")
    )
    return f"it is made of {', '.join(outside)}, from outside the file" if outside else None


def _is_name(key: str) -> bool:
    return key.isascii() and key.isidentifier()


def _secrets(
    sorting: Sorting, paths: Mapping[str, str], values: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return the data of each secret, by its path."""
    secrets: dict[str, dict[str, str]] = {}
    taken: dict[tuple[str, str], str] = {}
    for item in sorting.secret:
        other = taken.setdefault((item.group, item.field), item.key)
        if other != item.key:
            raise ConfigurationError(
                f"{other} and {item.key} would both be {item.field} of {item.group}: rename one"
            )
        secrets.setdefault(paths[item.key], {})[item.field] = values[item.key]
    return secrets


def _write(client: VaultClient, moves: Sequence[Move], *, force: bool, yes: bool) -> None:
    """Write what the vault does not have, once that is agreed to."""
    differing = ", ".join(move.path for move in moves if move.state == "differs")
    if differing and not force:
        raise click.ClickException(
            f"the vault has something else at {differing}: nothing was written; --force "
            "overwrites it"
        )
    missing = [move for move in moves if move.state != "there"]
    if not missing:
        click.echo("Nothing to write: the vault has it all.", err=True)
        return
    secrets = count(len(missing), "secret")
    if not yes:
        check_can_ask()
        if not click.confirm(f"Write {secrets}?", err=True):
            raise click.exceptions.Exit(0)
    done = written(client, missing, Pace())
    with click.progressbar(done, length=len(missing), label="Writing", file=sys.stderr) as progress:
        for _ in progress:
            pass
    click.echo(f"{secrets} written", err=True)
