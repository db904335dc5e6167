"""What `check` looks at around the settings: identity, clocks, files. No values."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from vaultconfig.cli.findings import Problem
from vaultconfig.connection.connection import Connection, misspelt_variables
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
_OTHERS: Final = 0o037  # all that 0640 does not allow them


def problems_of_connection(connection: Connection) -> Iterator[Problem]:
    """Yield what is unsafe about the address."""
    if goes_in_clear(connection.url):
        yield Problem(
            "error",
            "connection",
            f"{connection.url} is plain http: secrets would be sent unencrypted: use https",
        )


def problems_of_names(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield which variables nothing reads, though they look like ours."""
    for name, meant in misspelt_variables(environ):
        told = f"{name} is not a variable of vaultconfig: did you mean {meant}?"
        yield Problem("note", "variables", told)


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
        yield Problem("error", "token", f"the token ends at {_moment(ends)}: get a new one")


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
            yield Problem("error", "expiry", f"{path} expired at {_moment(ends)}: rotate it")
        elif ends - now < _SECRET_ENDS_SOON:
            yield Problem("warning", "expiry", f"{path} expires at {_moment(ends)}")


def _moment(when: datetime) -> str:
    return when.isoformat(" ", "minutes")


def env_files(settings_cls: type[BaseSettings]) -> dict[Path, bool]:
    """Return the `.env` files there are, and of each whether the class itself reads it here.

    The one in the working directory is among them: `render` would write it.
    """
    sources, _ = sources_for(settings_cls)
    found = {DEFAULT_ENV_FILE: False}
    for source in sources:
        if isinstance(source, DotEnvSettingsSource) and source.env_file is not None:
            found |= dict.fromkeys(files_of(source.env_file), True)
    return {file: is_read for file, is_read in found.items() if os.path.lexists(file)}


def problems_of_file(file: Path, *, encoding: str | None) -> Iterator[Problem]:
    """Yield which lines of a `.env` are invalid, whether others can read it, and what git does."""
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        yield Problem("error", "file", f"{file} is not a regular file: replace it by one")
        return
    for line in unreadable_lines(file, encoding):
        yield Problem("warning", "file", f"{line} cannot be read and is ignored: fix or remove it")
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OTHERS:
        yield Problem(
            "error", "file", f"{file} can be read by other users (mode {mode:04o}): chmod 600"
        )
    match standing(str(file.parent), file.name):
        case "tracked":
            yield Problem("error", "file", f"git tracks {file}: git rm --cached, and ignore it")
        case "exposed":
            yield Problem("warning", "file", f"git does not ignore {file}: add it to .gitignore")


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
    changed = [item.key for item in differences if item.kind == "changed"]
    if not changed:
        return
    told = f"{file} differs from the vault: {', '.join(changed)}"
    if environment.is_development:
        yield Problem("note", "drift", f"{told}; in development that is expected")
    elif is_read:
        yield Problem("error", "drift", f"{told}; render it again")
    else:
        name = report.model.__name__
        yield Problem("note", "drift", f"{told}; {name} does not read it in {environment}")
