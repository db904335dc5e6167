"""Secret paths and the globs over them. Pure."""

from __future__ import annotations

import re
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
    return _compiled(glob).fullmatch(f"/{path}") is not None


@lru_cache
def _compiled(glob: str) -> re.Pattern[str]:
    # Each level brings the slash before it, so that ``**`` may stand for none.
    levels = [
        "(?:/[^/]*)*"
        if level == "**"
        else "/" + "".join(_WILD.get(char, re.escape(char)) for char in level)
        for level in glob.split("/")
    ]
    return re.compile("".join(levels))
