"""Databases whose logins rotate, and crowds that query them meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BaseModel, SecretStr

from tests.live.rig import LONG, eventually, reads
from tests.postgres import Postgres
from tests.valkey import Valkey
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer

ROTATIONS: Final = 10
FIELDS: Final = {"user": "database.user", "password": "database.password"}


class Account(BaseModel):
    user: str
    password: SecretStr


class Settings(VaultSettings):
    database: Annotated[Account, "vault:app/database"]


Live = LiveSettings[Settings]


@dataclass
class Database:
    """A server with one account, which is in a vault, too; each server has its own subclass."""

    server: Any
    vault: DevServer
    user: str = ""
    password: str = ""

    @property
    def dsn(self) -> str:
        """Where it is, without a login."""
        raise NotImplementedError

    def begin(self) -> None:
        self.user = f"user_{secrets.token_hex(4)}"
        self.password = f"canary-{secrets.token_urlsafe(12)}"
        self.create()
        self.publish()

    def publish(self) -> None:
        self.vault.put("app/database", {"user": self.user, "password": self.password})

    def rotate_password(self) -> None:
        """The vault first, then the server: there is no moment without a valid login."""
        self.password = f"canary-{secrets.token_urlsafe(12)}"
        self.publish()
        self.alter()

    def rotate_user(self) -> None:
        """The next user is there before the last one goes, with all its connections."""
        last = self.user
        self.begin()
        self.lock(last)
        self.cut(last)

    def spoil(self) -> None:
        """Let the server ask for what the vault does not have."""
        self.password = f"canary-{secrets.token_urlsafe(12)}"
        self.alter()
        self.cut(self.user)

    def create(self) -> None: ...
    def alter(self) -> None: ...
    def lock(self, user: str) -> None: ...
    def cut(self, user: str) -> None: ...


class Role(Database):
    """A role of PostgreSQL."""

    server: Postgres

    @property
    def dsn(self) -> str:
        return f"postgresql://127.0.0.1:{self.server.port}/postgres"

    def create(self) -> None:
        self.server.run("CREATE ROLE {} LOGIN PASSWORD {word}", self.user, word=self.password)

    def alter(self) -> None:
        self.server.run("ALTER ROLE {} PASSWORD {word}", self.user, word=self.password)

    def lock(self, user: str) -> None:
        self.server.run("ALTER ROLE {} NOLOGIN", user)

    def cut(self, user: str) -> None:
        self.server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {user}",
            user=user,
        )


class AclUser(Database):
    """A user of Valkey."""

    server: Valkey

    @property
    def dsn(self) -> str:
        return f"redis://127.0.0.1:{self.server.port}"

    def create(self) -> None:
        self.server.run("ACL", "SETUSER", self.user, "on", f">{self.password}", "+@all", "~*")

    def alter(self) -> None:
        self.server.run("ACL", "SETUSER", self.user, "resetpass", f">{self.password}")

    def lock(self, user: str) -> None:
        self.server.run("ACL", "DELUSER", user)  # which cuts its connections

    def cut(self, user: str) -> None:
        if user == self.user:
            self.server.run("CLIENT", "KILL", "USER", user)


@dataclass
class Generation:
    """Which connections are old: those that do not have this number."""

    number: int = 0

    def renew(self) -> None:
        self.number += 1

    async def arenew(self) -> None:
        self.number += 1


@dataclass
class Crowd:
    """Queries without end, and what came of them."""

    by_member: Counter[int] = field(default_factory=Counter)
    failures: list[BaseException] = field(default_factory=list)
    is_over: bool = False

    def has_gone_on(self) -> Callable[[], bool]:
        """Return whether each member has had its turn since, so that none is a rotation behind."""
        before = self.by_member.copy()
        return lambda: all(self.by_member[one] >= before[one] + 3 for one in before)

    def refused(self) -> list[str]:
        """Return the failures that are rejected logins."""
        told = [f"{type(error).__name__}: {error}" for error in self.failures]
        return [line for line in told if any(words in line for words in REFUSED)]


REFUSED: Final = ("authentication", "not permitted", "username-password", "Authentication")


@contextmanager
def threads(query: Callable[[], object], *, number: int = 8) -> Iterator[Crowd]:
    """Query from so many threads."""
    crowd = Crowd(Counter(dict.fromkeys(range(number), 0)))

    def go_on(member: int) -> None:
        while not crowd.is_over:
            try:
                query()
            except Exception as error:
                crowd.failures.append(error)
            else:
                crowd.by_member[member] += 1

    members = [threading.Thread(target=go_on, args=[member]) for member in range(number)]
    for member in members:
        member.start()
    try:
        yield crowd
    finally:
        crowd.is_over = True
        for member in members:
            member.join(LONG)


def rotate_under(crowd: Crowd, database: Database, recycle: Callable[[], object]) -> None:
    """Rotate the password, then the user, ten times each; each reads the vault twice at most.

    Nothing fails while *recycle* has connections replaced; where the server cuts them, no login.
    """
    for rotate, renew in ((database.rotate_password, recycle), (database.rotate_user, int)):
        for _ in range(ROTATIONS):
            asked = len(reads(database.vault))
            rotate()
            renew()
            eventually(crowd.has_gone_on())
            assert len(reads(database.vault)) <= asked + 2
        failures = crowd.failures if rotate == database.rotate_password else crowd.refused()
        assert not failures, failures[:3]


async def rotate_under_tasks(
    database: Database,
    query: Callable[[], Awaitable[object]],
    recycle: Callable[[], Coroutine[Any, Any, object]],
) -> None:
    """Do so while fifty tasks query; another thread rotates."""
    crowd = Crowd(Counter(dict.fromkeys(range(50), 0)))
    loop = asyncio.get_running_loop()

    async def go_on(member: int) -> None:
        while not crowd.is_over:
            try:
                await query()
            except Exception as error:
                crowd.failures.append(error)
                await asyncio.sleep(0)
            else:
                crowd.by_member[member] += 1

    def recycle_in_loop() -> None:
        asyncio.run_coroutine_threadsafe(recycle(), loop).result(LONG)

    async with asyncio.TaskGroup() as group:
        for member in range(50):
            group.create_task(go_on(member))
        try:
            await asyncio.to_thread(rotate_under, crowd, database, recycle_in_loop)
        finally:
            crowd.is_over = True
