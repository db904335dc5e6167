"""Which files another user can have put where they are."""

from __future__ import annotations

import os
import stat

import pytest

from vaultconfig.render.owners import is_foreign

US, THEM, ROOT = 1000, 2000, 0
CLOSED, STICKY, OPEN = 0o755, 0o1777, 0o777
STICKY_FOR_A_GROUP = 0o1770


def directory(owner: int, mode: int) -> os.stat_result:
    return os.stat_result((stat.S_IFDIR | mode, 1, 1, 1, owner, owner, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("owner", "above", "expected"),
    [
        (US, [(US, OPEN)], False),
        (ROOT, [(US, STICKY)], False),
        (THEM, [(US, CLOSED), (ROOT, STICKY)], False),
        (THEM, [(US, STICKY), (US, CLOSED)], True),
        (THEM, [(US, OPEN)], True),
        (THEM, [(US, STICKY_FOR_A_GROUP)], True),
        (THEM, [(THEM, CLOSED), (ROOT, STICKY)], True),
        (THEM, [(THEM, CLOSED), (THEM, CLOSED), (ROOT, OPEN)], True),
        (THEM, [(THEM, CLOSED), (US, CLOSED), (ROOT, STICKY)], False),
        (THEM, [(THEM, CLOSED)], False),
    ],
)
def test_foreign_files(owner: int, above: list[tuple[int, int]], expected: bool) -> None:
    """Another user's file is foreign where all can make files, and in directories made there."""
    file = os.stat_result((stat.S_IFREG | 0o644, 1, 1, 1, owner, owner, 0, 0, 0, 0))
    directories = [directory(*each) for each in above]
    assert is_foreign(file, directories, trusted={US, ROOT}) is expected
