"""What `check` looks at around the settings: identity, clocks, files. No values."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from vaultconfig.cli.checking.declared import below_here
from vaultconfig.cli.checking.findings import Problem
from vaultconfig.cli.target import target_of
from vaultconfig.cli.wording import moment
from vaultconfig.connection.connection import Connection
from vaultconfig.connection.env_files import files_of, unreadable_lines
from vaultconfig.connection.environment import Environment
from vaultconfig.connection.urls import goes_in_clear
from vaultconfig.errors import ConfigurationError
from vaultconfig.inspection import sources_for
from vaultconfig.loading.report import Report
from vaultconfig.render import dotenv, files
from vaultconfig.render.git import standing
from vaultconfig.render.proof import settings_variables
from vaultconfig.source.situation import DEFAULT_ENV_FILE

if TYPE_CHECKING:
    from vaultconfig.client import Identity, VaultHealth

_SKEW: Final = timedelta(seconds=30)
_TOKEN_ENDS_SOON: Final = timedelta(days=1)
_SECRET_ENDS_SOON: Final = timedelta(days=7)
_READING: Final = frozenset({"secrets:read", "secrets:*", "admin", "*"})


def problems_of_connection(connection: Connection) -> Iterator[Problem]:
    """Yield what is unsafe about the address."""
    if goes_in_clear(connection.url):
        yield Problem(
            "error",
            "connection",
            f"{connection.url} is plain http: secrets would be sent unencrypted: use https",
        )


def problems_of_identity(
    identity: Identity, connection: Connection, *, now: datetime
) -> Iterator[Problem]:
    """Yield which scope the token needs, and whether it ends soon."""
    if identity.scopes and not _READING & set(identity.scopes):
        yield Problem(
            "error",
            "scopes",
            "the token does not have the scope secrets:read: request a token with it",
        )
    ends = identity.token_expires_at
    # Other tokens than a fixed one are renewed.
    if connection.token is not None and ends is not None and ends - now < _TOKEN_ENDS_SOON:
        yield Problem("error", "token", f"the token ends at {moment(ends)}: get a new one")


def problems_of_clock(health: VaultHealth, *, now: datetime) -> Iterator[Problem]:
    """Yield whether our clock and the vault's differ."""
    if health.server_time is not None and abs(health.server_time - now) > _SKEW:
        seconds = round((now - health.server_time).total_seconds())
        direction = "ahead of" if seconds > 0 else "behind"
        yield Problem(
            "error", "clock", f"the clock here is {abs(seconds)} s {direction} the vault's: set it"
        )


def problems_of_expiry(expiries: Mapping[str, datetime], *, now: datetime) -> Iterator[Problem]:
    """Yield which secrets have ended or will soon."""
    for path, ends in sorted(expiries.items()):
        if ends <= now:
            yield Problem("error", "expiry", f"{path} expired at {moment(ends)}: rotate it")
        elif ends - now < _SECRET_ENDS_SOON:
            yield Problem("warning", "expiry", f"{path} expires at {moment(ends)}")


def env_files(settings_cls: type[BaseSettings]) -> dict[Path, bool]:
    """Return the `.env` files there are, and of each whether the class itself reads it here.

    The one in the working directory is among them: `render` would write it.
    """
    sources, _ = sources_for(settings_cls)
    found = {DEFAULT_ENV_FILE: False}
    for source in sources:
        if isinstance(source, DotEnvSettingsSource) and source.env_file is not None:
            found |= dict.fromkeys(files_of(source.env_file), True)
    return {file: is_read for file, is_read in found.items() if lexists(file)}


def problems_of_absent_files(settings_cls: type[BaseSettings]) -> Iterator[Problem]:
    """Yield which `.env` the class names that does not exist, so that it gives nothing."""
    named = settings_cls.model_config.get("env_file")
    for file in [] if named is DEFAULT_ENV_FILE else files_of(named):
        if not lexists(file):
            told = f"{file}, the env_file of {settings_cls.__name__}, does not exist"
            yield Problem("note", "file", told)


def problems_of_file(file: Path, *, encoding: str | None) -> Iterator[Problem]:
    """Yield which lines of a `.env` are invalid, whether others can read it, and what git does."""
    status, shown, quoted = file.lstat(), below_here(file), shlex.quote(str(file))
    if not stat.S_ISREG(status.st_mode):
        told = f"{file} is not a regular file: replace it by one"
        yield Problem("error", "file", told, file=shown)
        return
    for line in unreadable_lines(file, encoding):
        told = f"{line} cannot be read and is ignored: fix or remove it"
        yield Problem("warning", "file", told, file=shown, line=int(line.split()[1]))
    mode = stat.S_IMODE(status.st_mode)
    if mode & files.NOT_FOR_OTHERS:
        told = f"{file} can be read by other users (mode {mode:04o}): make it yours alone"
        yield Problem("error", "file", told, f"chmod 600 {quoted}", file=shown)
    ignore = f"echo {shlex.quote(file.name)} >> {shlex.quote(str(file.parent / '.gitignore'))}"
    match standing(str(file.parent), file.name):
        case "tracked":
            told = f"git tracks {file}: take it out of the repository, and ignore it"
            there = [] if file.parent == Path() else ["-C", str(file.parent)]
            remove = shlex.join(["git", *there, "rm", "--cached", "--", file.name])
            yield Problem("error", "file", told, f"{remove} && {ignore}", file=shown)
        case "exposed":
            told = f"git does not ignore {file}, so that it may be committed"
            yield Problem("warning", "file", told, ignore, file=shown)


def problems_of_drift(
    file: Path, report: Report, *, environment: Environment, is_read: bool
) -> Iterator[Problem]:
    """Yield which of the vault's values a `.env` has differently, where that matters.

    In development a difference is meant. Elsewhere it is a mistake only in a file that is read: any
    other belongs to a development machine, where production's values must not go.
    """
    try:
        text = files.read(file) or ""
        values = {item.key: item.text for item in settings_variables(report)}
        differences = dotenv.compare(text, values)
    except (ConfigurationError, ValidationError):
        return  # which is reported elsewhere
    shown = below_here(file)
    kept = ", ".join(item.key for item in differences if item.kind == "reference")
    if kept and not environment.is_development:
        told = f"{file} has a reference for {kept}: render leaves it, render --check names it"
        yield Problem("note", "drift", told, file=shown)
    changed = ", ".join(item.key for item in differences if item.kind == "changed")
    if not changed:
        return
    told = f"{file} differs from the vault: {changed}"
    model = report.model
    if environment.is_development:
        told += "; in development that is expected"
        yield Problem("note", "drift", told, file=shown)
    elif is_read:
        name = ["-e", environment.name] if environment.name else []
        render = ["vaultconfig", "render", target_of(model), "-o", str(file), *name]
        yield Problem("error", "drift", f"{told}; render it again", shlex.join(render), file=shown)
    else:
        told += f"; {model.__name__} does not read it in {environment}"
        yield Problem("note", "drift", told, file=shown)
