"""Engines of SQLAlchemy, 2.0 or newer, whose connections log in with what the vault has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, event, util
from sqlalchemy.ext.asyncio import AsyncEngine

from vaultconfig.drivers.login import Login, Values
from vaultconfig.errors import ConfigurationError
from vaultconfig.live import LiveSettings

__all__ = ["follow"]


def follow(
    engine: Engine | AsyncEngine, live: LiveSettings[Any], *, password: str, user: str | None = None
) -> None:
    """Let each new connection of *engine* log in with what the vault has.

    Args:
        engine: Not made with ``creator``; its URL needs no login.
        live: The settings; they may be started later.
        password: The dotted name of its field.
        user: The same; None leaves the user to the URL.

    Raises:
        ConfigurationError: There is no such field, and it names those there are; or *engine* can't
            be followed.
    """
    login = Login.following(live, username=user, password=password)  # as a URL names them
    engine = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if not isinstance(engine, Engine):
        raise ConfigurationError(f"follow() takes an engine, not a {type(engine).__name__}")
    # SQLAlchemy's own creator is the one that has the event; a pool that is given has its own.
    if engine.pool._creator.__module__ != "sqlalchemy.engine.create":
        raise ConfigurationError(
            "the engine was made with creator, async_creator or pool, so SQLAlchemy does not ask"
            " how to connect: leave that out, or connect by live.retry_once there"
        )
    await_ = getattr(util, "await_", None) or util.await_only  # 2.1, 2.0

    def catch_up(before: Any) -> None:
        await_(live.acatch_up(before))  # in the greenlet that the engine connects in

    @event.listens_for(engine, "do_connect")
    def do_connect(dialect: Any, _: object, place: Any, options: Mapping[str, Any]) -> Any:
        def connect(values: Values) -> Any:
            # Drivers differ in how they call a login, and some take it inside a text.
            args, named = dialect.create_connect_args(engine.url.set(**values))
            without: Any = dict.fromkeys(values)
            _, others = dialect.create_connect_args(engine.url._replace(**without))
            ours = {key: named[key] for key in named if named[key] != others.get(key)}
            return dialect.connect(*(args or place), **{**options, **ours})

        return login.log_in(connect, catch_up=catch_up if dialect.is_async else None)
