"""Logins that follow the vault in place: `VAULTCONFIG_DATABASES`, connections, pools."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.django.conftest import Role
from tests.django.site import own_site, python, variables
from tests.postgres import Postgres
from vaultconfig.devserver import DevServer

SETTINGS = """
import os
from typing import Annotated
from pydantic import BaseModel, SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

{head}
class Login(BaseModel):
    user: str
    password: {password}
    port: int = 5432
    name: str = "a"
    host: str = "a.internal"

class Settings(VaultSettings):
    database: Annotated[{database}, "vault:environments/{{environment}}/site/database"]

vault = load(Settings)
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["vaultconfig.django"]
DATABASES = {{
    "default": {{
        "ENGINE": {engine!r}, "NAME": "postgres", "HOST": "127.0.0.1", "OPTIONS": {options},
        "PORT": os.environ.get("PORT", ""),
    }},
    "other": {{
        "ENGINE": {other!r}, "NAME": "postgres", "HOST": "127.0.0.1", "USER": "nobody",
        "PORT": os.environ.get("PORT", ""),
    }},
}}
VAULTCONFIG_DATABASES = {mapping}
"""
LOGIN = {"default": {"USER": "database.user", "PASSWORD": "database.password"}}
STOCK, OURS = "django.db.backends.postgresql", "vaultconfig.django.postgresql"
SQLITE = "django.db.backends.sqlite3"
USUAL = {
    "engine": SQLITE,
    "other": SQLITE,
    "options": {},
    "mapping": LOGIN,
    "database": "Login",
    "password": "SecretStr",
    "head": "",
}
START = """
import json, os, sys, threading, time, django
django.setup()
from django.db import connection, connections
from vaultconfig.django import live

def write(password, **more):
    import httpx
    httpx.put(
        os.environ["SCAIVAULT_URL"] + "/v1/secrets/environments/production/site/database",
        headers={"Authorization": "Bearer " + os.environ["SCAIVAULT_TOKEN"]},
        json={"data": {"user": os.environ.get("ROLE", "me"), "password": password, **more}},
    ).raise_for_status()

def eventually(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)

def meet():
    print("here", flush=True)
    sys.stdin.readline()

def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]
"""


class Script:
    """A process that meets its test somewhere."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._before = ""

    def meet(self) -> None:
        """Return once the process waits at ``meet()``."""
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != "here\n":
            assert line, self._process.communicate()[1]
            self._before += line

    def goes_on(self) -> str:
        """Let it go on to its end, and return all that it has printed."""
        out, err = self._process.communicate("go\n", timeout=40)
        assert self._process.returncode == 0, err
        assert "canary" not in out + err
        return self._before + out


class Site:
    def __init__(self, directory: Path, vault: DevServer) -> None:
        self.directory = directory
        self.environment = variables(vault, directory, DJANGO_SETTINGS_MODULE="project.settings")

    def write(self, **parts: object) -> None:
        """Write the project; *parts* stand in the braces of its settings."""
        own_site(self.directory, SETTINGS.format(**(USUAL | parts)))

    def run(self, code: str, **environment: str) -> str:
        done = python(
            *("-c", START + code),
            environment=self.environment | environment,
            directory=self.directory,
        )
        assert done.returncode == 0, done.stderr
        assert "canary" not in done.stderr
        return done.stdout

    def refusal(self, mapping: object) -> str:
        """Return the last line that is printed with a mapping that is wrong."""
        self.write(mapping=mapping)
        done = python("manage.py", "check", environment=self.environment, directory=self.directory)
        assert done.returncode != 0
        assert "canary" not in done.stderr
        return done.stderr.splitlines()[-1]

    @contextmanager
    def running(self, code: str, **environment: str) -> Iterator[Script]:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", START + code],
            cwd=self.directory,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Script(process)
            finally:
                process.kill()


@pytest.fixture
def site(tmp_path: Path, vault: DevServer) -> Site:
    vault.put("environments/production/site/database", {"user": "me", "password": "canary-1"})
    return Site(tmp_path, vault)


def test_settings_are_taken_up_at_load_and_on_change(site: Site) -> None:
    """Connections of all threads share what is edited; SecretStr is unwrapped, print shows none."""
    site.write()
    code = """
found = []
mine = connections["default"].settings_dict
found.append([mine["USER"], str(mine["PASSWORD"])])
write("canary-2")
live.refresh()
eventually(lambda: mine["PASSWORD"] != "canary-1")
found.append([mine["USER"], str(mine["PASSWORD"])])
other = []
thread = threading.Thread(target=lambda: other.append(connections["default"].settings_dict))
thread.start(); thread.join()
found.append([other[0] is mine, repr(mine["PASSWORD"]) == repr("*" * 10)])
print(json.dumps(found))
"""
    assert json.loads(site.run(code)) == [["me", "canary-1"], ["me", "canary-2"], [True, True]]


