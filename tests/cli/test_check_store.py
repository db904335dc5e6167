"""What ``vaultconfig check`` says of the store: whether it can be used, and why not."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CANARY, KEY, Project, only_lines
from tests.cli.test_check import USER, findings, kinds
from tests.cli.test_store import OTHER, PASSWORD, load
from tests.valkey import Valkey
from vaultconfig.cli.checking.findings import StoreFinding
from vaultconfig.devserver import DevServer


@pytest.fixture
def valkey(shop: Project, tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as valkey:
        valkey.run("ACL", "SETUSER", "shop", "on", f">{PASSWORD}", "+@all", "~*")
        address = f"redis://shop:{PASSWORD}@127.0.0.1:{valkey.port}"
        shop.environ["VAULTCONFIG_STORE"] = address
        yield valkey


def tree(directory: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in directory.rglob("*") if f.is_file()}


def test_a_directory(shop: Project) -> None:
    """It says what the store has; where there is nothing yet, nothing is made."""
    place = f"file:{shop.path}/kept"
    assert findings(shop, code=0).store == StoreFinding(place, "ok", has=0, of=2)
    assert not (shop.path / "kept").exists()
    load(shop)
    before = tree(shop.path / "kept")
    assert findings(shop, code=0).store == StoreFinding(place, "ok", has=2, of=2)
    assert tree(shop.path / "kept") == before
    lines = only_lines(shop.run("check", "app:Settings"))
    assert f"Store: {place} can be used, and has 2 of 2 secrets" in lines
    shown = "Reads a minute: 0.47 for all processes together that share the store; the limit is 1,0"
    assert shown in lines[-2]


@pytest.mark.parametrize(
    "env",
    [
        {"VAULTCONFIG_STORE_KEY": OTHER},
        {"VAULTCONFIG_APPLICATION": "other"},
        {"VAULTCONFIG_ENVIRONMENT": "staging"},
    ],
)
def test_what_is_not_ours(shop: Project, env: dict[str, str]) -> None:
    """Another key, application or environment finds nothing; with both keys it is found."""
    load(shop)
    found = findings(shop, code=0, **env)
    assert found.store is not None
    assert (found.store.status, found.store.has) == ("ok", 0)
    found = findings(shop, code=0, VAULTCONFIG_STORE_KEY=f"{OTHER},{KEY}")
    assert found.store is not None
    assert found.store.has == 2


def foreign(kept: Path) -> None:
    for scope in kept.iterdir():
        scope.chmod(0o777)


def a_file(kept: Path) -> None:
    kept.rename(kept.with_name("before"))
    kept.write_text("")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(foreign, "others can write to"), (a_file, "Not a directory")],
)
def test_a_directory_that_cannot_be_used(
    shop: Project, spoil: Callable[[Path], Any], told: str
) -> None:
    """It is a warning with the reason, since a start does without it."""
    load(shop)
    spoil(shop.path / "kept")
    found = findings(shop, code=0)
    (problem,) = found.problems
    assert (problem.severity, problem.kind) == ("warning", "store")
    assert "can't be used, and a start does without it: cannot " in problem.message
    assert told in problem.message
    place = f"file:{shop.path}/kept"
    assert found.store == StoreFinding(place, "unavailable", has=0, of=2)
    lines = only_lines(shop.run("check", "app:Settings"))
    assert f"Store: {place} can't be used" in lines
    assert (
        "Reads a minute: 0.47 a process with live settings; the vault's limit of 1,000" in lines[-2]
    )
    load(shop)


def test_a_directory_that_cannot_be_made(shop: Project) -> None:
    """It is a warning before the first start."""
    (shop.path / "link").symlink_to("nowhere")
    (problem,) = findings(shop, code=0, VAULTCONFIG_STORE="file:link/x").problems
    assert "link/x can't be made or written to: give it to this user" in problem.message
    if os.geteuid() != 0:
        shop.write("closed/x", "")
        (shop.path / "closed").chmod(0o500)
        assert kinds(findings(shop, code=0, VAULTCONFIG_STORE="file:closed/y")) == ["store"]


def test_a_server(shop: Project, valkey: Valkey) -> None:
    """It is written to as well, leaves nothing, and its password is not shown."""
    place = f"redis://127.0.0.1:{valkey.port}"
    assert findings(shop, code=0).store == StoreFinding(place, "ok", has=0, of=2)
    assert valkey.run("KEYS", "*") == []
    load(shop)
    ended = shop.run("check", "app:Settings")
    assert f"Store: {place} can be used, and has 2 of 2 secrets" in only_lines(ended)
    assert PASSWORD not in ended.out + ended.err


def test_the_permissions_on_the_page(shop: Project, tmp_path: Path) -> None:
    """What docs/how-to/store.md grants is enough, and without any one of them it is not."""
    page = (Path(__file__).parents[2] / "docs/how-to/store.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ACL SETUSER .*", page, re.MULTILINE)
    command = line.replace("PASSWORD", PASSWORD).split()
    cases: list[tuple[list[str], str, bool, int | None]] = [
        (command, "", True, 0),
        ([given for given in command if given != "+scan"], "", True, 6),
        (command, "/2", False, 6),
        ([*command, "+select"], "/2", True, 0),
    ]
    for right in ("+eval", "+getrange", "+set", "+del"):
        cases += [([given for given in command if given != right], "", False, None)]
    with Valkey(tmp_path) as valkey:
        for granted, database, is_enough, code in cases:
            valkey.run("ACL", "SETUSER", "shop", "reset")
            valkey.run(*granted)
            address = f"redis://shop:{PASSWORD}@127.0.0.1:{valkey.port}{database}"
            load(shop, VAULTCONFIG_STORE=address)
            found = findings(shop, code=0, VAULTCONFIG_STORE=address)
            assert found.store is not None
            assert (found.store.status == "ok") is is_enough, granted
            ended = shop.run("store", "clear", env={"VAULTCONFIG_STORE": address})
            assert code in (ended.code, None), granted


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (("ACL", "SETUSER", "shop", "resetpass", ">other"), "rejected the user or password"),
        (("ACL", "SETUSER", "shop", "-set"), "does not permit its user what a store needs"),
        (("ACL", "SETUSER", "shop", "-getrange"), "does not permit its user what a store needs"),
        (("REPLICAOF", "127.0.0.1", "1"), "is read-only"),
        (("CONFIG", "SET", "maxmemory", "1"), "has no memory left"),
    ],
)
def test_a_server_that_cannot_be_used(
    shop: Project, valkey: Valkey, spoil: tuple[str, ...], told: str
) -> None:
    """Whatever stands in the way of reading or writing is a warning with the reason."""
    load(shop)
    valkey.run(*spoil)
    (problem,) = findings(shop, code=0).problems
    assert (problem.severity, problem.kind) == ("warning", "store")
    assert told in problem.message
    assert PASSWORD not in problem.message
    load(shop)


def test_a_server_that_is_away(shop: Project, vault: DevServer) -> None:
    """It costs half a second, and the vault's answers are shown as ever."""
    found = findings(shop, code=0, VAULTCONFIG_STORE=f"redis://u:{PASSWORD}@127.0.0.1:1")
    assert [item.status for item in found.fields] == ["ok", "ok"]
    (problem,) = found.problems
    assert problem.message.startswith(
        "redis://127.0.0.1:1 can't be used, and a start does without it: Redis at 127.0.0.1:1 can't"
    )


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"VAULTCONFIG_STORE": f"redi://{CANARY}"}, "did you mean redis:?"),
        ({"VAULTCONFIG_STORE": f"redis:{CANARY}"}, "VAULTCONFIG_STORE is not a valid address"),
        ({"VAULTCONFIG_STORE_KEY": CANARY}, "VAULTCONFIG_STORE_KEY is not 32 bytes"),
        ({"VAULTCONFIG_STORE_KEY": ""}, "a store needs a key"),
        ({"VAULTCONFIG_APPLICATION": ""}, "a store needs the name of the application"),
        ({"VAULTCONFIG_STORE_KEY_FILE": "x"}, "keep one of them"),
    ],
)
def test_a_store_that_is_configured_wrongly(shop: Project, env: dict[str, str], told: str) -> None:
    """It is an error with exit code 3, as a load fails; the fields are shown all the same."""
    found = findings(shop, code=3, **env)
    (problem,) = found.problems
    assert (problem.severity, problem.kind) == ("error", "store")
    assert told in problem.message
    assert [item.status for item in found.fields] == ["ok", "ok"]
    assert found.store is None
    assert shop.run("run", "app:Settings", "--", "true", env=env).code == 3


