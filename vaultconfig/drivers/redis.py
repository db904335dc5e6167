"""Connections of redis-py whose login follows the vault."""

from __future__ import annotations

from typing import Any

from redis.credentials import CredentialProvider

from vaultconfig.drivers.login import Login
from vaultconfig.live import LiveSettings


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

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user, if there is one, and the password."""
        values = self._login.values()
        password = values.get("password", "")
        return (values["user"], password) if "user" in values else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same; it waits for nothing."""
        return self.get_credentials()

    def on_connect(self, connection: Any) -> None:
        """Log in on a new connection, and once more where that is rejected."""
        self._login.log_in(lambda _: connection.on_connect())  # which asks us for the values

    async def on_connect_async(self, connection: Any) -> None:
        """Do the same on a connection of asyncio."""
        await self._login.alog_in(lambda _: connection.on_connect())
