"""The vaults of this process: one for each connection, shared by all settings that use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

from vaultconfig.connection.connection import Connection
from vaultconfig.errors import VaultConfigError
from vaultconfig.forks import import_undisturbed, in_forked_child
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.vaults.vault import Reader, Vault

_NEEDED: Final = ("vaultconfig.vaults.connect", "certifi", "encodings.idna")
"""What is imported for the first request; the last two by httpx and by Python itself, late."""

StandIn: TypeAlias = Callable[
    [Vault, Collection[VaultRef], float], Mapping[VaultRef, Resolved | VaultConfigError]
]
_stand_in: ContextVar[StandIn | None] = ContextVar("vaultconfig_stand_in", default=None)


def resolve(
    connection: Connection, references: Collection[VaultRef], *, deadline: float
) -> Mapping[VaultRef, Resolved | VaultConfigError]:
    """Resolve *references* with the vault of *connection*, or with what stands in for it.

    Raises:
        VaultConfigError: See `Vault.resolve`.
    """
    vault = vault_for(connection)
    stand_in = _stand_in.get()
    if stand_in is None:
        return vault.resolve(references, deadline=deadline)
    return stand_in(vault, references, deadline)


@contextmanager
def standing_in(stand_in: StandIn) -> Iterator[None]:
    """Let *stand_in* resolve every reference of the settings that are built in here."""
    token = _stand_in.set(stand_in)
    try:
        yield
    finally:
        _stand_in.reset(token)


def vault_for(connection: Connection) -> Vault:
    """Return the one `Vault` that this process has for *connection*."""
    vault = _vaults.get(connection)
    return vault or _vaults.setdefault(connection, Vault(connection, connect=_connect))


def close_vaults() -> None:
    """Close every connection of this process, and forget what was read over it."""
    while _vaults:
        _, vault = _vaults.popitem()
        vault.close()


_vaults: dict[Connection, Vault] = {}  # without a lock: see `Vault`
# A child does not close its parent's vaults, since that would end the parent's sessions.
in_forked_child("vaults", _vaults.clear)


def _connect(connection: Connection) -> Reader:
    import_undisturbed(_NEEDED)
    from vaultconfig.vaults.connect import connect  # loads httpx

    return connect(connection)
