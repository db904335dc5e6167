"""Connections of asyncpg and its pool whose login follows the vault."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from vaultconfig.drivers.login import Login
from vaultconfig.live import LiveSettings

__all__ = ["connector"]


def connector(
    live: LiveSettings[Any], *, password: str, user: str | None = None
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return what a pool connects with: ``create_pool(dsn, connect=connector(…))``.

    It takes what ``asyncpg.connect`` takes, and serves in its place as well.

    Args:
        live: The settings; they may be started later.
        password: The dotted name of its field.
        user: The same; None leaves the user to the DSN.

    Raises:
        ConfigurationError: There is no such field; it names those there are.
    """
    login = Login.following(live, user=user, password=password)

    async def connect(*place: Any, **options: Any) -> Any:
        return await login.alog_in(lambda values: asyncpg.connect(*place, **{**options, **values}))

    return connect
