"""What is measured: settings of any size, their twins of pydantic-settings, and a vault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.benchmarks.server import Loopback
from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.vaults.shared import close_vaults


def path_of(number: int) -> str:
    return f"environments/production/app{number}/db"


def vault_class(fields: int, *, paths: int) -> type[VaultSettings]:
    """Return a class whose *fields* share *paths*."""
    made: dict[str, Any] = {
        f"field{n}": (Annotated[str, f"vault:{path_of(n % paths)}#key{n}"], ...)
        for n in range(fields)
    }
    return create_model("Ours", __base__=VaultSettings, **made)


def plain_class(fields: int) -> type[BaseSettings]:
    """Return a class of the same fields for pydantic-settings alone."""
    base = type("Base", (BaseSettings,), {"model_config": SettingsConfigDict(env_prefix="BENCH_")})
    made: dict[str, Any] = {f"field{n}": (str, ...) for n in range(fields)}
    return create_model("Theirs", __base__=base, **made)


def variables(fields: int) -> dict[str, str]:
    """Return the environment of `plain_class`."""
    return {f"BENCH_FIELD{n}": f"value-{n}" for n in range(fields)}


def secrets_of(fields: int, *, paths: int) -> dict[str, dict[str, str]]:
    """Return what `vault_class` asks for."""
    return {
        path_of(place): {f"key{n}": f"value-{n}" for n in range(place, fields, paths)}
        for place in range(paths)
    }


@contextmanager
def vault_with(fields: int, *, paths: int, **options: Any) -> Iterator[DevServer]:
    """Run a vault that holds what `vault_class` asks for, and point at it."""
    with DevServer(**options) as vault:
        for path, data in secrets_of(fields, paths=paths).items():
            vault.put(path, data)
        with pointed_at(vault):
            yield vault


@contextmanager
def pointed_at(vault: DevServer | Loopback) -> Iterator[None]:
    """Have the environment of an application that asks *vault*."""
    before = dict(os.environ)
    os.environ |= {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
    os.environ |= {"NO_PROXY": "127.0.0.1", "VAULTCONFIG_ENVIRONMENT": "production"}
    close_vaults()
    try:
        yield
    finally:
        close_vaults()
        os.environ.clear()
        os.environ |= before
