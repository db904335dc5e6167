"""``vaultconfig store``: keys, and what is stored taken away; and which commands use a store."""

from __future__ import annotations

import base64
import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.conftest import CANARY, KEY, Project, only_lines
from tests.cli.test_comfort import completed
from tests.valkey import Valkey
from vaultconfig.devserver import DevServer

OTHER = base64.b64encode(b"o" * 32).decode()
USER = 'user: Annotated[str, "vault:db#user"]'
PASSWORD = "pa55-w0rd-0f-r3d1s"


def load(project: Project, **env: str) -> str:
    """Load the settings, as an application does, and return what it got."""
    with project.as_in_a_process(env):
        sys.path.insert(0, str(project.path))
        return str(import_module("app").Settings().user)


def entries(project: Project) -> list[Path]:
    """Return the files of the store, but for locks."""
    return [f for f in (project.path / "kept").rglob("*") if f.is_file() and f.name != "lock"]


class TestKeygen:
    def test_it_prints_a_key(self, project: Project) -> None:
        """32 bytes, another each time, and nothing beside it."""
        first, second = (project.run("store", "keygen") for _ in range(2))
        assert (first.code, first.err) == (0, "")
        assert first.out != second.out
        assert len(base64.b64decode(first.out, validate=False)) == 32
        assert first.out.endswith("\n")
        assert project.run("store", "keygen", "-o", "-").out.count("\n") == 1

    def test_into_a_file(self, project: Project) -> None:
        """It is the user's alone, is never overwritten, and can be used as it is."""
        ended = project.run("store", "keygen", "-o", "store.key")
        assert (ended.code, ended.out) == (0, "")
        file = project.path / "store.key"
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text()
        assert text.strip() not in ended.err
        again = project.run("store", "keygen", "-o", "store.key")
        assert again.code == 3
        assert only_lines(again)[0].startswith("Error: store.key exists, and may hold a key that")
        assert file.read_text() == text
        os.symlink("nowhere", project.path / "link")
        assert project.run("store", "keygen", "-o", "link").code == 3
        assert project.run("store", "keygen", "-o", "no/such/place").code == 3
        env = {
            "VAULTCONFIG_STORE": "file:kept",
            "VAULTCONFIG_STORE_KEY_FILE": "store.key",
            "VAULTCONFIG_APPLICATION": "shop",
        }
        assert project.run("store", "clear", env=env).code == 0

    def test_it_needs_no_connection(self, project: Project) -> None:
        """What is wrong there does not matter to it."""
        env = {"SCAIVAULT_URL": "nonsense", "VAULTCONFIG_STORE": "nonsense"}
        assert project.run("store", "keygen", env=env).code == 0


class TestClear:
    def test_what_it_removes(self, shop: Project, vault: DevServer) -> None:
        """Everything of this application, environment and server, without a token or a class."""
        load(shop)
        load(shop, VAULTCONFIG_APPLICATION="other")
        load(shop, VAULTCONFIG_ENVIRONMENT="staging")
        before, asked = len(entries(shop)), len(vault.requests)
        ended = shop.run("store", "clear", env={"SCAIVAULT_TOKEN": ""})
        assert ended.code == 0, ended.err
        place = f"file:{shop.path}/kept"
        assert only_lines(ended) == [f"{place}: 3 entries of shop in production removed"]
        assert len(entries(shop)) == before - 3
        assert len(vault.requests) == asked
        ended = shop.run("store", "clear", "-e", "staging")
        assert only_lines(ended) == [f"{place}: 3 entries of shop in staging removed"]
        again = shop.run("store", "clear")
        assert only_lines(again) == [f"{place}: 0 entries of shop in production removed"]
        shop.run("store", "clear", env={"VAULTCONFIG_APPLICATION": "other"})
        assert entries(shop) == []

    def test_all_keys(self, shop: Project) -> None:
        """What was stored under each of the keys that are set is removed."""
        load(shop)
        load(shop, VAULTCONFIG_STORE_KEY=OTHER)
        ended = shop.run("store", "clear", env={"VAULTCONFIG_STORE_KEY": f"{OTHER},{KEY}"})
        assert "6 entries" in ended.err
        assert entries(shop) == []

    def test_what_the_class_says(self, project: Project) -> None:
        """It names store, application and environment where no variable does."""
        config = 'vault_store="file:kept", vault_application="of class", vault_environment="eu"'
        project.declare(USER, config=config)
        env = {"VAULTCONFIG_STORE_KEY": KEY}
        ended = project.run("store", "clear", "app:Settings", env=env)
        told = f"file:{project.path}/kept: 0 entries of of class in eu removed"
        assert only_lines(ended) == [told]
        project.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
        assert only_lines(project.run("store", "clear", env=env)) == [told]
        env["VAULTCONFIG_STORE"] = "file:other"
        ended = project.run("store", "clear", "-e", "us", env=env)
        assert only_lines(ended) == [
            f"file:{project.path}/other: 0 entries of of class in us removed"
        ]

    @pytest.mark.parametrize(
        ("env", "told"),
        [
            ({"VAULTCONFIG_STORE": ""}, "no settings class is named"),
            ({"VAULTCONFIG_APPLICATION": ""}, "no settings class is named"),
            ({"VAULTCONFIG_STORE_KEY": ""}, "a store needs a key"),
            ({"VAULTCONFIG_STORE": "nonsense"}, "VAULTCONFIG_STORE (or vault_store in"),
            ({"VAULTCONFIG_ENVIRONMENT": "dev"}, "no store is used in dev: choose another"),
        ],
    )
    def test_what_is_wrong(self, shop: Project, env: dict[str, str], told: str) -> None:
        """It is a mistake in the configuration, with exit code 3."""
        ended = shop.run("store", "clear", env=env)
        assert ended.code == 3
        assert only_lines(ended)[0].startswith(f"Error: {told}")
        if "class" in told:
            hint = "Hint: without a class set VAULTCONFIG_STORE and VAULTCONFIG_APPLICATION"
            assert only_lines(ended)[1] == hint

    def test_a_class_without_a_store(self, shop: Project) -> None:
        """There is nothing to clear, which is said."""
        ended = shop.run("store", "clear", "app:Settings", env={"VAULTCONFIG_STORE": ""})
        assert ended.code == 3
        assert only_lines(ended) == [
            "Error: no store is configured: set VAULTCONFIG_STORE, or vault_store in the class"
        ]

    def test_a_directory_that_cannot_be_used(self, shop: Project) -> None:
        """It is exit code 6, with the reason."""
        load(shop)
        (lock,) = (shop.path / "kept").rglob("lock")
        lock.parent.chmod(0o777)
        ended = shop.run("store", "clear")
        assert ended.code == 6
        assert only_lines(ended)[0].startswith("Error: the store could not be cleared: cannot ")

    def test_a_server(self, shop: Project, tmp_path: Path) -> None:
        """Of a server too; while it is away that is exit code 6, and no password is shown."""
        with Valkey(tmp_path) as valkey:
            valkey.run("CONFIG", "SET", "requirepass", PASSWORD)
            env = {"VAULTCONFIG_STORE": f"redis://:{PASSWORD}@127.0.0.1:{valkey.port}"}
            load(shop, **env)
            ended = shop.run("store", "clear", env=env)
            place = f"redis://127.0.0.1:{valkey.port}"
            assert only_lines(ended) == [f"{place}: 3 entries of shop in production removed"]
        ended = shop.run("store", "clear", env=env)
        assert ended.code == 6
        (line,) = only_lines(ended)
        assert line.startswith("Error: the store could not be cleared: Redis at 127.0.0.1:")
        assert PASSWORD not in line


