"""Each test in a directory, an environment and a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from tests.live.rig import Ahead, Clock, Load
from vaultconfig.live.following import Following
from vaultconfig.live.processes import _close_all
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.vaults.shared import close_vaults


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_"))]:
        monkeypatch.delenv(name)
    close_vaults()
    yield
    _close_all()  # live settings that a test has left to the garbage collector
    close_vaults()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ahead() -> Ahead:
    return Ahead()


@pytest.fixture
def load(request: pytest.FixtureRequest, clock: Clock) -> Load:
    """Load the `Settings` of the test's module, or others, on a clock that stands still."""

    def load(
        settings_cls: type[BaseSettings] = request.module.Settings, **arguments: Any
    ) -> Refresher[Any]:
        following = Following(settings_cls, arguments, clock=clock)
        refresher = Refresher(following, Seams(clock=clock, random=lambda: 0.0))
        refresher.load()
        return refresher

    return load
