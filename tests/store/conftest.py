"""Places to keep something in, of each kind, and a scope of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rig import LONG
from tests.store.fleet import Fleet, fleet
from tests.store.hosts import Hosts
from tests.store.rig import shelf_at
from tests.valkey import PACKAGES, Kind, Valkey
from vaultconfig.devserver import DevServer
from vaultconfig.store import access
from vaultconfig.store.directory import Directory
from vaultconfig.store.shelf import Shelf


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Kind, Valkey]]:
    kinds: list[Kind] = list(PACKAGES)
    with (
        Valkey(tmp_path_factory.mktemp("valkey"), kinds[0]) as first,
        Valkey(tmp_path_factory.mktemp("redis"), kinds[1]) as second,
    ):
        yield dict(zip(kinds, (first, second), strict=True))


@pytest.fixture(params=PACKAGES)
def server(request: pytest.FixtureRequest, servers: dict[Kind, Valkey]) -> Valkey:
    return servers[request.param]


@pytest.fixture(params=PACKAGES)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Valkey]:
    """A server that the test may end."""
    with Valkey(tmp_path, request.param) as server:
        yield server


@pytest.fixture(params=["directory", *PACKAGES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return str(tmp_path / "store")
    port = request.getfixturevalue("servers")[request.param].port
    return f"redis://127.0.0.1:{port}/3"


@pytest.fixture
def shelf(place: str) -> Iterator[Shelf]:
    shelf = shelf_at(place)
    yield shelf
    shelf.close()


@pytest.fixture
def scope() -> str:
    return secrets.token_hex(8)


@pytest.fixture
def hosts(vault: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    """A vault with a secret, and hosts whose store has the time that a busy machine needs."""
    monkeypatch.setattr(access, "PATIENCE", LONG)
    monkeypatch.setitem(Directory.__init__.__kwdefaults__, "patience", LONG)
    vault.put("db", {"key": "one"})
    hosts = Hosts(vault, tmp_path / "store")
    yield hosts
    hosts.close()


@pytest.fixture
def processes() -> Iterator[Fleet]:
    with fleet() as made:
        yield made
