"""A dev server on a real socket, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from vaultconfig.devserver import DevServer

Connect = Callable[..., httpx.Client]


class Clock:
    """Unix time that stands still until it is advanced."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[DevServer]:
    with DevServer(clock=clock) as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Give clients, with the administrator's token unless told, and close them at the end."""
    clients: list[httpx.Client] = []

    def connect(server: DevServer, token: str | None = None, **headers: str) -> httpx.Client:
        auth = {"Authorization": f"Bearer {server.token if token is None else token}"}
        clients.append(httpx.Client(base_url=server.url, headers={**auth, **headers}, timeout=10))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def http(server: DevServer, connect: Connect) -> httpx.Client:
    return connect(server)
