"""Which settings class a pyproject.toml names, and how far up one is looked for.

What it names is imported, so a file that another user can have put there must not be read.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Final

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.places import ABSENT, get_at
from vaultconfig.render.owners import is_foreign

_NAME: Final = "pyproject.toml"


def default_target(directory: Path) -> tuple[Path, str]:
    """Return what the nearest pyproject.toml names, and the directory that it is in.

    It is looked for above *directory*, too: as far as the root of the repository, the home
    directory, or a directory of another user.

    Raises:
        ConfigurationError: No class is named, the file is malformed, or another user can have put
            it there.
    """
    # Root, in a container, works in the directory of a user: that is where it was started.
    trusted = {directory.stat().st_uid}
    if hasattr(os, "geteuid"):
        trusted.add(os.geteuid())
    home = Path(os.path.expanduser("~")).resolve()
    last = directory
    for place in (directory, *directory.parents):
        if place.stat().st_uid not in trusted:
            break
        named = _named_in(place, trusted)
        if named is not None:
            return place, named
        last = place
        if place == home or (place / ".git").exists():
            break
    where = f"in {directory}" if last == directory else f"from {directory} up to {last}"
    raise ConfigurationError(
        "no settings class is named: give one as TARGET (package.module:Settings), or name it in "
        f"{_NAME} as settings under [tool.vaultconfig] (looked for {where})"
    )


def _named_in(place: Path, trusted: set[int]) -> str | None:
    file = place / _NAME

    def check(status: os.stat_result) -> None:
        if is_foreign(status, (at.stat() for at in (place, *place.parents)), trusted=trusted):
            raise ConfigurationError(
                f"{file} belongs to another user and is not read: give a TARGET"
            )

    try:
        check(file.lstat())
        with open(file, "rb", opener=_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            check(status)  # once more: another file can have taken its place since
            if not stat.S_ISREG(status.st_mode):
                return None
            data = tomllib.load(opened)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{file} cannot be read ({exc}): fix it") from None
    table = get_at(data, ("tool", "vaultconfig"))
    if table is ABSENT or table == {}:
        return None
    named = table.get("settings") if isinstance(table, dict) else None
    if isinstance(named, str):
        return named
    others = f" (it has {', '.join(table)})" if isinstance(table, dict) and named is None else ""
    raise ConfigurationError(
        f"[tool.vaultconfig] in {file} has no text as settings{others}: write"
        ' settings = "package.module:Settings"'
    )


def _without_waiting(path: str, flags: int) -> int:
    """Open *path*, which may be a FIFO that nothing writes into."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
