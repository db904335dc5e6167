"""``vaultconfig check`` and ``refs``: all that is wrong, in one run, and never a value."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import TypeAdapter

from tests.cli.conftest import CANARY, Project, only_lines
from tests.cli.schema import shown_schema, validate
from vaultconfig.cli.checking.findings import Findings
from vaultconfig.devserver import DevServer

USER = 'user: Annotated[str, "vault:db#user"]'
SHOWS = TypeAdapter(Findings)


def identity(vault: DevServer, **more: object) -> None:
    """Let the vault say this about us."""
    body = {"identity_id": "someone", "scopes": ["secrets:read"], **more}
    vault.fault(path="/v1/auth/whoami", status=200, body=json.dumps(body))


def clock(vault: DevServer, seconds: float) -> None:
    """Let the vault's clock be so far ahead of ours."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    vault.fault(path="/v1/health/**", status=200, body="{}", headers={"Date": date})


def findings(project: Project, *args: str, code: int, **env: str) -> Findings:
    """Run it with --json, hold the result against the page's schema, and return it."""
    ended = project.run("check", "app:Settings", "--json", *args, env=env)
    only_lines(ended)
    assert ended.code == code, ended.err
    validate(json.loads(ended.out), shown_schema())
    return SHOWS.validate_json(ended.out)


def statuses(found: Findings) -> dict[str, str]:
    return {item.field: item.status for item in found.fields}


def kinds(found: Findings) -> list[str]:
    return [item.kind for item in found.problems]


def test_one_of_each_problem(project: Project, vault: DevServer) -> None:
    """A project with one of each problem: all are found in one run, and no value is shown."""
    project.declare(
        'fine: Annotated[str, "vault:db#user"]',
        'missing: Annotated[str, "vault:nowhere#x"]',
        'no_field: Annotated[str, "vault:db#usr"]',
        'denied: Annotated[str, "vault:denied/a#x"]',
        'malformed: Annotated[str, "vault:db#"]',
        'unfilled: Annotated[str, "vault:{region}/db#x"]',
        'number: Annotated[int, "vault:db#password"]',
        'ended: Annotated[str, "vault:ended#x"]',
        'fixed: Annotated[str, "vault:db#user"]',
        "plain: str",
        "counted: int",
        "given: str",
    )
    vault.put("db", {"user": f"{CANARY}-user", "password": f"{CANARY}-password"})
    vault.put("ended", {"x": "y"}, expires_in="1d")
    vault.deny("denied/**")
    identity(vault, scopes=["other"], token_expires_at=(datetime.now(UTC)).isoformat())
    clock(vault, -90)
    env_file = project.write(".env", f"FINE={CANARY}-old\n")
    env_file.chmod(0o644)
    for command in ("init -q", "add .env"):
        subprocess.run(["git", *command.split()], cwd=project.path, check=True)
    env = {
        "FIXED": f"{CANARY}-fixed",
        "COUNTED": CANARY,
        "GIVEN": "vault:db#",
        "VAULTCONFIG_ALLOW_HTTP": "1",
    }
    found = findings(project, code=1, **env)
    assert statuses(found) == {
        "counted": "invalid",
        "denied": "denied",
        "ended": "ok",
        "fine": "ok",
        "fixed": "ok",
        "given": "malformed",
        "malformed": "malformed",
        "missing": "missing",
        "no_field": "missing",
        "number": "invalid",
        "plain": "missing",
        "unfilled": "malformed",
    }
    assert kinds(found) == ["scopes", "token", "clock", "expiry", "fixed", "file", "file"]
    told = " ".join(item.message for item in found.problems)
    assert re.search("clock here is (8[5-9]|9\\d|1\\d\\d) s ahead of the vault's", told)
    for text in ("secrets:read", "fixed", "mode 0644", "git tracks .env"):
        assert text in told
    by_name = {item.field: item for item in found.fields}
    assert (by_name["fine"].version, by_name["fine"].source) == (1, "vault")
    assert by_name["ended"].expires_at is not None
    assert "did you mean user?" in (by_name["no_field"].problem or "")
    ended = project.run("check", "app:Settings", env=env)
    assert ended.code == 1
    assert len(ended.out.splitlines()) == len(found.fields)
    assert all(line.count("\t") == 5 for line in ended.out.splitlines())
    only_lines(ended)


