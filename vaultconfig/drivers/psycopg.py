"""Connections of psycopg, alone or in a pool of psycopg_pool, whose login follows the vault."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from vaultconfig.drivers.login import Login
from vaultconfig.live import LiveSettings

__all__ = ["following"]

C = TypeVar("C", bound=Connection[Any] | AsyncConnection[Any])


@overload
def following(
    live: LiveSettings[Any], *, password: str, user: str | None = None
) -> type[Connection[TupleRow]]: ...


@overload
def following(
    live: LiveSettings[Any], *, password: str, user: str | None = None, base: type[C]
) -> type[C]: ...


def following(
    live: LiveSettings[Any], *, password: str, user: str | None = None, base: type[Any] = Connection
) -> type[Any]:
    """Return a connection class that logs in with what the vault has.

    Its `connect` takes what that of *base* takes. Give it to a pool as ``connection_class``.

    Args:
        live: The settings; they may be started later.
        password: The dotted name of its field.
        user: The same; None leaves the user to the connection string.
        base: The class to derive from; for asyncio ``AsyncConnection``, or one of your own.

    Raises:
        ConfigurationError: There is no such field; it names those there are.
    """
    login = Login.following(live, user=user, password=password)

    class Following(base):  # type: ignore[misc]
        """Asks the vault when a login is rejected."""

        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Any:
            """Open a connection; a coroutine where that of the base is one."""
            inherited = super().connect
            log_in = login.alog_in if issubclass(base, AsyncConnection) else login.log_in
            return log_in(lambda values: inherited(conninfo, **{**options, **values}))

    return Following
