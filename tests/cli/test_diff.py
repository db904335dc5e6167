"""``vaultconfig diff``: what differs between two environments, and never a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import CANARY, Ended, Project, only_lines
from vaultconfig.devserver import DevServer

DB = "vault:{environment}/db"


def rows(ended: Ended) -> dict[str, list[str]]:
    """Return the cells behind each field's name."""
    assert CANARY not in ended.out + ended.err
    lines = [line.split("\t") for line in ended.out.splitlines()]
    return {name: cells for name, *cells in lines}


def statuses(ended: Ended) -> dict[str, str]:
    return {name: cells[0] for name, cells in rows(ended).items()}


def diff(project: Project, *args: str, **env: str) -> Ended:
    return project.run("diff", "staging", "production", "app:Settings", *args, env=env)


def both(vault: DevServer, path: str, staging: Any, production: Any) -> None:
    """Put a secret into both environments."""
    vault.put(f"staging/{path}", staging)
    vault.put(f"production/{path}", production)


def test_every_kind_of_difference(project: Project, vault: DevServer) -> None:
    """Each field has its status and versions, in the order of the class; no value is anywhere."""
    project.declare(
        "plain: str",
        f'user: Annotated[str, "{DB}#user"]',
        f'password: Annotated[SecretStr, "{DB}#password"]',
        'shared: Annotated[str, "vault:shared/smtp#password"]',
        f'absent: Annotated[str, "{DB}#absent"]',
        'denied: Annotated[str, "vault:{environment}/denied#x"]',
        f'url: Annotated[str, "pg://${{{DB}#user}}:${{{DB}#password}}@db"]',
        f'pinned: Annotated[str, "{DB}?version=1#user"]',
        f'extra: Annotated[str, "{DB}?optional#extra"] = "none"',
        f'never: Annotated[str, "{DB}?optional#never"] = "none"',
    )
    both(vault, "db", {"user": CANARY}, {"user": CANARY})
    more = {"user": CANARY, "password": f"{CANARY}-1", "absent": CANARY, "extra": CANARY}
    vault.put("staging/db", more)
    vault.put("production/db", {"user": CANARY, "password": f"{CANARY}-2"})
    vault.put("production/db", {"user": CANARY, "password": f"{CANARY}-2"})
    vault.put("shared/smtp", {"password": CANARY})
    both(vault, "denied", {"x": CANARY}, {"x": CANARY})
    vault.deny("production/denied")
    project.write(".env", f"PASSWORD={CANARY}-env\nUSER={CANARY}-env\n")
    ended = diff(project, PASSWORD=f"{CANARY}-shell", USER="vault:nowhere#x", ABSENT="vault:db#")
    assert rows(ended) == {
        "user": ["same", "2", "3", f"{DB}#user"],
        "password": ["differs", "2", "3", f"{DB}#password"],
        "shared": ["same reference", "1", "1", "vault:shared/smtp#password"],
        "absent": ["missing", "2", "missing", f"{DB}#absent"],
        "denied": ["denied", "1", "denied", "vault:{environment}/denied#x"],
        "url": ["differs", "2", "3", f"{DB}#user, {DB}#password"],
        "pinned": ["same", "1", "1", f"{DB}?version=1#user"],
        "extra": ["differs", "2", "default", f"{DB}?optional#extra"],
        "never": ["same", "default", "default", f"{DB}?optional#never"],
    }
    assert list(rows(ended)) == [
        "user", "password", "shared", "absent", "denied", "url", "pinned", "extra", "never",
    ]  # fmt: skip
    assert ended.code == 5
    absent, denied, summary = only_lines(ended)
    assert absent == (
        "absent: production: production/db has no field 'absent': it has password, user"
    )
    assert denied.startswith("denied: production: the vault denies access to production/denied")
    assert summary == (
        "staging and production: 9 fields: 3 same, 3 differs, 1 same reference, 1 missing, 1 denied"
    )
    batches = [request for request in vault.requests if request.method == "POST"]
    assert len(batches) == 1