def test_where_it_is_not_used(shop: Project) -> None:
    """In development a note says so, also of a wrong one; offline it is not looked at."""
    env = {"VAULTCONFIG_STORE_KEY": "nonsense"}
    found = findings(shop, "-e", "dev", code=0, **env)
    (problem,) = found.problems
    assert (problem.severity, problem.message) == ("note", "the store is not used in development")
    assert found.store is None
    found = findings(shop, "--offline", code=0, **env)
    assert (found.problems, found.store) == ((), None)


def test_what_the_class_says(project: Project, vault: DevServer) -> None:
    """A store that the class names is looked at, too."""
    config = 'vault_store="file:kept", vault_application="shop"'
    project.declare(USER, config=config)
    vault.put("db", {"user": "x"})
    assert kinds(findings(project, code=3)) == ["store"]
    key = base64.b64encode(os.urandom(32)).decode()
    found = findings(project, code=0, VAULTCONFIG_STORE_KEY=key)
    assert found.store == StoreFinding(f"file:{project.path}/kept", "ok", has=0, of=1)
    assert kinds(findings(project, "-e", "dev", code=0)) == ["store"]


def test_while_the_vault_is_away(shop: Project, vault: DevServer) -> None:
    """The values are not taken from the store, but what it has is told."""
    load(shop)
    vault.stop()
    found = findings(shop, code=6, VAULTCONFIG_DEADLINE="0.5")
    assert found.store == StoreFinding(f"file:{shop.path}/kept", "ok", has=2, of=2)
    assert [item.status for item in found.fields] == ["not asked", "not asked"]


def test_annotations(shop: Project) -> None:
    """What is wrong with it is an annotation, and the line about it stands with the summary."""
    ended = shop.run(
        "check", "app:Settings", "--format", "github", env={"VAULTCONFIG_STORE": "file:app.py/x"}
    )
    assert ended.code == 0
    assert "::warning title=vaultconfig check%3A store::file:" in ended.out
    assert f"Store: file:{shop.path}/app.py/x can't be used" in ended.err.splitlines()
