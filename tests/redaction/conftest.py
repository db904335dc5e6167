"""Each test in a directory, an environment and a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaultconfig.live.processes import _close_all
from vaultconfig.vaults.shared import close_vaults


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_"))]:
        monkeypatch.delenv(name)
    close_vaults()
    yield
    _close_all()
    close_vaults()