def test_exit_codes(project: Project, vault: DevServer) -> None:
    """Values may differ; 1 is missing, 5 denied, and what stops it all has its own code."""
    project.declare(f'password: Annotated[SecretStr, "{DB}#password"]')
    both(vault, "db", {"password": f"{CANARY}-1"}, {"password": f"{CANARY}-2"})
    ended = diff(project)
    assert (ended.code, statuses(ended)) == (0, {"password": "differs"})
    ended = project.run("diff", "staging", "other", "app:Settings")
    assert (ended.code, statuses(ended)) == (1, {"password": "missing"})
    vault.deny("production/db")
    assert diff(project).code == 5
    assert diff(project, SCAIVAULT_TOKEN="").code == 3
    assert diff(project, SCAIVAULT_TOKEN="wrong").code == 4
    vault.stop()
    assert diff(project, VAULTCONFIG_DEADLINE="1").code == 6


def test_json(project: Project, vault: DevServer) -> None:
    """Programs get the same, with the references that were read."""
    project.declare(f'password: Annotated[SecretStr, "{DB}#password"]', "plain: int = 1")
    both(vault, "db", {"password": f"{CANARY}-1"}, {"other": f"{CANARY}-2"})
    ended = diff(project, "--json")
    assert (ended.code, only_lines(ended)) == (1, [])
    assert json.loads(ended.out) == {
        "target": "app:Settings",
        "environments": ["staging", "production"],
        "fields": [
            {
                "field": "password",
                "status": "missing",
                "reference": "vault:{environment}/db#password",
                "sides": [
                    {
                        "environment": "staging",
                        "status": "ok",
                        "reference": "vault:staging/db#password",
                        "versions": [1],
                        "problem": None,
                    },
                    {
                        "environment": "production",
                        "status": "missing",
                        "reference": "vault:production/db#password",
                        "versions": [],
                        "problem": "production/db has no field 'password': it has other",
                    },
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("kind", "one", "other", "status"),
    [
        ("str", 1, "1", "same"),
        ("int", 1, "1", "same"),
        ("bool", True, "true", "same"),
        ("float", 1.0, "1", "same"),
        ("SecretStr", "a", "a ", "differs"),
        ("Any", True, 1, "differs"),
        ("Any", [True], [1], "differs"),
        ("Any", {"a": [1]}, {"a": [1]}, "same"),
        ("list[int]", [1], "[1]", "same"),
        ("int", "x", "y", "differs"),
        ("str | None", None, None, "same"),
        ("Part", {"a": 1, "b": 2}, {"b": "2", "a": "1"}, "same"),
        ("Part", {"a": 1, "b": 2}, {"a": 1, "b": 3}, "differs"),
        ("Part", {"a": 1, "b": 2, "note": "x"}, {"a": 1, "b": 2}, "same"),
    ],
)
def test_what_counts_is_what_the_field_gets(
    project: Project, vault: DevServer, kind: str, one: object, other: object, status: str
) -> None:
    """Values are compared as the settings would hold them."""
    head = "class Part(BaseModel):\n    a: int\n    b: int\n"
    project.declare(f'x: Annotated[{kind}, "vault:{{environment}}/x#x"]', head=head)
    both(vault, "x", {"x": one}, {"x": other})
    assert statuses(diff(project)) == {"x": status}


def test_nested_models_lists_and_unions(project: Project, vault: DevServer) -> None:
    """Whatever the vault fills is listed; a second batch only for what an object brought in."""
    head = """
from typing import Literal
class Item(BaseModel):
    name: str
    key: Annotated[SecretStr, "vault:{environment}/keys#key"]
class Db(BaseModel):
    host: str = "h"
    password: Annotated[SecretStr, "vault:{environment}/db#password"]
class File(BaseModel):
    kind: Literal["file"]
    path: str
class Bucket(BaseModel):
    kind: Literal["bucket"]
    key: str
"""
    project.declare(
        "db: Db",
        "replica: Db | None = None",
        'items: Annotated[list[Item], "vault:{environment}/items#list"]',
        'store: Annotated[File | Bucket, Field(discriminator="kind"), "vault:{environment}/store"]',
        head=head,
    )
    both(vault, "db", {"password": f"{CANARY}1"}, {"password": f"{CANARY}2"})
    both(vault, "keys", {"key": CANARY}, {"key": CANARY})
    both(vault, "items", {"list": [{"name": "a"}]}, {"list": [{"name": "a"}, {"name": "b"}]})
    both(vault, "store", {"kind": "file", "path": "p"}, {"kind": "bucket", "key": CANARY})
    ended = diff(project)
    assert statuses(ended) == {
        "db.password": "differs",
        "replica": "not read",
        "items": "differs",
        "items.0.key": "same",
        "items.1.key": "differs",
        "store": "differs",
    }
    assert ended.code == 0
    assert rows(ended)["items.1.key"][1:3] == ["-", "1"]
    assert len([request for request in vault.requests if request.method == "POST"]) == 2


def test_placeholders(project: Project, vault: DevServer) -> None:
    """vault_variables and defaults fill the others; a variable of this shell does not."""
    project.declare(
        'region: str = "eu"',
        "zone: str",
        'a: Annotated[str, "vault:{environment}/{region}/{tier}#a"]',
        'b: Annotated[str, "vault:{environment}/{zone}#b"]',
        config='vault_variables={"tier": "web"}',
    )
    both(vault, "eu/web", {"a": "1"}, {"a": "1"})
    ended = diff(project, REGION="us", ZONE="z")
    assert statuses(ended) == {"a": "same", "b": "malformed"}
    assert ended.code == 3
    first, second, _ = only_lines(ended)
    assert first.startswith("b: nothing provides {zone}")
    assert second == (
        "Hint: variables and .env do not count: use vault_variables, or a default of the field"
    )


def test_development_is_looked_at_in_the_vault(project: Project, vault: DevServer) -> None:
    """Its name fills the path like any other, whatever this environment is called."""
    project.declare(f'password: Annotated[str, "{DB}#password"]')
    vault.put("development/db", {"password": f"{CANARY}1"})
    vault.put("production/db", {"password": f"{CANARY}2"})
    project.write(".env", f"PASSWORD={CANARY}\n")
    args = ("diff", "Development", "production", "app:Settings")
    for environment in ("development", "production", "staging"):
        ended = project.run(*args, "-e", environment)
        assert (ended.code, statuses(ended)) == (0, {"password": "differs"})


def test_the_class_names_an_environment_and_falls_back(project: Project, vault: DevServer) -> None:
    """Neither its environment nor its fallback counts."""
    project.declare(
        f'password: Annotated[str, "{DB}#password"] = "fallback"',
        config='vault_environment="staging", vault_fallback="always"',
    )
    both(vault, "db", {"password": "1"}, {"password": "1"})
    ended = diff(project)
    assert (ended.code, statuses(ended)) == (0, {"password": "same"})
    ended = project.run("diff", "one", "two", "app:Settings")
    assert (ended.code, statuses(ended)) == (1, {"password": "missing"})


def test_forty_fields(project: Project, vault: DevServer) -> None:
    """Many fields of two secrets are one batch of two paths."""
    project.declare(
        *(f'f{n:02}: Annotated[str, "vault:{{environment}}/big#f{n}"]' for n in range(40))
    )
    data = {f"f{n}": f"{CANARY}{n}" for n in range(40)}
    both(vault, "big", data, {**data, "f7": CANARY})
    ended = diff(project)
    assert [name for name, status in statuses(ended).items() if status == "differs"] == ["f07"]
    assert len(vault.requests) == 1


def test_a_plain_settings_class(project: Project, vault: DevServer) -> None:
    """A class with our source works; one without it is told so."""
    project.write(
        "app.py",
        "from typing import Annotated\n"
        "from pydantic_settings import BaseSettings\n"
        "from vaultconfig import VaultSettingsSource\n"
        "class Plain(BaseSettings):\n"
        f'    x: Annotated[str, "{DB}#x"]\n'
        "class Settings(Plain):\n"
        "    @classmethod\n"
        "    def settings_customise_sources(cls, settings_cls, **sources):\n"
        "        return *sources.values(), VaultSettingsSource(settings_cls)\n",
    )
    both(vault, "db", {"x": "1"}, {"x": "2"})
    assert statuses(diff(project, X=CANARY)) == {"x": "differs"}
    ended = project.run("diff", "a", "b", "app:Plain")
    assert (ended.code, "has no source for the vault" in ended.err) == (3, True)


@pytest.mark.parametrize(
    "names", [("a", "A "), ("", "b"), ("a", "b/c"), ("app:Settings", "b"), ("'a'", "b"), ("a",)]
)
def test_names_that_are_wrong(project: Project, vault: DevServer, names: tuple[str, ...]) -> None:
    """Two different names that can stand in a path are needed; else nothing is asked."""
    project.declare(f'x: Annotated[str, "{DB}#x"]')
    ended = project.run("diff", *names)
    assert ended.code == 2
    assert not vault.requests
    only_lines(ended)
