"""How ``vaultconfig check`` looks: on a terminal of any width, in a file, and to GitHub Actions."""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, Project
from vaultconfig.devserver import DevServer

LONG = "environments/production/a-very-long-name-of-a-service/database-credentials"
FIELDS = (
    'user: Annotated[str, "vault:db#user"]',
    f'password: Annotated[SecretStr, "vault:{LONG}#password"]',
    f'gone: Annotated[SecretStr, "vault:{LONG}-old#password"]',
    'denied: Annotated[SecretStr, "vault:denied/a#x"]',
    "名前: str = ''",
    'also_denied: Annotated[SecretStr, "vault:denied/a#y"]',
    "port: int",
    "debug: bool = False",
)
COLOURED = re.compile(r"\x1b\[3[0-7]m(.*?)\x1b\[0m")


def prepare(project: Project, vault: DevServer) -> None:
    """Declare fields with one of each, whose values show if they leak."""
    project.declare(*FIELDS)
    vault.put("db", {"user": CANARY})
    vault.put(LONG, {"user": CANARY})
    vault.deny("denied/**")
    project.write(".env", "").chmod(0o644)


def on_terminal(project: Project, *args: str, columns: int, **env: str) -> list[str]:
    """Return the lines that it prints on a terminal of so many *columns*."""
    environ = {name: value for name, value in project.environ.items() if name != "COLUMNS"}
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], "check", "app:Settings", *args],
        cwd=str(project.path),
        env={**environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **env},
        timeout=30,
        dimensions=(50, columns),
    )
    child.expect(pexpect.EOF)
    child.close()
    assert isinstance(child.before, bytes)
    text = child.before.decode()
    assert CANARY not in text
    return text.splitlines()


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[\d*m", "", line) for line in lines]


def columns_of(line: str) -> int:
    """Return how many columns of a terminal *line* takes."""
    return len(line) + sum(unicodedata.east_asian_width(c) == "W" for c in line)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_any_width(project: Project, vault: DevServer, columns: int) -> None:
    """Lines fit; what one would paste is in one piece on one line, also where it does not."""
    prepare(project, vault)
    lines = plain(on_terminal(project, columns=columns))
    pasted = [
        f"vault:{LONG}#password",
        f"vaultconfig put {LONG} password=- --merge",
        "chmod 600 .env",
    ]
    assert all(any(text in line for line in lines) for text in pasted)
    long = [line for line in lines[2:] if columns_of(line) > columns]
    assert [line for line in long if not re.match("    (Run: |vault:|[a-z/-]+[:?]?$)", line)] == []
    assert columns < 200 or long == []


def test_the_order_and_the_marks(project: Project, vault: DevServer) -> None:
    """The fields are in the class's order, what is wrong is below its field, once for a cause."""
    prepare(project, vault)
    lines = plain(on_terminal(project, columns=200))
    names = [found[1] for line in lines if (found := re.match("[✓✗!–] (\\w+) ", line))]
    assert names == [field.partition(":")[0] for field in FIELDS]
    assert [line[0] for line in lines if re.match("[✓✗!–] \\w+ ", line)] == list("✓✗✗✗✓✗✗✓")
    below = lines[next(n for n, line in enumerate(lines) if line.startswith("✗ denied")) + 1]
    assert below.startswith("    the vault denies access to denied/a")
    assert below.endswith(" (also also_denied)")
    assert sum("denies access" in line for line in lines) == 1
    assert lines[-1] == "8 fields: 3 ok, 3 missing, 2 denied · 1 error"
    # The columns are aligned, also behind characters that are twice as wide.
    starts = {
        columns_of(line[: line.index(" ok ")])
        for line in lines
        if " ok " in line and "·" not in line
    }
    assert len(starts) == 1


def test_a_path_without_a_secret_is_begun_once(project: Project, vault: DevServer) -> None:
    """The commands that are advised can be run one after the other, and then all is there."""
    project.declare(
        'a: Annotated[SecretStr, "vault:new/path#a"]',
        'b: Annotated[SecretStr, "vault:new/path#b"]',
        'c: Annotated[SecretStr, "vault:db#the-c"]',
        'typo: Annotated[SecretStr, "vault:db#userr"]',
        'pinned: Annotated[SecretStr, "vault:db?version=9#user"]',
        'pointer: Annotated[SecretStr, "vault:db#/x/y"]',
    )
    vault.put("db", {"user": "x"})
    found = json.loads(project.run("check", "app:Settings", "--json").out)
    commands = {item["field"]: item["command"] for item in found["fields"]}
    assert commands == {
        "a": "vaultconfig put new/path a=-",
        "b": "vaultconfig put new/path b=- --merge",
        "c": "vaultconfig put db the-c=- --merge",
        "typo": None,
        "pinned": None,
        "pointer": None,
    }
    for command in filter(None, commands.values()):
        assert project.run(*shlex.split(command)[1:], text=b"value").code == 0
    found = json.loads(project.run("check", "app:Settings", "--json").out)
    assert [item["status"] for item in found["fields"]] == [*["ok"] * 3, *["missing"] * 3]


def test_colour_is_on_the_status_only(project: Project, vault: DevServer) -> None:
    """Marks and statuses are coloured, and nothing else."""
    prepare(project, vault)
    lines = on_terminal(project, columns=80)
    assert {text for line in lines for text in COLOURED.findall(line)} == {
        *("✓", "✗", "ok", "missing", "denied", "✗ Error:")
    }
    assert "\x1b" not in re.sub(COLOURED, "", "".join(lines))


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour(project: Project, vault: DevServer, env: dict[str, str]) -> None:
    """There is none where the user, or the terminal, wants none."""
    prepare(project, vault)
    assert "\x1b" not in "".join(on_terminal(project, columns=80, **env))


def test_an_encoding_without_the_marks(project: Project, vault: DevServer) -> None:
    """In ASCII they are other characters, and a name is written so that it can be read."""
    prepare(project, vault)
    text = "\n".join(on_terminal(project, columns=80, PYTHONIOENCODING="ascii", NO_COLOR="1"))
    assert text.isascii()
    for shown in ("+ user", "x password", "+ \\u540d\\u524d", "x Error:", "2 denied | 1 error"):
        assert shown in text
    done = project.run_apart("check", "app:Settings", env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, "\\u540d\\u524d\tok" in done.out) == (1, True)


def test_in_a_file(project: Project, vault: DevServer) -> None:
    """It is a line a field, however long, without colour; a cause stands once on standard error."""
    prepare(project, vault)
    done = project.run_apart("check", "app:Settings", env={"COLUMNS": "20"})
    assert [line.count("\t") for line in done.out.splitlines()] == [5] * len(FIELDS)
    assert "\x1b" not in done.out + done.err
    told = [line for line in done.err.splitlines() if "denies access" in line]
    assert [line.partition(":")[0] for line in told] == ["denied, also_denied"]
    assert f"Run: vaultconfig put {LONG} password=- --merge" in done.err.splitlines()
    assert done.err.splitlines()[-1] == "8 fields: 3 ok, 3 missing, 2 denied · 1 error"


def test_many_fields_and_long_names(project: Project, vault: DevServer) -> None:
    """200 fields on one path that is denied: a line each, the cause once; a long name is whole."""
    long = "a_name_that_is_longer_than_any_that_one_would_like_to_type_or_read"
    names = [*(f"field_{number}" for number in range(199)), long]
    project.declare(*(f'{name}: Annotated[SecretStr, "vault:denied/a#{name}"]' for name in names))
    vault.deny("denied/**")
    lines = plain(on_terminal(project, columns=80))
    rows = [line for line in lines if line.startswith("✗ ")]
    assert [row.split()[1:3] for row in rows] == [[name, "denied"] for name in names]
    assert all(columns_of(row) <= 80 for row in rows[:-1])
    assert sum("denies access" in line for line in lines) == 1
    assert lines[-1] == "200 fields: 200 denied"


def test_reads_a_minute(project: Project, vault: DevServer) -> None:
    """They are those of each secret, at the shortest ttl that is asked of it."""
    project.declare(
        'a: Annotated[SecretStr, "vault:one#x"]',
        'b: Annotated[SecretStr, "vault:one?ttl=1m#y"]',
        'c: Annotated[SecretStr, "vault:two?ttl=1s#x"]',
        'pinned: Annotated[SecretStr, "vault:two?version=1&ttl=10s#x"]',
    )
    vault.put("one", {"x": "1", "y": "2"})
    vault.put("two", {"x": "1"})
    found = json.loads(project.run("check", "app:Settings", "--json").out)
    expected = sum(60 / (0.85 * ttl) for ttl in (60, 1, 10))
    assert found["reads"]["a_minute"] == pytest.approx(expected)
    assert (found["reads"]["limit"], found["reads"]["processes"]) == (1000, int(1000 / expected))
    told = (
        "Reads a minute: 78.8 a process with live settings; the vault's limit of 1,000 allows 12 "
        "processes, more of them need a store"
    )
    assert told in project.run("check", "app:Settings").err
    for more in (["--offline"], ["-e", "dev"]):
        env = {"SCAIVAULT_TOKEN": ""}
        found = json.loads(project.run("check", "app:Settings", "--json", *more, env=env).out)
        assert found["reads"] is None
    project.declare("debug: bool = False")
    assert json.loads(project.run("check", "app:Settings", "--json").out)["reads"] is None


def annotations(project: Project, target: str, *args: str) -> list[str]:
    done = project.run("check", target, "--format", "github", *args)
    assert CANARY not in done.out
    assert re.search(r"\d+ fields?: ", done.err)
    return done.out.splitlines()


def test_annotations_of_github(project: Project, vault: DevServer) -> None:
    """Each problem is at its line of the class, escaped as GitHub has it."""
    prepare(project, vault)
    found = annotations(project, "app:Settings")
    assert all(re.fullmatch("::(error|warning|notice) [^:]+::.+", line) for line in found)
    no_field = next(line for line in found if "password: missing" in line.replace("%3A", ":"))
    assert no_field == (
        "::error file=app.py,line=8,title=vaultconfig check%3A password%3A missing::"
        f"{LONG} has no field 'password': it has user%0A"
        f"Run: vaultconfig put {LONG} password=- --merge"
    )
    assert sum("denies access" in line for line in found) == 2
    *_, mode = found
    assert mode.startswith("::error file=.env,title=vaultconfig check%3A file::.env can be read")
    assert mode.endswith("%0ARun: chmod 600 .env")


def test_escapes_of_github(project: Project, vault: DevServer) -> None:
    """A percent sign, a comma and a colon do not end what they stand in."""
    project.declare("x: Any", head="", config='env_prefix="50%,"')
    (found,) = annotations(project, "app:Settings")
    assert found.endswith("::Field required: set 50%25,X")
    project.write("odd, name/settings.py", (project.path / "app.py").read_text())
    (found,) = project.run(
        "check", "settings:Settings", "--format", "github", env={"PYTHONPATH": "odd, name"}
    ).out.splitlines() or [""]
    assert found == "" or "file=odd%2C name/settings.py,line=8" in found


def test_where_a_field_is_declared(project: Project, vault: DevServer) -> None:
    """It is the line in the class that has it: a base, or a model; never one outside of here."""
    project.write("shop/__init__.py", "")
    project.write(
        "shop/base.py",
        "from pydantic import BaseModel\n"
        "from vaultconfig import VaultSettings\n"
        "class Database(BaseModel):\n"
        '    """It has\n    a text."""\n'
        "    port: int\n"
        "def made():\n"
        "    class Inner(BaseModel):\n"
        "        name: str\n"
        "    return Inner\n"
        "class Base(VaultSettings):\n"
        "    host: str\n",
    )
    project.write(
        "shop/settings.py",
        "import pydantic\n"
        "from shop.base import Base, Database, made\n"
        "class Settings(Base):\n"
        "    db: Database\n"
        "    inner: made()\n"
        "    dynamic: pydantic.create_model('Made', name=(str, ...))\n",
    )
    env = {"DB": "{}", "INNER": "{}", "DYNAMIC": "{}"}
    ended = project.run("check", "shop.settings:Settings", "--json", env=env)
    found = {
        item["field"]: (item["file"], item["line"]) for item in json.loads(ended.out)["fields"]
    }
    assert found == {
        "host": ("shop/base.py", 12),
        "db": ("shop/settings.py", 4),
        "db.port": ("shop/base.py", 6),
        "inner": ("shop/settings.py", 5),
        "inner.name": ("shop/base.py", 9),
        "dynamic": ("shop/settings.py", 6),
        "dynamic.name": (None, None),
    }
    names = ["host", "db", "db.port", "inner", "inner.name", "dynamic", "dynamic.name"]
    assert list(found) == names
    elsewhere = project.path / "elsewhere"
    elsewhere.mkdir()
    there = Project(
        elsewhere,
        {
            **project.environ,
            "PYTHONPATH": os.pathsep.join([str(project.path), project.environ["PYTHONPATH"]]),
        },
    )
    done = there.run_apart("check", "shop.settings:Settings", "--json")
    assert {item["file"] for item in json.loads(done.out)["fields"]} == {None}


def test_the_formats(project: Project, vault: DevServer) -> None:
    """--json is short for --format json, and not to be had beside another one."""
    project.declare('user: Annotated[SecretStr, "vault:db#user"]')
    vault.put("db", {"user": CANARY})
    known = project.run("check", "app:Settings", "--json").out
    assert project.run("check", "app:Settings", "--format", "json").out == known
    assert project.run("check", "app:Settings", "--format", "json", "--json").out == known
    ended = project.run("check", "app:Settings", "--format", "github", "--json")
    assert (ended.code, "choose one" in ended.err) == (2, True)


def test_offline_depends_on_no_place(project: Project, vault: DevServer) -> None:
    """A class is not wrong for what only the place has where it is going to run."""
    project.declare(
        "region: str",
        "port: int",
        'user: Annotated[SecretStr, "vault:{environment}/{region}/db#user"]',
        'dsn: Annotated[SecretStr, "x://${vault:{environment}/db#user}"]',
    )
    env = {"SCAIVAULT_TOKEN": "", "SCAIVAULT_URL": ""}
    ended = project.run("check", "app:Settings", "--offline", env=env)
    assert (ended.code, ended.err) == (0, "4 fields: 4 not set\n")
    assert vault.requests == []
    ended = project.run("check", "app:Settings", env=env)
    assert ended.code == 3
    assert "Run: export VAULTCONFIG_ENVIRONMENT=development" in ended.err.splitlines()
