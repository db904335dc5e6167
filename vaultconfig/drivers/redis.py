"""Connections of redis-py whose login follows the vault."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

from redis.credentials import CredentialProvider

from vaultconfig.drivers.login import Login
from vaultconfig.errors import ConfigurationError
from vaultconfig.live import LiveSettings

__all__ = ["Credentials"]


class Credentials(CredentialProvider):
    """Gives each new connection what the vault has.

    redis-py tells no provider that a login was rejected. So give it both:
    ``Redis(credential_provider=c, redis_connect_func=c.on_connect)``, or `on_connect_async` in
    asyncio.

    Args:
        live: The settings; they may be started later.
        password: The dotted name of its field.
        user: The same; None is Redis's user ``default``.

    Raises:
        ConfigurationError: There is no such field; it names those there are.
    """

    def __init__(self, live: LiveSettings[Any], *, password: str, user: str | None = None) -> None:
        self._login = Login.following(live, user=user, password=password)
        # Connections in their second try: redis-py has closed the socket of the first.
        self._again = set[Any]()

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user, if there is one, and the password."""
        values = self._login.values()
        password = values.get("password", "")
        return (values["user"], password) if "user" in values else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same; it waits for nothing."""
        return self.get_credentials()

    # redis-py's annotation says that it gives no argument; it gives the connection.
    def on_connect(self, connection: Any = None) -> None:
        """Log in on a new connection, and once more where that is rejected.

        Raises:
            ConfigurationError: The connection is one of asyncio.
        """
        if iscoroutinefunction(connection.on_connect):
            raise ConfigurationError(
                "redis.asyncio takes redis_connect_func=credentials.on_connect_async"
            )
        if connection in self._again:
            connection.on_connect()
            return

        def again() -> None:
            connection.disconnect()
            self._again.add(connection)
            try:
                connection.connect()  # which comes back to us
            finally:
                self._again.discard(connection)

        tries = iter((connection.on_connect, again))  # they ask us for the values
        self._login.log_in(lambda _: next(tries)())

    async def on_connect_async(self, connection: Any) -> None:
        """Do the same on a connection of asyncio."""
        if connection in self._again:
            await connection.on_connect()
            return

        async def again() -> None:
            await connection.disconnect()
            self._again.add(connection)
            try:
                await connection.connect()
            finally:
                self._again.discard(connection)

        tries = iter((connection.on_connect, again))
        await self._login.alog_in(lambda _: next(tries)())