@pytest.mark.parametrize("options", [{}, {"pool": {"min_size": 1, "timeout": 15}}])
@pytest.mark.parametrize("engine", [STOCK, OURS])
def test_the_next_login_has_the_new_password(
    site: Site,
    make_role: Callable[..., Role],
    vault: DevServer,
    postgres: Postgres,
    engine: str,
    options: object,
) -> None:
    """After a refresh with either engine, and with ours before one, too."""
    role = make_role(vault)
    site.write(engine=engine, options=options)
    code = """
print(query())
connection.close()
meet()
if "REFRESH" in os.environ:
    live.refresh()
    password = live.current.database.password.get_secret_value()
    of_pool = lambda: connection.pool.kwargs if connection.pool else {"password": password}
    eventually(lambda: connection.settings_dict["PASSWORD"] == of_pool()["password"] == password)
if connection.pool:
    connection.pool.drain()
print(query())
connection.close()
connection.close_pool()
"""
    more = {"REFRESH": "1"} if engine == STOCK else {}
    with site.running(code, PORT=str(postgres.port), ROLE=role.name, **more) as process:
        process.meet()
        role.put()
        role.alter()
        assert process.goes_on() == f"{role.name}\n" * 2


def test_a_rejected_login_that_the_vault_can_not_fix(
    site: Site, make_role: Callable[..., Role], vault: DevServer, postgres: Postgres
) -> None:
    """Django's error comes through after one question to the vault, and no frame has a password."""
    role = make_role(vault)
    site.write(engine=OURS)
    role.renew()
    role.alter()
    code = """
import traceback
from django.db import OperationalError
try:
    query()
except OperationalError as error:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    print("".join(shown.format()))
"""
    told = site.run(code, PORT=str(postgres.port), ROLE=role.name)
    assert "password authentication failed" in told
    assert "canary" not in told
    assert [r.method for r in vault.requests if r.path.startswith("/v1/secrets")] == ["GET"] * 2


def test_a_refusal_while_the_vault_is_away(
    site: Site, make_role: Callable[..., Role], vault: DevServer, postgres: Postgres
) -> None:
    """Django's own error comes through, not one about the vault."""
    role = make_role(vault)
    site.write(engine=OURS)
    code = """
from django.db import OperationalError
meet()
try:
    query()
except OperationalError as error:
    print(error)
"""
    deadline = {"VAULTCONFIG_DEADLINE": "1"}
    with site.running(code, PORT=str(postgres.port), ROLE=role.name, **deadline) as process:
        process.meet()
        role.renew()
        role.alter()
        vault.stop()
        assert "password authentication failed" in process.goes_on()


def test_only_what_came_from_the_vault_is_written(site: Site) -> None:
    """What others put in its place stays; copies under other names follow; some may have gone."""
    names = {"NAME": "database.name", "HOST": "database.host"}
    site.write(mapping={"default": {**LOGIN["default"], **names}}, other=SQLITE)
    code = """
import copy, pickle
databases = connections.settings
default = databases["default"]
databases["tenant"] = {**copy.deepcopy(default), "NAME": "tenant"}
databases["worker"] = pickle.loads(pickle.dumps(default))
default["NAME"] = "test_" + default["NAME"]
default["USER"] = "changed"
del databases["other"]
write("canary-2", name="b", host="b.internal", user="you")
live.refresh()
eventually(lambda: {str(database["PASSWORD"]) for database in databases.values()} == {"canary-2"})
print(json.dumps({
    alias: [str(database[key]) for key in ("NAME", "HOST", "USER", "PASSWORD")]
    for alias, database in databases.items()
}))
"""
    assert json.loads(site.run(code)) == {
        "default": ["test_a", "a.internal", "changed", "canary-2"],
        "tenant": ["tenant", "a.internal", "you", "canary-2"],
        "worker": ["b", "b.internal", "you", "canary-2"],
    }


def test_threads_out_of_order_leave_the_newest(site: Site) -> None:
    """A thread that still holds an older snapshot writes it, notices, and writes the newest."""
    site.write(password="Annotated[object, AfterValidator(Slow)]", head=SLOW)
    code = """
from project.settings import Slow
from vaultconfig.django import databases
late = threading.Thread(target=databases.follow_all)
Slow.holds = late
late.start()
assert Slow.entered.wait(20)
write("canary-2")
live.refresh()
databases.follow_all()
Slow.go_on.set()
late.join()
print(connections.settings["default"]["PASSWORD"])
"""
    assert site.run(code) == "canary-2\n"


SLOW = """
import threading
from pydantic import AfterValidator

class Slow:
    holds, entered, go_on = None, threading.Event(), threading.Event()

    def __init__(self, text):
        self.text = text

    def __str__(self):
        if threading.current_thread() is self.holds and not self.entered.is_set():
            self.entered.set()
            assert self.go_on.wait(20)
        return self.text
"""


