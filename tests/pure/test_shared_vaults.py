"""The vaults of this process: one for each connection, made of what it says. No request is sent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretBytes, SecretStr

from vaultconfig.client import ClientCredentials, VaultClient
from vaultconfig.connection.connection import Connection
from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.errors import ConfigurationError, MissingExtraError
from vaultconfig.store import store
from vaultconfig.vaults import shared
from vaultconfig.vaults.cache import now

URL = "https://vault.example"


@pytest.fixture(autouse=True)
def _vaults(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shared, "_vaults", {})
    yield
    shared.close_vaults()


def connection(address: str = "", **variables: Any) -> Connection:
    """Return a connection, with a store at *address* if there is one."""
    made = Connection.model_validate({"SCAIVAULT_URL": URL, "SCAIVAULT_TOKEN": "t", **variables})
    settings = StoreSettings(SecretStr(address), (SecretBytes(b"k" * 32),), "shop", "production")
    return made.model_copy(update={"store_settings": settings}) if address else made


class Known:
    """A vault that tells that it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_each_connection_has_one_vault() -> None:
    """With the clock of whoever asks first, and no store if it names none."""
    first = shared.vault_for(connection(), clock=lambda: 7.0)
    assert shared.vault_for(connection()) is first
    assert first.cache.clock() == 7.0
    assert first.store is None
    assert shared.vault_for(connection(SCAIVAULT_TOKEN="other")) is not first


def test_a_store_is_of_a_server_and_a_tenant() -> None:
    """Both of the connection: another one has other names."""
    marks = set()
    for variables in ({}, {"SCAIVAULT_TENANT_ID": "b"}, {"SCAIVAULT_URL": f"{URL}.org"}):
        made = shared.vault_for(connection("file:/nowhere", **variables)).store
        assert isinstance(made, store.Store)
        marks.add(made._first.name("mark"))
    assert len(marks) == 3


@pytest.mark.parametrize(
    ("address", "extra"), [("file:/nowhere", "store"), ("redis://127.0.0.1:1", "redis")]
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, address: str, extra: str
) -> None:
    """Which brings all that a store of this kind needs."""

    monkeypatch.setitem(sys.modules, "cryptography", None)
    told = rf"^a store needs cryptography: pip install 'scaivault-config\[{extra}\]'$"
    with pytest.raises(MissingExtraError, match=told) as caught:
        shared.vault_for(connection(address))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("variables", "deadline"), [({}, 10.0), ({"VAULTCONFIG_DEADLINE": 3}, 3)])
def test_a_client_is_as_the_connection_says(variables: dict[str, Any], deadline: float) -> None:
    """With the deadline of a command that reads, and the clock that runs while a machine sleeps."""
    client = shared.connect(connection(**variables))
    assert isinstance(client, VaultClient)
    assert (client._deadline, client._clock) == (deadline, now)
    client.close()


def test_client_credentials_are_as_the_connection_says() -> None:
    """The way they are sent, too; they age by the same clock."""
    made = shared._credentials(
        Connection.model_validate(
            {
                "SCAIKEY_CLIENT_ID": "id",
                "SCAIKEY_CLIENT_SECRET": "s3cret",
                "VAULTCONFIG_CLIENT_AUTH": "basic",
            }
        )
    )
    assert isinstance(made, ClientCredentials)
    assert (made._style, made._clock) == ("basic", now)


@pytest.mark.parametrize("variable", ["", "SCAIKEY_CLIENT_ID", "SCAIKEY_CLIENT_SECRET"])
def test_without_credentials_there_is_no_client(variable: str) -> None:
    """Nor with half of them; the message says for which server."""
    half = Connection.model_validate({"SCAIVAULT_URL": URL, variable: "half"})
    with pytest.raises(ConfigurationError, match=f"no credentials for the vault at {URL}: set "):
        shared.connect(half)


def test_all_are_closed_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next load opens others."""
    vault = Known()
    monkeypatch.setitem(shared._vaults, connection(), vault)  # type: ignore[arg-type]
    shared.close_vaults()
    assert vault.is_closed
    assert not shared._vaults


def test_a_forked_child_has_its_own() -> None:
    """For each connection that its parent had."""
    vault = shared.vault_for(connection())
    child = os.fork()
    if child == 0:
        # Live settings that other tests have left add theirs.
        os._exit(0 if shared._vaults.get(connection()) not in (None, vault) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert shared.vault_for(connection()) is vault
