"""Servers for all tests, and an account of its own in a vault of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drivers.rig import AclUser, Live, Role, Settings
from tests.live.conftest import on_its_own  # noqa: F401 - a fixture
from tests.postgres import Postgres
from tests.valkey import Valkey
from vaultconfig import LiveSettings
from vaultconfig.devserver import DevServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    """A vault that announces nothing."""
    with DevServer(subscriptions=False) as vault:
        monkeypatch.setenv("SCAIVAULT_URL", vault.url)
        monkeypatch.setenv("SCAIVAULT_TOKEN", vault.token)
        yield vault


@pytest.fixture
def role(postgres: Postgres, vault: DevServer) -> Role:
    role = Role(postgres, vault)
    role.begin()
    return role


@pytest.fixture
def acl_user(valkey: Valkey, vault: DevServer) -> AclUser:
    user = AclUser(valkey, vault)
    user.begin()
    return user


@pytest.fixture
def live() -> Iterator[Live]:
    """Settings that are started by the test, once there is an account."""
    live = LiveSettings(Settings)
    yield live
    live.close()