def test_a_receiver_that_hangs_holds_no_login_back(site: Site) -> None:
    """Each request brings the databases up to date, whatever became of the listeners."""
    site.write()
    code = """
from django.core.signals import request_started
from vaultconfig.django import vault_refreshed
reached = threading.Event()

def hangs(**_):
    reached.set()
    threading.Event().wait()

vault_refreshed.connect(hangs)
write("canary-2")
threading.Thread(target=live.refresh, daemon=True).start()
assert reached.wait(20)
write("canary-3")
live.refresh()
request_started.send(None)
print(connections.settings["default"]["PASSWORD"])
"""
    assert site.run(code) == "canary-3\n"


def test_secrets_of_every_type_are_revealed(site: Site, vault: DevServer) -> None:
    """No database is asked to let asterisks in."""
    kinds = {"USER": "SecretBytes", "HOST": "Secret[str]", "NAME": "bytes", "PASSWORD": "str"}
    login = {key.lower(): f"canary-{kind}" for key, kind in kinds.items()}
    vault.put("environments/production/site/database", login)
    fields = "".join(f"    {key.lower()}: {kind}\n" for key, kind in kinds.items())
    site.write(
        database="Typed",
        head=f"from pydantic import Secret, SecretBytes\nclass Typed(BaseModel):\n{fields}",
        mapping={"default": {key: f"database.{key.lower()}" for key in kinds}},
    )
    code = "print(json.dumps({k: str(v) for k, v in connections.settings['default'].items()}))"
    found = json.loads(site.run(code))
    assert {key: found[key] for key in kinds} == {k: f"canary-{kind}" for k, kind in kinds.items()}


def test_a_field_that_holds_many_values(site: Site) -> None:
    """A mapping is not written into a login, and its keys are no fields."""
    names = {"USER": "database", "PASSWORD": "database.password", "HOST": "database.absent"}
    site.write(mapping={"default": names}, database="dict[str, str]")
    done = python("manage.py", "check", environment=site.environment, directory=site.directory)
    for name in names.values():
        assert f"{name} is not a single value: name a field that is one" in done.stderr
    assert "canary" not in done.stderr


def test_a_copied_connection_has_a_second_try(
    site: Site, make_role: Callable[..., Role], vault: DevServer, postgres: Postgres
) -> None:
    """Its settings are a dictionary of its own, which follows as well."""
    role = make_role(vault)
    site.write(engine=OURS)
    code = """
copied = connection.copy()
meet()
with copied.cursor() as cursor:
    cursor.execute("SELECT current_user")
    print(cursor.fetchone()[0])
copied.close()
with connection._nodb_cursor() as cursor:
    cursor.execute("SELECT current_database()")
    print(cursor.fetchone()[0])
"""
    with site.running(code, PORT=str(postgres.port), ROLE=role.name) as process:
        process.meet()
        role.put()
        role.alter()
        assert process.goes_on() == f"{role.name}\npostgres\n"


def test_a_database_that_does_not_follow_asks_nothing(
    site: Site, make_role: Callable[..., Role], vault: DevServer, postgres: Postgres
) -> None:
    """A rejected login beside the vault's is an error at once, without a read."""
    role = make_role(vault)
    site.write(engine=OURS, other=OURS)
    code = """
from django.db import OperationalError
try:
    connections["other"].ensure_connection()
except OperationalError as error:
    print(error)
"""
    more = {"PORT": str(postgres.port), "ROLE": role.name, "PGPASSWORD": "wrong"}
    assert "password authentication failed" in site.run(code, **more)
    assert len([r for r in vault.requests if r.path.startswith("/v1/secrets")]) == 1


def test_all_mistakes_in_the_mapping_are_told_at_once(site: Site) -> None:
    """Django does not start, in plain words with the places and a number."""
    wrong = {"PASS": "database.password", "NAME": 1, "USER": "database.word", "HOST": "database"}
    last = site.refusal({"absent": {"PASSWORD": "db"}, "default": wrong})
    assert "(vaultconfig.E001)" in last
    for words in (
        "names 'absent', which is not in DATABASES",
        "['PASSWORD']: Settings has no field 'db': it has database",
        "['PASS']: only NAME, USER, PASSWORD, HOST, PORT can come from the vault",
        "['NAME']: give the dotted name of a field",
        "['USER']: Login has no field 'word': it has user",
        "['HOST']: database is a Login: name one of its fields",
    ):
        assert words in last


@pytest.mark.parametrize("mapping", [["default"], {"default": "database.password"}])
def test_a_mapping_of_the_wrong_type(site: Site, mapping: object) -> None:
    """The message says so, instead of a traceback of ours."""
    assert "is not a mapping" in site.refusal(mapping)