def test_a_mistyped_path(project: Project, vault: DevServer) -> None:
    """What may be meant is named, and no command is given that makes the mistake a secret."""
    vault.put("shop/mailer/database", {"user": "x"})
    project.declare(
        'typo: Annotated[SecretStr, "vault:shop/mailer/databse#user"]',
        'joined: Annotated[SecretStr, "vault:shop/mailer/database/user#user"]',
        'other: Annotated[SecretStr, "vault:shop/mailer/api#key"]',
    )
    found = findings(project, code=1)
    told = {item.field: (item.command, item.problem or "") for item in found.fields}
    path = "shop/mailer/database"
    assert told["typo"][0] is None
    assert told["typo"][1].endswith(f": did you mean {path}?")
    assert told["joined"][1].endswith(f": {path} is a secret: did you mean its field, {path}#user?")
    assert told["other"][0] == "vaultconfig put shop/mailer/api key=-"


@pytest.mark.parametrize(
    ("config", "file"),
    [('vault_fallback="always"', ".env"), ('env_file="prod.env"', "prod.env")],
)
def test_a_file_that_differs(project: Project, vault: DevServer, config: str, file: str) -> None:
    """Values that are not the vault's in a .env that is read here are named; others are not."""
    project.declare(USER, 'other: Annotated[str, "vault:db#other"]', config=config)
    vault.put("db", {"user": CANARY, "other": "same"})
    project.write(file, "USER=old\nOTHER=same\nMINE=1\n").chmod(0o600)
    found = findings(project, code=1)
    assert [item.message for item in found.problems if item.severity == "error"] == [
        f"{file} differs from the vault: USER; render it again"
    ]
    assert [item.command for item in found.problems if item.severity == "error"] == [
        f"vaultconfig render app:Settings -o {file}"
    ]
    project.write(file, "USER='vault:db#user'\nMINE=1\n")
    found = findings(project, code=0)
    told = f"{file} has a reference for USER: render leaves it, render --check names it"
    assert [(item.severity, item.message) for item in found.problems] == [("note", told)]
    assert project.run("render", "app:Settings", "--check", "-o", file).code == 1


@pytest.mark.parametrize("config", ["", 'vault_fallback="never"', 'env_file="other.env"'])
def test_a_file_of_development(project: Project, vault: DevServer, config: str) -> None:
    """A check of production, on a laptop, does not advise to write its secrets into .env."""
    project.declare(USER, config=config)
    vault.put("db", {"user": CANARY})
    project.write(".env", "USER=old\n").chmod(0o600)
    project.write("other.env", "").chmod(0o600)
    found = findings(project, "-e", "production", code=0)
    assert [(item.severity, item.message) for item in found.problems] == [
        ("note", ".env differs from the vault: USER; Settings does not read it in production")
    ]


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_fifo_is_not_waited_for(project: Project, vault: DevServer, environment: str) -> None:
    """A .env that is a FIFO is an error, and is not waited for."""
    project.declare(USER, config="env_file=None")
    vault.put("db", {"user": CANARY})
    os.mkfifo(project.path / ".env")
    found = findings(project, "-e", environment, code=1)
    assert [item.message for item in found.problems] == [
        ".env is not a regular file: replace it by one"
    ]


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_line_that_nothing_reads(project: Project, vault: DevServer, environment: str) -> None:
    """A line of `.env` that python-dotenv passes over is named by its number, and not shown."""
    project.declare(USER, "port: int = 1")
    vault.put("db", {"user": "app"})
    project.write(".env", f"# mine\n\nPORT 2 {CANARY}\n").chmod(0o600)
    (problem,) = findings(project, "-e", environment, code=0).problems
    assert (problem.severity, problem.kind) == ("warning", "file")
    assert problem.message == "line 3 of .env cannot be read and is ignored: fix or remove it"


