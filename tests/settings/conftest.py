"""Each test in a directory, an environment and a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.settings.loading import Asked
from vaultconfig.devserver import DevServer
from vaultconfig.devserver.faults import LoggedRequest
from vaultconfig.vaults.shared import close_vaults

OURS = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    close_vaults()
    yield
    close_vaults()


@pytest.fixture
def app(vault_env: DevServer) -> DevServer:
    """A vault with the secret that `TOKEN` refers to."""
    vault_env.put("app", {"token": "from vault"})
    return vault_env


@pytest.fixture
def asked(vault: DevServer) -> Asked:
    def told(request: LoggedRequest) -> tuple[str, tuple[str, ...]]:
        return request.method, tuple(sorted(request.secrets))

    return lambda: [told(request) for request in vault.requests]


@pytest.fixture
def env_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write the `.env` of the working directory."""

    def write(text: str) -> Path:
        file = tmp_path / ".env"
        file.write_text(text)
        return file

    return write


@pytest.fixture
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
