"""Each test in a directory, an environment and a cache of its own, and a settings class."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr

from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.live.processes import _close_all
from vaultconfig.live.refresher import Seams
from vaultconfig.vaults.shared import close_vaults

PATH = "environments/production/signer"
CANARY = "hunter2-canary"


class Settings(VaultSettings):
    issuer: str = "signer"
    key: Annotated[SecretStr, "vault:environments/{environment}/signer#key"]


class Clock:
    """That of the system, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "production")
    close_vaults()
    yield
    _close_all()  # live settings that a test has left to the garbage collector
    close_vaults()


@pytest.fixture
def filled(vault_env: DevServer) -> DevServer:
    """A vault that holds the canary, with the environment pointing at it."""
    vault_env.put(PATH, {"key": CANARY})
    return vault_env


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> Iterator[LiveSettings[Settings]]:
    settings = LiveSettings(Settings, Seams(clock=clock))
    yield settings
    settings.close()
