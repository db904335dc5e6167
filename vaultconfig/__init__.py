"""Typed application settings whose secrets live in ScaiVault.

Importing it loads no HTTP library.
"""

from vaultconfig.provenance import Provenance
from vaultconfig.references import VaultRef
from vaultconfig.secret import Secret
from vaultconfig.settings import VaultConfigDict, VaultSettings, provenance
from vaultconfig.source import VaultSettingsSource

__all__ = [
    "Provenance",
    "Secret",
    "VaultClient",
    "VaultConfigDict",
    "VaultRef",
    "VaultSettings",
    "VaultSettingsSource",
    "provenance",
]


def __getattr__(name: str) -> object:
    if name == "VaultClient":
        from vaultconfig.client import VaultClient  # loads httpx

        return VaultClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
