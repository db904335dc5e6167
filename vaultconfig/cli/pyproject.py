"""Which settings class a pyproject.toml names, and how far up one is looked for.

What it names is imported, so that a stranger's must not be found.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.places import ABSENT, get_at

_NAME: Final = "pyproject.toml"
_OPEN: Final = stat.S_ISVTX | stat.S_IWOTH  # others can make files there


def default_target(directory: Path) -> tuple[Path, str]:
    """Return what the nearest pyproject.toml names, and the directory that it is in.

    Raises:
        ConfigurationError: There is none, it is malformed, or a stranger can have put it there.
    """
    owners = _owners(directory)
    place = directory
    for place in _places(directory, owners):
        named = _named_in(place / _NAME, owners)
        if named is not None:
            return place, named
    where = f"in {directory}" if place == directory else f"from {directory} up to {place}"
    raise ConfigurationError(
        "no settings class is named: give one as TARGET (package.module:Settings), or name it in "
        f"{_NAME} as settings under [tool.vaultconfig] (looked for {where})"
    )


def _owners(directory: Path) -> set[int]:
    """Return the users who are trusted: ourselves, and the owner of where we were started."""
    ourselves = {os.geteuid()} if hasattr(os, "geteuid") else set()
    return ourselves | {directory.stat().st_uid}


def _places(directory: Path, owners: set[int]) -> Iterator[Path]:
    """Yield *directory* and those above, as far as they are of the same project and people."""
    home = Path(os.path.expanduser("~")).resolve()
    for place in (directory, *directory.parents):
        if place.stat().st_uid not in owners:
            return
        yield place
        if place == home or (place / ".git").exists():
            return


def _named_in(file: Path, owners: set[int]) -> str | None:
    try:
        if _is_a_strangers(file, owners):
            raise ConfigurationError(
                f"{file} belongs to another user and is not read: give a TARGET"
            )
        if not file.is_file():
            return None  # a directory; a FIFO would be waited for
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        problem = f"{file} cannot be read ({type(exc).__name__}): fix it"
    else:
        named = get_at(data, ("tool", "vaultconfig", "settings"))
        if isinstance(named, str):
            return named
        if named is ABSENT:
            return None
        problem = (
            f"[tool.vaultconfig] settings in {file} is not text: write package.module:Settings"
        )
    raise ConfigurationError(problem)


def _is_a_strangers(file: Path, owners: set[int]) -> bool:
    """Whether another user can have put it there; of a link its own owner counts."""
    return file.lstat().st_uid not in owners and bool(file.parent.stat().st_mode & _OPEN)
