"""Uses of the public names that a type checker has to understand; never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, assert_type

from fastapi import Depends, FastAPI
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from vaultconfig import Change, Health, LiveSettings, VaultSettings
from vaultconfig.fastapi import health_router, lifespan


class Settings(VaultSettings):
    password: Annotated[SecretStr, "vault:shared/db#password"]


class Plain(BaseSettings):
    debug: bool = False


def rebuild(change: Change[Settings]) -> None:
    assert_type(change.new, Settings)
    assert_type(change.versions["shared/db"], int)


def report(error: Exception) -> None: ...


live = LiveSettings(Settings)
assert_type(live.current, Settings)
assert_type(live.current.password.get_secret_value(), str)
assert_type(live.health(), Health)
assert_type(live.health().next_refresh, float | None)
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


async def uses() -> None:
    assert_type(live.retry_once(connect, on=OSError), int)
    assert_type(fetch("a", limit=2), list[str])
    assert_type(await fetch_later("a"), list[str])
    assert_type(await live.retry_once(lambda: fetch_later("a"), on=OSError), list[str])
    assert_type(await live.dependency(), Settings)


@asynccontextmanager
async def own(app: FastAPI) -> AsyncIterator[dict[str, int]]:
    yield {"pool": 1}


@asynccontextmanager
async def stateless(app: FastAPI) -> AsyncIterator[None]:
    yield


class Application(FastAPI): ...


app = FastAPI(lifespan=lifespan(live))
FastAPI(lifespan=lifespan(live, own))
Application(lifespan=lifespan(live, lifespan(LiveSettings(Plain), stateless)))
app.include_router(health_router(live, details=True), prefix="/internal")


@app.get("/")
async def route(settings: Annotated[Settings, Depends(live.dependency)]) -> None:
    assert_type(await live.dependency(), Settings)
