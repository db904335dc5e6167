"""``manage.py test`` on a real PostgreSQL while login and name of its database rotate."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.django.conftest import Role
from tests.django.site import DATABASE, eventually, own_site, variables
from tests.postgres import Postgres
from vaultconfig.devserver import DevServer

STOCK, OURS = "django.db.backends.postgresql", "vaultconfig.django.postgresql"
HOSTS = ("127.0.0.1", "127.0.0.9")  # nothing listens on the second one
SETTINGS = """
import multiprocessing, os
from typing import Annotated
from pydantic import BaseModel, SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

multiprocessing.set_start_method(os.environ["START_METHOD"], force=True)

class Login(BaseModel):
    name: str
    user: str
    password: SecretStr
    host: str
    port: int

class Settings(VaultSettings):
    database: Annotated[Login, "vault:environments/{environment}/site/database"]

vault = load(Settings)
SECRET_KEY = "x" * 50
USE_TZ = True
INSTALLED_APPS = ["vaultconfig.django", "django.contrib.contenttypes", "django.contrib.auth"]
ENGINE = {"ENGINE": os.environ["ENGINE"]}
DATABASES = {"default": {**ENGINE}, "replica": {**ENGINE, "TEST": {"MIRROR": "default"}}}
KEYS = {key: f"database.{key.lower()}" for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
VAULTCONFIG_DATABASES = {"default": KEYS, "replica": KEYS}
"""
TESTS = """
import os, time
from pathlib import Path
from django.contrib.auth.models import Group
from django.db import connections
from django.test import TransactionTestCase
from vaultconfig.django import live

HERE = Path(os.environ["HOME"])

def eventually(condition):
    until = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)

class Case(TransactionTestCase):
    databases = {"default", "replica"}

    def stands(self):
        found = []
        for connection in connections.all():
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_database(), current_user")
                found.append(cursor.fetchone())
        return found

    def goes_on(self):
        (database, _), _ = self.stands()
        self.assertTrue(database.startswith("test_"), database)
        if os.environ["FOLLOWS"]:
            live.current
        (HERE / f"here-{os.getpid()}").touch()
        eventually((HERE / "rotated").exists)
        if os.environ["FOLLOWS"]:
            eventually(lambda: {database["USER"] for database in connections.settings.values()}
                == {os.environ["NEXT"]})
        self.assertEqual(self.stands(), [(database, os.environ["NEXT"])] * 2)
        Group.objects.create(name="one")
        self.assertEqual(Group.objects.count(), 1)

class First(Case):
    def test_it(self):
        self.goes_on()

class Second(Case):
    def test_it(self):
        self.goes_on()
"""


class Site:
    """A project with two roles and two databases, of which the vault names the first ones."""

    def __init__(
        self, directory: Path, vault: DevServer, postgres: Postgres, roles: tuple[Role, Role]
    ) -> None:
        self.directory = directory
        self.postgres = postgres
        self.vault = vault
        self.roles = roles
        self.names = [f"site_{secrets.token_hex(4)}" for _ in roles]
        for role in roles:
            postgres.run("ALTER ROLE {} SUPERUSER", role.name)
        for name in self.names:
            postgres.run("CREATE DATABASE {}", name)
            with self.connect(name) as connection:
                connection.execute("CREATE TABLE precious AS SELECT 'untouched' AS word")
        self.publish(0)
        own_site(directory, SETTINGS, tests=TESTS)

    def connect(self, database: str) -> psycopg.Connection[tuple[str, ...]]:
        role = self.roles[1]
        return psycopg.connect(
            host="127.0.0.1",
            port=self.postgres.port,
            dbname=database,
            user=role.name,
            password=role.password,
        )

    def publish(self, number: int) -> None:
        login = {"user": self.roles[number].name, "password": self.roles[number].password}
        place = {"name": self.names[number], "host": HOSTS[number], "port": self.postgres.port}
        self.vault.put(DATABASE, login | place)

    def rotate(self) -> None:
        """Have the second role and the second database used, and the first role refused."""
        self.publish(1)
        self.postgres.run("ALTER ROLE {} NOLOGIN", self.roles[0].name)

    @contextmanager
    def testing(self, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "manage.py", "test", "project", *options],
            cwd=self.directory,
            env=variables(
                self.vault,
                self.directory,
                DJANGO_SETTINGS_MODULE="project.settings",
                HOME=str(self.directory),
                NEXT=self.roles[1].name,
                **environment,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def waiting(self) -> int:
        """Return how many processes wait for the rotation."""
        return len(list(self.directory.glob("here-*")))

    def left(self) -> set[str]:
        """Return the names of the databases that tests have left behind."""
        found = self.postgres.run("SELECT datname FROM pg_database")
        return {name for (name,) in found if "test_site_" in name}

    def content(self, name: str) -> list[tuple[str, ...]]:
        """Return what is in a real database: its tables, then the rows of ours."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        with self.connect(name) as connection:
            return [
                *connection.execute(tables).fetchall(),
                *connection.execute("SELECT word FROM precious").fetchall(),
            ]

    def remove(self) -> None:
        for name in {*self.names, *self.left()}:
            self.postgres.run("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def site(
    tmp_path: Path, vault: DevServer, postgres: Postgres, make_role: Callable[[DevServer], Role]
) -> Iterator[Site]:
    site = Site(tmp_path, vault, postgres, (make_role(vault), make_role(vault)))
    yield site
    site.remove()


@pytest.mark.parametrize(
    ("engine", "follows", "start_method", "options"),
    [
        (OURS, "", "fork", ()),
        (OURS, "", "fork", ("--parallel", "2")),
        (OURS, "1", "fork", ("--parallel", "2", "--keepdb")),
        (OURS, "", "spawn", ("--parallel", "2")),
        (STOCK, "1", "fork", ()),
    ],
    ids=["one process", "forked", "forked, kept, told of it", "spawned", "Django's engine"],
)
def test_a_rotation_in_a_test_run(
    site: Site, engine: str, follows: str, start_method: str, options: tuple[str, ...]
) -> None:
    """Tests go on in the test databases with the new login; the real ones are left as they were."""
    processes = 2 if "--parallel" in options else 1
    environment = {"ENGINE": engine, "START_METHOD": start_method, "FOLLOWS": follows}
    with site.testing(*options, **environment) as process:
        eventually(lambda: site.waiting() == processes or process.poll() is not None, seconds=60)
        before = site.left()
        site.rotate()
        (site.directory / "rotated").touch()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Ran 2 tests" in said
    assert "canary" not in said
    real = site.names[0]
    clones = {f"test_{real}_{number}" for number in (1, 2)} if processes == 2 else set()
    assert before == {f"test_{real}", *clones}
    assert site.left() == (before if "--keepdb" in options else set())
    for name in site.names:
        assert site.content(name) == [("precious",), ("untouched",)]
