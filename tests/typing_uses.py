"""Uses of the public names that a type checker has to understand; never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, assert_type

import psycopg
import redis
from fastapi import Depends, FastAPI
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

import vaultconfig.django
import vaultconfig.drivers.asyncpg
import vaultconfig.drivers.psycopg
import vaultconfig.drivers.redis
import vaultconfig.drivers.sqlalchemy
from vaultconfig import (
    Change,
    ClientCredentials,
    Health,
    LiveSettings,
    Provenance,
    Secret,
    StaticToken,
    TokenFile,
    VaultClient,
    VaultConfigDict,
    VaultRef,
    VaultSettings,
    VaultSettingsSource,
    provenance,
)
from vaultconfig.client import Identity, SecretSummary, Subscription, WriteResult
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    SecretError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultUnavailableError,
)
from vaultconfig.fastapi import health_router, lifespan


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_prefix="APP_", vault_fallback="never")

    password: Annotated[SecretStr, "vault:shared/db#password"]
    user: Annotated[str, VaultRef("vault:shared/db#user", ttl=60)] = "app"


class ByKeywords(VaultSettings, vault_fallback="always", vault_variables={"region": "eu"}):
    region: str = "eu"


class Plain(BaseSettings):
    debug: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, VaultSettingsSource(settings_cls)


def declared() -> None:
    settings = Settings.load(_vault_environment="production")
    assert_type(settings, Settings)
    assert_type(settings.user, str)
    assert_type(provenance(settings), dict[str, Provenance])
    assert_type(provenance(settings)["user"].version, int | None)


async def declared_in_a_loop() -> None:
    assert_type(await Settings.aload(user="app"), Settings)


def told(error: UnresolvedSettingsError) -> None:
    assert_type(error.failures, tuple[SettingFailure, ...])
    assert_type(error.failures[0].variable, str | None)


def rebuild(change: Change[Settings]) -> None:
    assert_type(change.new, Settings)
    assert_type(change.versions["shared/db"], int)


def report(error: Exception) -> None: ...


live = LiveSettings(Settings)
assert_type(live.current, Settings)
assert_type(live.newest, Settings)
assert_type(live.current.password.get_secret_value(), str)
assert_type(live.health(), Health)
assert_type(live.health().next_refresh, float | None)
assert_type(live.health().expires_in, float | None)
assert_type(live.health().source, Literal["vault", "store"] | None)
live.on_change(rebuild)
live.on_change(rebuild, fields={"password"})
live.on_error(report)
assert_type(LiveSettings(Plain, debug=True).current, Plain)

with LiveSettings(Settings) as started:
    assert_type(started, LiveSettings[Settings])


def connect() -> int:
    return 1


@live.retry_once(on=(OSError, ValueError))
def fetch(query: str, *, limit: int = 1) -> list[str]:
    return [query] * limit


@live.retry_once(on=OSError)
async def fetch_later(query: str) -> list[str]:
    return [query]


def in_a_test() -> None:
    with live.override(password="x", user="y") as settings:
        assert_type(settings, Settings)


async def live_uses() -> None:
    async with LiveSettings(Settings) as entered:
        assert_type(entered, LiveSettings[Settings])
        await entered.arefresh()
    assert_type(live.load(), Settings)
    assert_type(live.catch_up(live.current), Settings)
    assert_type(live.retry_once(connect, on=OSError), int)
    assert_type(fetch("a", limit=2), list[str])
    assert_type(await fetch_later("a"), list[str])
    assert_type(await live.retry_once(lambda: fetch_later("a"), on=OSError), list[str])
    assert_type(await live.dependency(), Settings)


@asynccontextmanager
async def own(app: FastAPI) -> AsyncGenerator[dict[str, int], None]:
    yield {"pool": 1}


@asynccontextmanager
async def stateless(app: FastAPI) -> AsyncGenerator[None, None]:
    yield


class Application(FastAPI): ...


app = FastAPI(lifespan=lifespan(live))
FastAPI(lifespan=lifespan(live, own))
Application(lifespan=lifespan(live, lifespan(LiveSettings(Plain), stateless)))
app.include_router(health_router(live, details=True), prefix="/internal")


@app.get("/")
async def route(settings: Annotated[Settings, Depends(live.dependency)]) -> None:
    assert_type(await live.dependency(), Settings)


vault = vaultconfig.django.load(Settings, when_building={"password": "for-the-build"})
assert_type(vault, Settings)
assert_type(vault.password, SecretStr)
assert_type(vaultconfig.django.load(Plain, debug=True), Plain)
assert_type(vaultconfig.django.live, LiveSettings[Any])


def client_uses(client: VaultClient) -> Iterator[SecretSummary]:
    assert_type(client.whoami(), Identity)
    assert_type(client.read("shared/db"), Secret)
    assert_type(client.read("shared/db", version=1).version, int)
    paths = ["shared/db", "shared/smtp"]
    for outcome in client.read_many(paths).values():
        assert_type(outcome, Secret | SecretError | VaultUnavailableError)
    client.read_many([("shared/db", 1), "shared/db"], deadline=2.0, retry=False)
    written = client.write("shared/db", {"port": 5432}, secret_type="json", tags=["db"])
    assert_type(written, WriteResult)
    client.delete("shared/db")
    with client.subscribe(["shared/**"]) as subscription:
        assert_type(subscription, Subscription)
        subscription.ack([event.event_id for event in subscription.poll(timeout=1.0)])
    yield from client.list("shared")


with VaultClient("https://vault.example", credentials=StaticToken("token")) as client:
    assert_type(client, VaultClient)
VaultClient("https://vault.example", credentials=TokenFile("token"), tenant="t", deadline=5.0)
VaultClient(
    "https://vault.example",
    credentials=ClientCredentials(
        "id", "secret", token_url="https://login.example/token", scope="secrets:read"
    ),
)


def test_with_the_fixtures(vault: DevServer, vault_env: DevServer) -> None:
    vault_env.put("shared/db", {"password": "not-a-secret"})
    vault.fault(code="rate_limited", times=1)
    assert_type(vault.url, str)


def driver_uses() -> None:
    vaultconfig.drivers.sqlalchemy.follow(create_engine("postgresql://"), live, password="p")
    for_asyncio = create_async_engine("postgresql://")
    vaultconfig.drivers.sqlalchemy.follow(for_asyncio, live, user="u", password="p")
    connection_class = vaultconfig.drivers.psycopg.following(live, user="u", password="p")
    assert_type(connection_class, type[psycopg.Connection[TupleRow]])
    ConnectionPool("", connection_class=connection_class)
    base = psycopg.AsyncConnection[TupleRow]
    AsyncConnectionPool(
        "", connection_class=vaultconfig.drivers.psycopg.following(live, password="p", base=base)
    )
    vaultconfig.drivers.asyncpg.connector(live, user="u", password="p")
    credentials = vaultconfig.drivers.redis.Credentials(live, user="u", password="p")
    redis.Redis(credential_provider=credentials, redis_connect_func=credentials.on_connect)
