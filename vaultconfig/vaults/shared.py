"""The vaults of this process: one for each connection, shared by all settings that use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vaultconfig.connection.connection import DEADLINE, SET_CREDENTIALS, Connection
from vaultconfig.errors import ConfigurationError, missing_extra
from vaultconfig.forks import import_undisturbed, in_forked_child
from vaultconfig.vaults.cache import now
from vaultconfig.vaults.vault import Vault

if TYPE_CHECKING:
    from vaultconfig.client import ClientCredentials, StaticToken, TokenFile, VaultClient
    from vaultconfig.store.store import Store

_NEEDED: Final = ("vaultconfig.client", "certifi", "encodings.idna")
"""What is imported for the first request; the last two by httpx and by Python itself, late."""


def vault_for(connection: Connection, *, clock: Callable[[], float] = now) -> Vault:
    """Return the one `Vault` that this process has for *connection*.

    Args:
        connection: Where it is.
        clock: Of a vault that is not there yet, in the tests of what uses it.
    """
    vault = _vaults.get(connection)
    if vault is None:
        store = _store_for(connection)
        made = Vault(connection, connect=connect, clock=clock, store=store)
        vault = _vaults.setdefault(connection, made)
    return vault


def connect(connection: Connection) -> VaultClient:
    """Return a client for *connection*; nothing is sent yet.

    Raises:
        ConfigurationError: There are no credentials, or the address may not be used.
    """
    import_undisturbed(_NEEDED)
    from vaultconfig.client import VaultClient  # loads httpx

    return VaultClient(
        connection.url,
        credentials=_credentials(connection),
        tenant=connection.tenant,
        deadline=connection.deadline or DEADLINE,
        allow_http=connection.allow_http,
        clock=now,
    )


def _store_for(connection: Connection) -> Store | None:
    """Return the store that *connection* names, if it does; nothing is opened yet."""
    settings = connection.store_settings
    if settings is None:
        return None
    extra = "store" if settings.directory else "redis"  # which brings what "store" does
    if missing := missing_extra("a store", ["cryptography"], extra=extra):
        raise missing
    import_undisturbed(("vaultconfig.store.store",))
    from vaultconfig.store.store import Store  # loads cryptography

    return Store(settings, server=connection.url, tenant=connection.tenant)


def close_vaults() -> None:
    """Close every connection of this process, and forget what was read over it."""
    while _vaults:
        _, vault = _vaults.popitem()
        vault.close()


def _credentials(connection: Connection) -> StaticToken | TokenFile | ClientCredentials:
    from vaultconfig.client import ClientCredentials, StaticToken, TokenFile

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


def _in_child() -> None:
    # Closing those of the parent would end its sessions.
    _vaults.update({connection: vault.in_child() for connection, vault in _vaults.items()})


_vaults: dict[Connection, Vault] = {}  # without a lock: see `Vault`
in_forked_child("vaults", _in_child)
