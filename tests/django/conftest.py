"""A vault that holds what the example project needs, a PostgreSQL, and roles in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.django.site import DATABASE, WEB, variables
from tests.postgres import Postgres
from vaultconfig.devserver import DevServer

SECRET_KEY = "canary-secret-key-" + "k" * 50


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@dataclass
class Role:
    """A role of PostgreSQL whose login is in a vault."""

    name: str
    postgres: Postgres
    vault: DevServer
    path: str = DATABASE
    password: str = ""

    def renew(self) -> None:
        """Think of a fresh password, which nobody knows yet."""
        self.password = f"canary-{secrets.token_urlsafe(12)}"

    def publish(self) -> None:
        """Write the password into the vault."""
        self.vault.put(self.path, {"user": self.name, "password": self.password})

    def put(self) -> None:
        """Write a fresh password into the vault."""
        self.renew()
        self.publish()

    def alter(self) -> None:
        """Let the server ask for the password that is in the vault."""
        self.postgres.run("ALTER ROLE {} PASSWORD {word}", self.name, word=self.password)

    def drop_connections(self) -> int:
        """Cut off all connections, and return how many there were."""
        dropped = self.postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {name}",
            name=self.name,
        )
        return len(dropped)

    def refused(self) -> int:
        """Return how many logins of this role the server has refused."""
        line = f'password authentication failed for user "{self.name}"'
        return self.postgres.log.count(line)

    def connections(self) -> set[int]:
        found = self.postgres.run(
            "SELECT pid FROM pg_stat_activity WHERE usename = {name}", name=self.name
        )
        return {pid for (pid,) in found}


@pytest.fixture
def site_vault(vault: DevServer) -> DevServer:
    """A vault with what the example needs to start."""
    vault.put(WEB, {"secret_key": SECRET_KEY, "signing_key": "canary-signing-1"})
    return vault


@pytest.fixture
def make_role(postgres: Postgres) -> Iterator[Callable[..., Role]]:
    """Make roles that can log in, with their logins in a vault."""
    made: list[Role] = []

    def make(vault: DevServer, path: str = DATABASE) -> Role:
        role = Role(f"role_{secrets.token_hex(4)}", postgres, vault, path)
        postgres.run("CREATE ROLE {} LOGIN", role.name)
        made.append(role)
        role.put()
        role.alter()
        return role

    yield make
    for role in made:
        role.drop_connections()
        postgres.run("DROP ROLE {}", role.name)


@pytest.fixture
def sqlite(site_vault: DevServer, tmp_path: Path) -> dict[str, str]:
    """The environment of the example with SQLite."""
    return variables(
        site_vault, tmp_path, HOME=str(tmp_path), SITE_SQLITE=str(tmp_path / "db.sqlite3")
    )


@pytest.fixture
def on_postgres(tmp_path: Path, postgres: Postgres) -> Callable[..., dict[str, str]]:
    """Make environments of the example with PostgreSQL."""

    def make(vault: DevServer, **more: str) -> dict[str, str]:
        return variables(
            vault,
            tmp_path,
            HOME=str(tmp_path),
            DJANGO_SETTINGS_MODULE="project.settings_postgresql",
            SITE_DATABASE_PORT=str(postgres.port),
            SITE_DATABASE_NAME="postgres",
            **more,
        )

    return make
