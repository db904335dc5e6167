"""Hosts that share a store: vaults with caches of their own, on one clock, in one process."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, SecretStr

from tests.live.rig import Clock
from vaultconfig.connection.connection import Connection
from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.devserver import DevServer
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.secret import Secret
from vaultconfig.store.store import Store
from vaultconfig.vaults.shared import connect
from vaultconfig.vaults.vault import Vault

DAY = 86_400.0
KEY, OTHER_KEY = SecretBytes(b"k" * 32), SecretBytes(b"o" * 32)


def environ_of(vault: DevServer, directory: Path) -> dict[str, str]:
    """Return the environment of a process that has a store in *directory*, under a new key."""
    return {
        **os.environ,
        "SCAIVAULT_URL": vault.url,
        "SCAIVAULT_TOKEN": vault.token,
        "VAULTCONFIG_ENVIRONMENT": "production",
        "VAULTCONFIG_STORE": f"file:{directory}",
        "VAULTCONFIG_STORE_KEY": base64.b64encode(os.urandom(32)).decode(),
        "VAULTCONFIG_APPLICATION": "shop",
    }


class Hosts:
    """Makes hosts that start with an empty cache.

    Args:
        vault: Which they ask.
        directory: The store.
    """

    def __init__(self, vault: DevServer, directory: Path) -> None:
        self.vault = vault
        self.directory = directory
        self.clock = Clock()
        self._hosts: list[Vault] = []
        self.wall = 1_000_000_000.0  # what the wall clock is ahead

    def store(self, **other: Any) -> Store:
        """Return the store as a host with *other* settings has it."""
        server, tenant = other.pop("url", self.vault.url), other.pop("tenant", None)
        own = {"keys": (KEY,), "application": "shop", "environment": "production", **other}
        settings = StoreSettings(SecretStr(f"file:{self.directory}"), **own)
        return Store(
            settings,
            server=server,
            tenant=tenant,
            clock=lambda: self.clock() + self.wall,
            steady=self.clock,
        )

    def host(self, *, token: str | None = None, deadline: float = 5.0, **other: Any) -> Vault:
        """Return a host; *other* goes to its store."""
        variables = {
            "SCAIVAULT_URL": other.get("url", self.vault.url),
            "SCAIVAULT_TOKEN": token or self.vault.token,
            "VAULTCONFIG_DEADLINE": deadline,
        }
        if "tenant" in other:
            variables["SCAIVAULT_TENANT_ID"] = other["tenant"]
        connection = Connection.model_validate(variables)
        host = Vault(connection, connect=connect, clock=self.clock, store=self.store(**other))
        self._hosts.append(host)
        return host

    def close(self) -> None:
        """Close their connections."""
        for host in self._hosts:
            host.close()

    def files(self) -> list[Path]:
        """Return the files of the store, but for its locks."""
        found = sorted(self.directory.glob("*/*"))
        return [file for file in found if file.name != "lock"]


def read(host: Vault, *references: str, deadline: float = 5.0) -> dict[str, Any]:
    """Return what *host* reads: a value, or the type of an error, by reference."""
    refs = {text: VaultRef(f"vault:{text}") for text in references}
    found = host.resolve(refs.values(), deadline=deadline)
    return {
        text: answer.value if isinstance(answer := found[ref], Resolved) else type(answer)
        for text, ref in refs.items()
    }


def versions(readings: Mapping[Any, Any]) -> list[int]:
    """Return the versions in *readings*."""
    answers = [reading.answer for reading in readings.values()]
    return [answer.version for answer in answers if isinstance(answer, Secret)]
