"""Secret paths and the globs over them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from vaultconfig.devserver.answers import ApiError

MAX_LEVELS = 10
MAX_LENGTH = 512
_PATH = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")
_WILD = {"*": "[^/]*", "?": "[^/]"}


def check_path(path: str) -> str:
    """Return *path* if it is valid.

    The narrow reading of ScaiVault's pages, so that what works here works there: no upper case
    and no dots.

    Raises:
        ApiError: ``invalid_path``.
    """
    levels = path.count("/") + 1
    if len(path) > MAX_LENGTH or levels > MAX_LEVELS or not _PATH.fullmatch(path):
        raise ApiError(
            "invalid_path",
            f"a path is at most {MAX_LEVELS} levels and {MAX_LENGTH} characters of a-z 0-9 - _ /,"
            " with no leading, trailing or double slash",
        )
    return path


def matches(glob: str, path: str) -> bool:
    """Whether *glob* covers *path*: ``**`` any segments, ``*`` one segment, ``?`` one character."""
    return _match(glob.split("/"), path.split("/"))


def _match(glob: Sequence[str], path: Sequence[str]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        return any(_match(glob[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and bool(_segment(glob[0]).fullmatch(path[0])) and _match(glob[1:], path[1:])


@lru_cache
def _segment(glob: str) -> re.Pattern[str]:
    return re.compile("".join(_WILD.get(char, re.escape(char)) for char in glob))