def test_a_file_that_differs_in_development(project: Project, vault: DevServer) -> None:
    """A .env of a development machine may differ from the vault, which is told as a note."""
    project.declare(USER)
    vault.put("db", {"user": CANARY})
    project.write(".env", "USER=mine\n").chmod(0o600)
    found = findings(project, "-e", "development", code=0)
    assert [(item.severity, item.message) for item in found.problems] == [
        ("note", ".env differs from the vault: USER; in development that is expected")
    ]
    ended = project.run("check", "app:Settings", "-e", "development")
    assert ended.err.startswith("Note: .env differs")


@pytest.mark.parametrize(
    "body", ['{"error": {"code": "insufficient_scope", "message": ""}}', '{"name": "me"}']
)
def test_a_vault_that_does_not_say_who_asks(project: Project, vault: DevServer, body: str) -> None:
    """It is a warning where secrets can be read, and else the reason why they can't."""
    project.declare(USER)
    vault.put("db", {"user": "x"})
    vault.fault(path="/v1/auth/whoami", status=403 if "error" in body else 200, body=body)
    found = findings(project, code=0)
    assert [(item.severity, item.kind) for item in found.problems] == [("warning", "token")]
    assert "whoami" in found.problems[0].message
    assert (found.identity, statuses(found)) == (None, {"user": "ok"})
    vault.deny("db")
    found = findings(project, code=4 if "error" in body else 6)
    assert [item.kind for item in found.problems] == ["connection"]


def test_a_rejected_token(project: Project, vault: DevServer) -> None:
    """It is told once, also where there is nothing to read."""
    for field in (USER, "debug: bool = False"):
        project.declare(field)
        (problem,) = findings(project, code=4, SCAIVAULT_TOKEN="other").problems
        assert "the vault rejected the token from SCAIVAULT_TOKEN" in problem.message


def test_all_is_well(project: Project, vault: DevServer) -> None:
    """With nothing wrong it exits with 0, and has the fields and how many reads they cost."""
    project.declare(USER, "debug: bool = False")
    vault.put("db", {"user": "x"})
    found = findings(project, "-e", "production", code=0)
    assert (found.ok, found.problems, found.environment) == (True, (), "production")
    assert (found.url, found.identity, found.target) == (vault.url, "dev-admin", "app:Settings")
    ended = project.run("check", "app:Settings")
    assert ended.code == 0
    assert ended.out == "user\tok\tvault\tvault:db#user\t1\t\ndebug\tok\tdefault\t\t\t\n"
    assert ended.err.splitlines() == [
        "Reads a minute: 0.24 a process with live settings; the vault's limit of 1,000 allows "
        "4,250 processes, more of them need a store",
        "2 fields: 2 ok",
    ]


@pytest.mark.parametrize(("seconds", "found"), [(25, []), (-20, []), (45, ["clock"])])
def test_the_clock(project: Project, vault: DevServer, seconds: float, found: list[str]) -> None:
    """Clocks may differ by 30 s."""
    project.declare(USER)
    vault.put("db", {"user": "x"})
    clock(vault, seconds)
    assert kinds(findings(project, code=1 if found else 0)) == found


