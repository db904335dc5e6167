"""Pytest fixtures: a ScaiVault of your own in each test. Loading it imports no server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vaultconfig.devserver import DevServer

__all__ = ["vault", "vault_env"]


@pytest.fixture
def vault() -> Iterator[DevServer]:
    """A running ScaiVault on a free port of this machine, empty and of this test alone."""
    try:
        from vaultconfig.devserver import DevServer
    except ModuleNotFoundError as exc:
        pytest.fail(str(exc), pytrace=False)
    with DevServer() as server:
        yield server


@pytest.fixture
def vault_env(vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    """The same, with the process environment pointing at it; your environment's name stays."""
    from vaultconfig.connection.connection import CONNECTION_VARIABLES

    for name in CONNECTION_VARIABLES:  # another vault, or a second credential
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, ",".join(filter(None, [os.environ.get(name), "127.0.0.1"])))
    monkeypatch.setenv("SCAIVAULT_URL", vault.url)
    monkeypatch.setenv("SCAIVAULT_TOKEN", vault.token)
    return vault
