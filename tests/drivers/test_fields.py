"""Which fields a login can follow, and what a driver is given of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any

import psycopg
import pytest
import redis.asyncio
import sqlalchemy
from pydantic import SecretBytes, SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from tests.drivers.rig import FIELDS, AclUser, Live, Role
from tests.live.rig import reads
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.drivers.asyncpg import connector
from vaultconfig.drivers.login import Login
from vaultconfig.drivers.psycopg import following
from vaultconfig.drivers.redis import Credentials
from vaultconfig.drivers.sqlalchemy import follow
from vaultconfig.errors import ConfigurationError

NOWHERE = "postgresql+psycopg://127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("database.pasword", "has no field 'pasword': it has user, password (did you mean passw"),
        ("databse.password", "Settings has no field 'databse': it has database (did you mean data"),
        ("", "Settings has no field '': it has database"),
        ("database", "database is a Account: name one of its fields"),
        ("database.password.x", "database.password.x is not a single value"),
        (None, "not a value of type NoneType"),
    ],
)
@pytest.mark.parametrize(
    "follow",
    [
        lambda *a, **k: follow(sqlalchemy.create_engine(NOWHERE), *a, **k),
        following,
        connector,
        Credentials,
    ],
)
def test_a_wrong_name_is_told_when_it_is_given(
    live: Live, follow: Callable[..., object], name: Any, told: str
) -> None:
    """Before any connection, and before the settings are loaded."""
    with pytest.raises(ConfigurationError) as raised:
        follow(live, password=name)
    assert told in str(raised.value)


def test_a_list_that_may_be_none() -> None:
    """A collection is one in a union, too, and is rejected before anything is loaded."""

    class Hosts(VaultSettings):
        hosts: list[str] | None = None

    with pytest.raises(ConfigurationError, match="hosts is not a single value"):
        following(LiveSettings(Hosts), password="hosts")


def test_redis_in_asyncio_needs_the_other_function(acl_user: AclUser, live: Live) -> None:
    """on_connect would leave its connection without a login: it says what to write instead."""
    live.start()
    credentials = Credentials(live, **FIELDS)

    async def ping() -> None:
        async with redis.asyncio.Redis(
            port=acl_user.server.port,
            credential_provider=credentials,
            redis_connect_func=credentials.on_connect,
        ) as client:
            await client.get("key")

    with pytest.raises(ConfigurationError, match=r"takes .*=credentials\.on_connect_async"):
        asyncio.run(ping())


def test_only_live_settings_are_followed() -> None:
    """A snapshot would never rotate."""
    with pytest.raises(ConfigurationError, match="takes live settings: write live"):
        following(object(), password="password")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "engine",
    [
        lambda: sqlalchemy.create_engine(NOWHERE, creator=psycopg.connect),
        lambda: create_async_engine(NOWHERE, async_creator=psycopg.AsyncConnection.connect),
        lambda: sqlalchemy.create_engine(NOWHERE, pool=sqlalchemy.NullPool(psycopg.connect)),
    ],
    ids=["creator", "async_creator", "pool"],
)
def test_an_engine_that_connects_its_own_way(live: Live, engine: Callable[[], Any]) -> None:
    """SQLAlchemy never asks how; silence would mean that nothing rotates."""
    with pytest.raises(ConfigurationError, match="creator"):
        follow(engine(), live, password="database.password")


class Kind(str, Enum):  # noqa: UP042 - its str() is not its value
    OWNER = "owner"


class Typed(VaultSettings):
    secret: Annotated[SecretStr, "vault:typed#text"]
    octets: Annotated[SecretBytes, "vault:typed#text"]
    masked: Annotated[Any, "vault:typed#text"]
    number: Annotated[int, "vault:typed#number"]
    kind: Annotated[Kind, "vault:typed#kind"]
    absent: str | None = None
    many: Annotated[Any, "vault:typed#many"]
    binary: bytes = b"\xff\xfe-canary"


@pytest.fixture
def typed(vault: DevServer) -> Any:
    vault.put("typed", {"text": "päss", "number": 5, "kind": "owner", "many": ["canary"]})
    with LiveSettings(Typed) as live:
        yield live


def test_values_are_exact_texts(typed: Any) -> None:
    """asyncpg takes no subclass of `str`; what is None is left to the driver."""
    names = ["secret", "octets", "masked", "number", "kind", "absent"]
    login = Login.following(typed, password="secret", **{name: name for name in names})
    values = login.values()
    assert {type(value) for value in values.values()} == {str}
    assert values == dict.fromkeys(names[:3], "päss") | {
        "password": "päss",
        "number": "5",
        "kind": "owner",
    }


@pytest.mark.parametrize("name", ["many", "binary"])
def test_a_value_that_is_no_text(typed: Any, name: str) -> None:
    """The class could not tell; the login does, and shows nothing of it."""
    login = Login.following(typed, password=name)
    with pytest.raises(ConfigurationError, match=f"{name} is not a single value, or not in UTF-8"):
        login.log_in(lambda values: values)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql+mysqldb://h/db", {"user": "päss", "passwd": "5"}),
        ("mssql+pyodbc://h/db?driver=x", "UID=päss;PWD=5"),
    ],
)
def test_drivers_differ_in_their_words(typed: Any, url: str, expected: Any) -> None:
    """A keyword of another name, or a part of a text; what else was given stays."""
    given: list[Any] = []

    def connect(*place: Any, **named: Any) -> None:
        given.extend((*place, named))
        raise KeyError

    names = {"paramstyle": "qmark", "version": "5.0.0", "version_info": (2, 0), "Cursor": object}
    errors = dict.fromkeys(("Error", "OperationalError", "ProgrammingError"), OSError)
    module = SimpleNamespace(connect=connect, **names, **errors)
    engine = sqlalchemy.create_engine(url, module=module, connect_args={"mine": 1})
    follow(engine, typed, user="secret", password="number")
    with pytest.raises(KeyError):
        engine.connect()
    assert given[-1]["mine"] == 1
    if isinstance(expected, dict):
        assert expected.items() <= given[-1].items()
    else:
        assert expected in given[0]


def test_a_change_of_another_field_does_not_count(vault: DevServer, typed: Any) -> None:
    """Newer settings with the same login do not explain the rejection: the vault is asked."""
    login = Login.following(typed, password="secret")
    used: list[str] = []

    def connect(values: Any) -> str:
        used.append(values["password"])
        if len(used) == 1:
            vault.put("typed", {"text": "päss", "number": 6, "kind": "owner", "many": []})
            typed.refresh()  # of somebody else, before the login rotates
            vault.put("typed", {"text": "new", "number": 6, "kind": "owner", "many": []})
            raise LookupError
        return "in"

    assert login.log_in(connect) == "in"
    assert used == ["päss", "new"]
    assert len(reads(vault)) == 3


def test_a_login_counts_as_a_read(role: Role, live: Live) -> None:
    """A forked worker that only ever connects begins to refresh all the same."""
    live.load()
    assert live._worker is None
    following(live, user="database.user", password="database.password").connect(role.dsn).close()
    assert live._worker is not None


def test_where_the_system_has_no_more_threads(
    vault: DevServer, live: Live, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task gets the driver's own error, and not that of the thread."""
    live.start()

    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def reject(_: object) -> None:
        monkeypatch.setattr("threading.Thread.start", no_thread)
        raise LookupError

    login = Login.following(live, password="database.password")
    with pytest.raises(LookupError):
        asyncio.run(login.alog_in(reject))
    monkeypatch.undo()
