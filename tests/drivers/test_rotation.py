"""Passwords and users rotate under pools, unannounced, the ttl far away, while queries pour in."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg
import psycopg
import psycopg_pool
import pytest
import redis
import redis.asyncio
import sqlalchemy
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.ext.asyncio import create_async_engine

from tests.drivers.rig import (
    FIELDS,
    AclUser,
    Generation,
    Live,
    Role,
    rotate_under,
    rotate_under_tasks,
    threads,
)
from vaultconfig.drivers.asyncpg import connector
from vaultconfig.drivers.psycopg import following
from vaultconfig.drivers.redis import Credentials
from vaultconfig.drivers.sqlalchemy import follow

SELECT = sqlalchemy.text("SELECT 1")


def test_sqlalchemy(role: Role, live: Live) -> None:
    """An engine with psycopg, from eight threads."""
    live.start()
    engine = sqlalchemy.create_engine(
        role.dsn.replace("://", "+psycopg://"), pool_size=8, pool_pre_ping=True
    )
    follow(engine, live, **FIELDS)
    generation = Generation()

    def query() -> None:
        with engine.connect() as connection:
            connection.execute(SELECT)
            if connection.info.setdefault("generation", generation.number) != generation.number:
                connection.invalidate()

    with threads(query) as crowd:
        rotate_under(crowd, role, generation.renew)
    engine.dispose()


def test_sqlalchemy_in_asyncio(role: Role, live: Live) -> None:
    """An asynchronous engine with asyncpg, from fifty tasks."""
    live.start()

    async def main() -> None:
        engine = create_async_engine(
            role.dsn.replace("://", "+asyncpg://"), pool_size=8, pool_pre_ping=True
        )
        follow(engine, live, **FIELDS)
        generation = Generation()

        async def query() -> None:
            async with engine.connect() as connection:
                await connection.execute(SELECT)
                raw = await connection.get_raw_connection()
                if raw.info.setdefault("generation", generation.number) != generation.number:
                    await connection.invalidate()

        await rotate_under_tasks(role, query, generation.arenew)
        await engine.dispose()

    asyncio.run(main())


def test_a_pool_of_psycopg(role: Role, live: Live) -> None:
    """From eight threads; the pool's own threads connect."""
    live.start()
    pool = psycopg_pool.ConnectionPool(
        role.dsn,
        min_size=4,
        connection_class=following(live, **FIELDS),
        check=psycopg_pool.ConnectionPool.check_connection,
        open=False,
    )

    def query() -> None:
        with pool.connection() as connection:
            connection.execute("SELECT 1")

    with pool, threads(query) as crowd:
        rotate_under(crowd, role, pool.drain)


def test_a_pool_of_psycopg_in_asyncio(role: Role, live: Live) -> None:
    """From fifty tasks."""
    live.start()

    async def main() -> None:
        pool = psycopg_pool.AsyncConnectionPool(
            role.dsn,
            min_size=4,
            connection_class=following(live, **FIELDS, base=psycopg.AsyncConnection),
            check=psycopg_pool.AsyncConnectionPool.check_connection,
            open=False,
        )

        async def query() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

        async with pool:
            await rotate_under_tasks(role, query, pool.drain)

    asyncio.run(main())


def test_a_pool_of_asyncpg(role: Role, live: Live) -> None:
    """From fifty tasks."""
    live.start()

    async def main() -> None:
        connect = connector(live, **FIELDS)
        async with asyncpg.create_pool(role.dsn, min_size=4, connect=connect) as pool:
            query = partial(pool.fetchval, "SELECT 1")
            await rotate_under_tasks(role, query, pool.expire_connections)

    asyncio.run(main())


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis(acl_user: AclUser, live: Live, protocol: int) -> None:
    """A client with its pool, from eight threads."""
    live.start()
    credentials = Credentials(live, **FIELDS)
    client = redis.Redis(
        port=acl_user.server.port,
        protocol=protocol,
        retry=Retry(NoBackoff(), 1),
        credential_provider=credentials,
        redis_connect_func=credentials.on_connect,
    )
    recycle = partial(client.connection_pool.disconnect, inuse_connections=False)
    with client, threads(lambda: client.set("key", "value")) as crowd:
        rotate_under(crowd, acl_user, recycle)


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_in_asyncio(acl_user: AclUser, live: Live, protocol: int) -> None:
    """From fifty tasks."""
    live.start()

    async def main() -> None:
        credentials = Credentials(live, **FIELDS)
        client = redis.asyncio.Redis(
            port=acl_user.server.port,
            protocol=protocol,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 1),
            credential_provider=credentials,
            redis_connect_func=credentials.on_connect_async,
        )
        recycle = partial(client.connection_pool.disconnect, inuse_connections=False)
        async with client:
            await rotate_under_tasks(acl_user, lambda: client.set("key", "value"), recycle)

    asyncio.run(main())
