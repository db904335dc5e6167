"""Every cell of the fault matrix, and that the page in the docs shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live.rig import LONG
from tests.matrix.faults import FAULTS
from tests.matrix.situations import SITUATIONS
from tests.matrix.vault import MatrixVault
from tests.matrix.world import SHORT, World
from vaultconfig.vaults.shared import close_vaults
import os
CELLS = [(f, s) for f in FAULTS for s in SITUATIONS]
LAST = os.environ.get("LASTING", "").split("|")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that an ordinary user can reach."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(("fault", "situation"), CELLS)
def test_cell(fault, situation, directory, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_"))]:
        monkeypatch.delenv(name)
    close_vaults()
    with ExitStack() as cleanup, MatrixVault() as vault:
        cleanup.callback(close_vaults)
        world = World(vault, monkeypatch, cleanup, directory, deadline=SHORT if fault in LAST else LONG)
        seen = SITUATIONS[situation](world, FAULTS[fault])
    with open("/tmp/matrix-seen.txt", "a") as f:
        f.write(f"{fault}|{situation}|{seen.outcome}|{len(seen.outcome.split())}\n")
    assert seen.told is None or re.search(FAULTS[fault].told, seen.told), seen.told