def test_completion(project: Project) -> None:
    """The commands of the group are completed, and so is the class."""
    project.declare(USER)
    assert completed(project, "store", "") == ["clear", "keygen"]
    assert completed(project, "store", "clear", "") == ["app:Settings"]


def test_what_each_command_asks(shop: Project, vault: DevServer) -> None:
    """A load takes what is stored; the commands that tell what the vault has ask the vault."""
    assert load(shop) == f"{CANARY}-user"
    vault.put("db", {"user": "rotated"})
    asked = len(vault.requests)
    assert load(shop) == f"{CANARY}-user"
    assert len(vault.requests) == asked
    rendered = shop.run("render", "app:Settings", "-o", "-")
    assert "USER=rotated\n" in rendered.out
    assert load(shop) == "rotated"  # what render has read is stored
    vault.put("db", {"user": "again"})
    assert shop.run("get", "db#user").out == "again"
    assert "\t3\t" in shop.run("check", "app:Settings").out
    assert load(shop) == "rotated"  # neither has stored anything
    shop.declare('user: Annotated[str, "vault:{environment}/db#user"]')
    for number, name in enumerate(("one", "two")):
        vault.put(f"{name}/db", {"user": f"u{number}"})
        load(shop, VAULTCONFIG_ENVIRONMENT=name)
        vault.put(f"{name}/db", {"user": "equal by now"})
    assert shop.run("diff", "one", "two", "app:Settings").out.split("\t")[1] == "same"


def test_render_while_the_vault_is_away(shop: Project, vault: DevServer) -> None:
    """It is served from the store, which a warning tells, within the deadline."""
    load(shop)
    vault.stop()
    env = {"VAULTCONFIG_DEADLINE": "5"}
    ended = shop.run_apart("render", "app:Settings", "-o", "-", env=env)
    assert ended.code == 0, ended.err
    assert f"USER={CANARY}-user\n" in ended.out
    assert "the vault is unavailable: serving 2 secret(s) read up to" in ended.err
    assert load(shop, **env) == f"{CANARY}-user"
    assert shop.run("get", "db#user", env=env).code == 6
    assert shop.run("check", "app:Settings", env=env).code == 6


def test_what_run_leaves_out(shop: Project, vault: DevServer) -> None:
    """A program does not inherit the store's address, nor its keys; its name of the application.

    The values that `run` gives it are those that are stored.
    """
    load(shop)
    vault.put("db", {"user": "rotated"})
    (shop.path / "key").write_text(KEY)
    program = (
        "import os; assert os.environ['USER'].startswith('canary');"
        "print(*sorted(n for n in os.environ if n.startswith('VAULTCONFIG_')))"
    )
    line = ("run", "app:Settings", "--", "python", "-c", program)
    env = {"VAULTCONFIG_STORE_KEY": "", "VAULTCONFIG_STORE_KEY_FILE": "key"}
    for more in ({}, env):
        assert shop.run_apart(*line, env=more).out.split() == ["VAULTCONFIG_APPLICATION"]
