"""Typed application settings whose secrets live in ScaiVault.

Importing it loads nothing else: each name is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vaultconfig.client import ClientCredentials, StaticToken, TokenFile, VaultClient
    from vaultconfig.live import Change, Health, LiveSettings
    from vaultconfig.loading.layers import Provenance
    from vaultconfig.references import VaultRef
    from vaultconfig.secret import Secret
    from vaultconfig.settings import VaultConfigDict, VaultSettings, provenance
    from vaultconfig.source.vault_source import VaultSettingsSource

__all__ = [
    "Change",
    "ClientCredentials",
    "Health",
    "LiveSettings",
    "Provenance",
    "Secret",
    "StaticToken",
    "TokenFile",
    "VaultClient",
    "VaultConfigDict",
    "VaultRef",
    "VaultSettings",
    "VaultSettingsSource",
    "provenance",
]

_MODULES: Final = {
    "Change": "vaultconfig.live",
    "ClientCredentials": "vaultconfig.client",
    "Health": "vaultconfig.live",
    "LiveSettings": "vaultconfig.live",
    "Provenance": "vaultconfig.loading.layers",
    "Secret": "vaultconfig.secret",
    "StaticToken": "vaultconfig.client",
    "TokenFile": "vaultconfig.client",
    "VaultClient": "vaultconfig.client",
    "VaultConfigDict": "vaultconfig.settings",
    "VaultRef": "vaultconfig.references",
    "VaultSettings": "vaultconfig.settings",
    "VaultSettingsSource": "vaultconfig.source.vault_source",
    "provenance": "vaultconfig.settings",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    except AttributeError as error:  # of a dependency: an import would take it for ours
        raise ImportError(f"{_MODULES[name]} can't be imported: {error}", name=name) from error
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
