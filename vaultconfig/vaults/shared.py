"""The vaults of this process: one for each connection, shared by all settings that use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeAlias

from vaultconfig.connection.connection import DEADLINE, SET_CREDENTIALS, Connection
from vaultconfig.errors import ConfigurationError, VaultConfigError
from vaultconfig.forks import import_undisturbed, in_forked_child
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.vaults.cache import now
from vaultconfig.vaults.vault import Vault

if TYPE_CHECKING:
    from vaultconfig.client import ClientCredentials, StaticToken, TokenFile, VaultClient

_NEEDED: Final = ("vaultconfig.client", "certifi", "encodings.idna")
"""What is imported for the first request; the last two by httpx and by Python itself, late."""

StandIn: TypeAlias = Callable[
    [Vault, Collection[VaultRef], float], Mapping[VaultRef, Resolved | VaultConfigError]
]
_present_stand_in: ContextVar[StandIn | None] = ContextVar("vaultconfig_stand_in", default=None)


def resolve(
    connection: Connection, references: Collection[VaultRef], *, deadline: float
) -> Mapping[VaultRef, Resolved | VaultConfigError]:
    """Resolve *references* with the vault of *connection*, or with what stands in for it.

    Raises:
        VaultConfigError: See `Vault.resolve`.
    """
    vault = vault_for(connection)
    stand_in = _present_stand_in.get()
    if stand_in is None:
        return vault.resolve(references, deadline=deadline)
    return stand_in(vault, references, deadline)


@contextmanager
def standing_in(stand_in: StandIn) -> Iterator[None]:
    """Let *stand_in* resolve every reference of the settings that are built in here."""
    token = _present_stand_in.set(stand_in)
    try:
        yield
    finally:
        _present_stand_in.reset(token)


def vault_for(connection: Connection) -> Vault:
    """Return the one `Vault` that this process has for *connection*."""
    vault = _vaults.get(connection)
    return vault or _vaults.setdefault(connection, Vault(connection, connect=connect))


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


_vaults: dict[Connection, Vault] = {}  # without a lock: see `Vault`
# A forked child drops its parent's vaults; closing them would end the parent's sessions.
in_forked_child("vaults", _vaults.clear)