def test_plain_http(project: Project, vault: DevServer) -> None:
    """Plain http to another machine is an error, whether or not it is allowed."""
    project.declare(USER)
    env = {"SCAIVAULT_URL": "http://192.0.2.1", "VAULTCONFIG_DEADLINE": "0.1"}
    found = findings(project, "--offline", code=1, VAULTCONFIG_ALLOW_HTTP="1", **env)
    assert "plain http" in found.problems[0].message
    found = findings(project, code=3, **env)
    assert kinds(found) == ["connection", "connection"]


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.evil.example", "127.evil"])
def test_a_host_that_only_begins_like_this_machine(project: Project, host: str) -> None:
    """Plain http to another machine stays an error where its name begins like this one's."""
    project.declare(USER)
    env = {"SCAIVAULT_URL": f"http://{host}", "VAULTCONFIG_ALLOW_HTTP": "1"}
    assert "plain http" in findings(project, "--offline", code=1, **env).problems[0].message


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.9", "[::1]"])
def test_this_machine_by_its_names(project: Project, host: str) -> None:
    """Plain http to this machine is fine, however it is named."""
    project.declare(USER)
    assert kinds(findings(project, "--offline", code=0, SCAIVAULT_URL=f"http://{host}:1")) == []


def test_a_vault_that_does_not_answer(project: Project, vault: DevServer) -> None:
    """What can be known without the vault is told all the same, and the code says why not more."""
    project.declare(USER, 'malformed: Annotated[str, "vault:db#"]', "count: int")
    vault.stop()
    found = findings(project, code=6, COUNT="x", VAULTCONFIG_DEADLINE="0.2")
    assert statuses(found) == {"count": "invalid", "malformed": "malformed", "user": "not asked"}
    assert kinds(found) == ["connection"]


def test_credentials(project: Project, vault: DevServer) -> None:
    """A token that is refused is 4; none is 3 in production, and expected in development."""
    project.declare(USER)
    assert kinds(findings(project, code=4, SCAIVAULT_TOKEN="bad")) == ["connection"]
    assert kinds(findings(project, code=3, SCAIVAULT_TOKEN="")) == ["connection"]
    project.write(".env", "USER=mine\n").chmod(0o600)
    development = {"SCAIVAULT_TOKEN": "", "VAULTCONFIG_ENVIRONMENT": "dev"}
    found = findings(project, code=0, **development)
    assert [(item.source, item.status) for item in found.fields] == [(".env", "ok")]
    assert [(item.severity, item.message) for item in found.problems] == [
        ("note", "no credentials for the vault: in development .env is used instead")
    ]
    project.write(".env", "")
    assert statuses(findings(project, code=1, **development)) == {"user": "missing"}


def test_a_default_does_not_stand_in(project: Project, vault: DevServer) -> None:
    """A default beside a reference hides no failure of the load: check fails where it fails."""
    vault.put("db", {"user": "a"})
    vault.deny("closed")
    project.declare(
        'missing: Annotated[str, "vault:nowhere#x"] = "d"',
        'denied: Annotated[str, "vault:closed#x"] = "d"',
        'malformed: Annotated[str, "vault:db?optional=true#x"] = "d"',
        'slip: Annotated[str, "vault:db#usr"] = "d"',
        'optional: Annotated[str, "vault:nowhere?optional#x"] = "d"',
    )
    found = findings(project, code=1)
    assert {item.field: (item.source, item.status) for item in found.fields} == {
        "missing": ("vault", "missing"),
        "denied": ("vault", "denied"),
        "malformed": ("vault", "malformed"),
        "slip": ("vault", "missing"),
        "optional": ("default", "ok"),
    }
    offline = findings(project, "--offline", code=1)
    assert statuses(offline)["malformed"] == "malformed"
    assert statuses(offline)["missing"] == "not asked"


def test_what_stands_in_for_the_vault(project: Project, vault: DevServer) -> None:
    """In development a field that the vault denies and .env has is told as such, and is fine."""
    project.declare(USER, 'other: Annotated[str, "vault:db?optional#x"] = "d"')
    vault.deny("db")
    project.write(".env", "USER=mine\n").chmod(0o600)
    found = findings(project, code=0, VAULTCONFIG_ENVIRONMENT="development")
    assert statuses(found) == {"user": "fallback", "other": "fallback"}
    assert "denies access" in (found.fields[1].problem or "")
    vault.put("open", {"y": 1})
    project.declare('other: Annotated[str, "vault:open?optional#x"] = "d"')
    found = findings(project, code=0)
    assert [(item.source, item.status) for item in found.fields] == [("default", "ok")]


