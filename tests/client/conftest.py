"""Fixtures: a scripted vault, a clock that only sleeping moves, and clients for them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client.scripted import TOKEN, Clock, ScriptedVault
from vaultconfig.client import StaticToken, VaultClient


@pytest.fixture
def vault(monkeypatch) -> Iterator[ScriptedVault]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with ScriptedVault() as vault:
        yield vault


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(vault: ScriptedVault, clock: Clock) -> Iterator[Callable[..., VaultClient]]:
    """Make clients whose waits take no time; their draws of jitter are 0.5."""
    made: list[VaultClient] = []

    def connect(**options: Any) -> VaultClient:
        defaults = {
            "credentials": StaticToken(TOKEN),
            "clock": clock,
            "sleep": clock.sleep,
            "random": lambda: 0.5,
        }
        client = VaultClient(options.pop("url", vault.url), **defaults | options)
        made.append(client)
        return client

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Collect what a signal has left open, before that fails a test which does not expect it."""
    yield
    gc.collect()


@pytest.fixture
def client(connect: Callable[..., VaultClient]) -> VaultClient:
    return connect()
