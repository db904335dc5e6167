"""A function for each driver that logs in anew, does something, and leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import asyncpg
import psycopg
import redis
import redis.asyncio
import sqlalchemy
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.drivers.rig import FIELDS, AclUser, Database, Live, Role
from vaultconfig.drivers.asyncpg import connector
from vaultconfig.drivers.psycopg import following
from vaultconfig.drivers.redis import Credentials
from vaultconfig.drivers.sqlalchemy import follow

LogIn: TypeAlias = Callable[[], object]
SELECT: Final = sqlalchemy.text("SELECT 1")


def with_sqlalchemy(dsn: str, live: Live) -> LogIn:
    engine = sqlalchemy.create_engine(dsn.replace("://", "+psycopg://"), poolclass=NullPool)
    follow(engine, live, **FIELDS)

    def log_in() -> None:
        with engine.connect() as connection:
            connection.execute(SELECT)

    return log_in


def with_sqlalchemy_in_asyncio(driver: str) -> Callable[[str, Live], LogIn]:
    def make(dsn: str, live: Live) -> LogIn:
        url = dsn.replace("://", f"+{driver}://")
        engine = create_async_engine(url, poolclass=NullPool)
        follow(engine, live, **FIELDS)

        async def query() -> None:
            async with engine.connect() as connection:
                await connection.execute(SELECT)

        return lambda: asyncio.run(query())

    return make


def with_psycopg(dsn: str, live: Live) -> LogIn:
    connection_class = following(live, **FIELDS)

    def log_in() -> None:
        with connection_class.connect(dsn) as connection:
            connection.execute("SELECT 1")

    return log_in


def with_psycopg_in_asyncio(dsn: str, live: Live) -> LogIn:
    connection_class = following(live, **FIELDS, base=psycopg.AsyncConnection)

    async def query() -> None:
        async with await connection_class.connect(dsn) as connection:
            await connection.execute("SELECT 1")

    return lambda: asyncio.run(query())


def with_asyncpg(dsn: str, live: Live) -> LogIn:
    connect = connector(live, **FIELDS)

    async def query() -> None:
        connection: asyncpg.Connection = await connect(dsn)
        await connection.close()

    return lambda: asyncio.run(query())


def with_redis(dsn: str, live: Live) -> LogIn:
    credentials = Credentials(live, **FIELDS)
    client = redis.Redis.from_url(
        dsn,
        retry=Retry(NoBackoff(), 0),
        credential_provider=credentials,
        redis_connect_func=credentials.on_connect,
    )

    def log_in() -> None:
        with client:
            client.set("key", "value")

    return log_in


def with_redis_in_asyncio(dsn: str, live: Live) -> LogIn:
    credentials = Credentials(live, **FIELDS)

    async def query() -> None:
        async with redis.asyncio.Redis.from_url(
            dsn,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
            credential_provider=credentials,
            redis_connect_func=credentials.on_connect_async,
        ) as client:
            await client.set("key", "value")

    return lambda: asyncio.run(query())


Make: TypeAlias = Callable[[str, Live], LogIn]
Errors: TypeAlias = type[Exception] | tuple[type[Exception], ...]
BARE_OR_NOT: Final = (sqlalchemy.exc.DBAPIError, asyncpg.PostgresError)  # 2.1, 2.0
CLIENTS: Final[Mapping[str, tuple[type[Database], Make, Errors]]] = {
    "sqlalchemy": (Role, with_sqlalchemy, sqlalchemy.exc.OperationalError),
    "sqlalchemy, asyncpg": (Role, with_sqlalchemy_in_asyncio("asyncpg"), BARE_OR_NOT),
    "sqlalchemy, psycopg": (Role, with_sqlalchemy_in_asyncio("psycopg"), sqlalchemy.exc.DBAPIError),
    "psycopg": (Role, with_psycopg, psycopg.OperationalError),
    "psycopg in asyncio": (Role, with_psycopg_in_asyncio, psycopg.OperationalError),
    "asyncpg": (Role, with_asyncpg, asyncpg.InvalidPasswordError),
    "redis": (AclUser, with_redis, redis.AuthenticationError),
    "redis in asyncio": (AclUser, with_redis_in_asyncio, redis.AuthenticationError),
}
"""Of each driver: what it logs in to, how, and the error of a rejected login."""