@pytest.mark.parametrize("more", [[], ["--offline"], ["-e", "development"]])
def test_two_fields_on_one_variable(project: Project, vault: DevServer, more: list[str]) -> None:
    """They are an error of the configuration, both named, whether or not the vault is asked."""
    project.declare(
        'db_password: Annotated[str, "vault:db#user"]',
        "db: Database",
        head='class Database(BaseModel):\n    password: Annotated[str, "vault:db#user2"]\n',
        config='env_nested_delimiter="_"',
    )
    vault.put("db", {"user": "x", "user2": "y"})
    found = findings(project, *more, code=3)
    (problem,) = [item for item in found.problems if item.kind == "variables"]
    assert problem.severity == "error"
    for name in ("db_password", "db.password", "DB_PASSWORD"):
        assert f"{name} " in problem.message or f"{name}," in problem.message


def test_offline(project: Project, vault: DevServer) -> None:
    """Offline nothing is sent, httpx isn't even loaded, and the rest is checked."""
    project.declare(
        USER,
        'malformed: Annotated[str, "vault:db#"]',
        head="import atexit, sys; atexit.register(lambda: print('httpx' in sys.modules, "
        "file=sys.stderr))",
    )
    ended = project.run_apart("check", "app:Settings", "--offline", env={"SCAIVAULT_TOKEN": ""})
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "False"
    assert vault.requests == []


def test_nested_models(project: Project, vault: DevServer) -> None:
    """Fields of nested models have lines of their own, found and missing ones."""
    project.declare(
        "db: Database",
        head='class Database(BaseModel):\n    user: Annotated[str, "vault:db#user"]\n'
        '    password: Annotated[str, "vault:db#password"]\n    port: int = 1\n',
    )
    vault.put("db", {"user": "x"})
    assert statuses(findings(project, code=1)) == {"db.password": "missing", "db.user": "ok"}
    vault.delete("db")
    assert statuses(findings(project, code=1)) == {"db.password": "missing", "db.user": "missing"}


def test_a_model_that_as_a_whole_is_wrong(project: Project, vault: DevServer) -> None:
    """What a validator of the whole class says is told under the class's name, without values."""
    project.declare(
        USER,
        "from pydantic import model_validator",
        "@model_validator(mode='after')",
        "def whole(self):",
        "    raise ValueError(f'not {self.user}')",
    )
    vault.put("db", {"user": CANARY})
    found = findings(project, code=1)
    assert statuses(found) == {"Settings": "invalid", "user": "ok"}


def test_refs(project: Project, vault: DevServer) -> None:
    """The references are listed as they stand in this environment, and the vault isn't asked."""
    project.declare(
        'user: Annotated[str, "vault:{environment}/db?ttl=60#user"]',
        'dsn: Annotated[str, "pg://${vault:a#x}:${vault:b#y}@h"]',
        'mine: str = "d"',
    )
    env = {"MINE": "vault:c#z"}
    ended = project.run("refs", "app:Settings", "-e", "production", env=env)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "dsn\tvault:a#x, vault:b#y\tannotation",
        "mine\tvault:c#z\tvalue",
        "user\tvault:production/db?ttl=1m#user\tannotation",
    ]
    ended = project.run("refs", "app:Settings", "--json", env=env)
    assert ended.code == 0
    listed = json.loads(ended.out)
    assert [item["field"] for item in listed] == ["dsn", "mine", "user"]
    assert "VAULTCONFIG_ENVIRONMENT" in listed[2]["problem"]
    project.write(".env", "USER=mine\nDSN=mine\n")
    ended = project.run("refs", "app:Settings", "-e", "dev", env={"SCAIVAULT_TOKEN": ""})
    assert (ended.code, ended.err) == (0, "")
    ended = project.run("refs", "app:Settings", env={"MINE": "vault:"})
    assert ended.code == 3
    assert "mine: invalid reference" in ended.err
    assert vault.requests == []
