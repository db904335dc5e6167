"""A client for a `Connection`. It loads httpx, so it is imported when first needed."""

from __future__ import annotations

from vaultconfig.client import ClientCredentials, StaticToken, TokenFile, VaultClient
from vaultconfig.connection.connection import DEADLINE, SET_CREDENTIALS, Connection
from vaultconfig.errors import ConfigurationError
from vaultconfig.vaults.cache import now


def connect(connection: Connection) -> VaultClient:
    """Return a client for *connection*; nothing is sent yet.

    Raises:
        ConfigurationError: There are no credentials, or the address may not be used.
    """
    return VaultClient(
        connection.url,
        credentials=_credentials(connection),
        tenant=connection.tenant,
        deadline=connection.deadline or DEADLINE,
        allow_http=connection.allow_http,
        clock=now,
    )


def _credentials(connection: Connection) -> StaticToken | TokenFile | ClientCredentials:
    if connection.token is not None:
        name = f"the token from {connection.source_of('SCAIVAULT_TOKEN')}"
        return StaticToken(connection.token.get_secret_value(), name=name)
    if connection.token_file is not None:
        return TokenFile(connection.token_file)
    if connection.client_id is not None and connection.client_secret is not None:
        return ClientCredentials(
            connection.client_id,
            connection.client_secret.get_secret_value(),
            token_url=connection.token_url,
            scope=connection.scope,
            style=connection.client_auth,
            allow_http=connection.allow_http,
            clock=now,
            name=f"the client credentials ({connection.source_of('SCAIKEY_CLIENT_ID')})",
        )
    raise ConfigurationError(f"no credentials for the vault at {connection.url}: {SET_CREDENTIALS}")
