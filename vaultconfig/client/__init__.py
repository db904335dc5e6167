"""The ScaiVault HTTP API; the only package that imports httpx, and it knows nothing of settings."""

from vaultconfig.client.auth import ClientCredentials, StaticToken, TokenFile
from vaultconfig.client.records import Identity, SecretSummary, VaultHealth, WriteResult
from vaultconfig.client.subscriptions import Event, Subscription
from vaultconfig.client.vault import VaultClient

__all__ = [
    "ClientCredentials",
    "Event",
    "Identity",
    "SecretSummary",
    "StaticToken",
    "Subscription",
    "TokenFile",
    "VaultClient",
    "VaultHealth",
    "WriteResult",
]
