"""Every cell of the fault matrix, and that the page in the docs shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live.rig import LONG
from tests.matrix.faults import FAULTS
from tests.matrix.page import CELLS, NONE, PAGE, ROWS, page
from tests.matrix.situations import SITUATIONS, running
from tests.matrix.vault import MatrixVault
from tests.matrix.world import SHORT, World
from vaultconfig.vaults.shared import close_vaults

MOST_WORDS = 12


@pytest.fixture
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world of its own for each cell, whose deadline is to be used up, or is out of reach."""
    fault, situation = request.node.callspec.id.rsplit("-", 1)
    is_late = re.compile(r"within \d+ s$")
    deadline = SHORT if is_late.search(ROWS[fault][situation]) else LONG
    if SITUATIONS[situation] is running and any(map(is_late.search, ROWS[fault].values())):
        deadline = 4 * SHORT  # of the start, too, which is to succeed on a busy machine
    for name in [n for n in os.environ if n.startswith(("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_"))]:
        monkeypatch.delenv(name)
    close_vaults()
    # Not below pytest's own directory, which an ordinary user can't reach.
    with TemporaryDirectory() as directory, MatrixVault() as vault, ExitStack() as cleanup:
        Path(directory).chmod(0o755)
        cleanup.callback(close_vaults)
        yield World(vault, monkeypatch, cleanup, Path(directory), deadline=deadline)


@pytest.mark.parametrize(
    ("fault", "situation"), [pytest.param(*cell, id="-".join(cell)) for cell in CELLS]
)
def test_cell(world: World, fault: str, situation: str) -> None:
    """What the table says is what the user gets, and what is said about it names the fault."""
    seen = SITUATIONS[situation](world, FAULTS[fault])
    assert seen.outcome == ROWS[fault][situation]
    if seen.told is not None:
        assert not re.search(r"CANARY|(user|password|key)-(\d|env)", seen.told)
        # The last try may come to an end of its own, with the deadline.
        assert re.search(f"{FAULTS[fault].told}|in time", seen.told)


def test_the_table_is_whole() -> None:
    """It has a row for each fault and a cell for each situation, of a few words."""
    assert ROWS.keys() == FAULTS.keys()
    for row in ROWS.values():
        assert list(row) == list(SITUATIONS)
        assert all(1 < len(cell.split()) <= MOST_WORDS for cell in row.values())
        assert all(len(cell) > len(NONE) for cell in row.values())


def test_the_page_is_up_to_date() -> None:
    """It is what the table makes of it now; else run ``make matrix`` and look at it."""
    assert PAGE.read_text(encoding="utf-8") == page()
