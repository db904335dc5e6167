"""Whether another user can have put a file where it is. Pure.

Such a file is not read for what it says, and nothing secret is written into it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from typing import Final

_OPEN: Final = stat.S_ISVTX | stat.S_IWOTH  # others can make files there


def is_foreign(
    file: os.stat_result, directories: Iterable[os.stat_result], *, trusted: Collection[int]
) -> bool:
    """Whether *file* is another user's, where they can have put it themselves.

    Args:
        file: What belongs to one of *trusted* is never foreign.
        directories: The one that it is in, and those above, nearest first.
        trusted: Users, by their numbers.
    """
    if file.st_uid in trusted:
        return False
    for directory in directories:
        if directory.st_mode & _OPEN:
            return True
        if directory.st_uid in trusted:  # only its owner, or root, makes files in it
            return False
    return False
