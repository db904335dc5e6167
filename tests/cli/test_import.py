"""``vaultconfig import``: a `.env` into the vault, in one go or in several."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, Project, only_lines
from tests.render.awkward import AWKWARD
from vaultconfig.cli.classify import destination, looks_secret, sort
from vaultconfig.cli.moving import Pace
from vaultconfig.devserver import DOCUMENTED_LIMITS, DevServer
from vaultconfig.render import dotenv

TO = "environments/production/shop"
SHOW = (
    "import json; from moved import Settings; s = Settings(); "
    "print(json.dumps({k: getattr(v, 'get_secret_value', lambda v=v: v)() for k, v in s}))"
)


def loaded(project: Project, source: str) -> dict[str, str]:
    """Save the class that was printed, and return what it loads."""
    project.write("moved.py", source)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHOW],
        cwd=project.path,
        env={**project.environ, "VAULTCONFIG_ENVIRONMENT": "development"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def plain_only(project: Project, old: Mapping[str, str], source: str) -> None:
    """Take what went into the vault out of the .env."""
    moved = re.findall(r"(\w+): Annotated\[.*?(?:alias=\"(\w+)\")?\)?$", source, re.MULTILINE)
    gone = {alias or name.upper() for name, alias in moved}
    kept = {key: value for key, value in old.items() if key not in gone}
    assert len(kept) < len(old)
    project.write(".env", dotenv.update("", kept))


def test_the_class_loads_equal(project: Project, vault: DevServer) -> None:
    """The class that is printed loads what the old file held, its secrets from the vault."""
    old = {
        "DEBUG": "true",
        "DB_HOST": "localhost",
        "DB_USER": "app",
        "DB_PASSWORD": f"it's {CANARY}",
        "SALESFORCE_CLIENT_ID": "3MVG9",
        "SALESFORCE_CLIENT_SECRET": "x y",
        "SECRET_KEY": "${not} a variable",
        "DATABASE_URL": "postgresql://u:p@h/db",
        "COPY": "a field of pydantic's",
        "CLASS_TOKEN": "x",
        "_PASSWORD": "leading",
    }
    project.write(".env", dotenv.update("# mine\n", old))
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert ended.code == 0, ended.err
    assert CANARY not in ended.out + ended.err
    plain_only(project, old, ended.out)
    found = loaded(project, ended.out)
    assert sorted(found.values()) == sorted(old.values())
    assert found["db_password"] == old["DB_PASSWORD"]
    assert {request.method for request in vault.requests} == {"POST", "PUT"}
    assert json.loads(project.run("get", f"{TO}/db").out) == {
        "user": "app",
        "password": old["DB_PASSWORD"],
    }


def test_awkward_values(project: Project, vault: DevServer) -> None:
    """Whatever a value is, it arrives as python-dotenv reads it."""
    awkward = {
        f"{key}_SECRET": value
        for key, value in AWKWARD.items()
        if value and not value.startswith("vault:")
    }
    project.write(".env", dotenv.update("", awkward))
    keys = [word for key in awkward for word in ("--secret", key)]
    ended = project.run("import", ".env", "--to", TO, "--yes", *keys)
    assert ended.code == 0, ended.err
    project.write(".env", "")
    found = loaded(project, ended.out)
    assert {key.upper(): value for key, value in found.items()} == awkward


def test_a_plan_without_values(project: Project, vault: DevServer) -> None:
    """Without --yes or a terminal it shows the plan, no value, and writes nothing."""
    project.write(
        ".env",
        f"API_KEY={CANARY}\nPORT=8000\nHERE=$HOME/x\nOUT_TOKEN=${{ELSEWHERE}}{CANARY}\n"
        "REF_TOKEN='vault:db#x'\nNOTHING\n",
    )
    ended = project.run("import", ".env", "--to", TO)
    assert (ended.code, ended.out) == (2, "")
    lines = only_lines(ended)
    assert lines[1].split() == ["API_KEY", f"vault:{TO}/app#api_key", "new"]
    told = " ".join(lines)
    assert "PORT stays: it does not look like a secret" in re.sub(" +", " ", told)
    assert "OUT_TOKEN stays: it is made of ELSEWHERE" in re.sub(" +", " ", told)
    assert "REF_TOKEN stays: it is a reference already" in re.sub(" +", " ", told)
    assert "NOTHING stays: it has no value" in re.sub(" +", " ", told)
    assert all(request.method != "PUT" for request in vault.requests)


def test_what_is_left_to_do(project: Project, vault: DevServer) -> None:
    """In the end it says what to do by hand, and the prefix may be written like a reference."""
    project.write(".env", f"DB_PASSWORD={CANARY}\nPORT=8000\n")
    args = ("import", ".env", "--to", "vault:environments/{environment}/shop/", "--yes")
    ended = project.run(*args, "-e", "staging")
    assert ended.code == 0
    assert '"vault:environments/{environment}/shop/db#password"' in ended.out
    assert only_lines(ended)[-3:] == [
        "Next: save this class as a module of its own",
        "Next: remove from .env what the vault has now: DB_PASSWORD",
        "Next: in production no .env is read, so set there: PORT",
    ]
    assert project.run("get", "environments/staging/shop/db#password").out == CANARY


def test_it_asks(project: Project, vault: DevServer) -> None:
    """On a terminal it asks, and no is no."""
    project.write(".env", "API_KEY=x\n")
    for answer, version in (("n", 0), ("y", 1)):
        args = [*COMMAND[1:], "import", ".env", "--to", TO]
        child = pexpect.spawn(
            COMMAND[0], args, cwd=str(project.path), env=project.environ, timeout=30
        )
        child.expect(r"Write 1 secret\?")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        writes = [request for request in vault.requests if request.method == "PUT"]
        assert len(writes) == version


def test_what_differs_is_not_overwritten(project: Project, vault: DevServer) -> None:
    """A secret that holds something else stops it all, unless forced; its other fields stay."""
    vault.put(f"{TO}/db", {"password": f"{CANARY}-theirs", "port": 5432})
    project.write(".env", f"DB_PASSWORD={CANARY}\nAPI_KEY=x\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert (ended.code, ended.out) == (1, "")
    assert f"something else at {TO}/db: nothing was written" in only_lines(ended)[-1]
    assert all(request.method != "PUT" for request in vault.requests)
    assert project.run("import", ".env", "--to", TO, "--yes", "--force").code == 0
    assert json.loads(project.run("get", f"{TO}/db").out) == {"password": CANARY, "port": 5432}


def test_what_cannot_be_read_stops_it(project: Project, vault: DevServer) -> None:
    """A secret that may not be read stops it: it is unknown what writing would destroy."""
    vault.deny(f"{TO}/db")
    project.write(".env", "DB_PASSWORD=x\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert ended.code == 5
    assert all(request.method != "PUT" for request in vault.requests)


def test_a_write_that_the_vault_puts_off(project: Project, vault: DevServer) -> None:
    """A write over the vault's limit is sent again when the vault asks for it."""
    project.write(".env", f"DB_PASSWORD={CANARY}\n")
    vault.fault(method="PUT", code="rate_limited", retry_after=1, times=1)
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert (ended.code, project.run("get", f"{TO}/db#password").out) == (0, CANARY)


def test_stopped_half_way_and_started_again(project: Project) -> None:
    """60 keys, killed in the middle: started again, nothing is lost and nothing written twice."""
    old = {f"SERVICE{number}_TOKEN": f"{CANARY}-{number}" for number in range(60)}
    project.write(".env", dotenv.update("", old))
    with DevServer(limits=DOCUMENTED_LIMITS) as vault:
        environ = {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
        vault.hold(f"{TO}/service30")
        process = project.start("import", ".env", "--to", TO, "--yes", env=environ)
        vault.wait_until_asked()  # the read of all
        vault.release()
        vault.hold(f"{TO}/service30")
        vault.wait_until_asked()  # its write
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        vault.release()
        assert process.returncode == -signal.SIGKILL
        ended = project.run("import", ".env", "--to", TO, "--yes", env=environ)
        assert ended.code == 0, ended.err
        assert CANARY not in ended.out + ended.err
        listed = json.loads(project.run("ls", TO, "--json", env=environ).out)
        versions = {item["path"]: item["version"] for item in listed}
        again = project.run("import", ".env", "--to", TO, "--yes", env=environ)
        assert "Nothing to write" in again.err
        assert again.out == ended.out
    # The one whose answer never came may have been written; it is not written again if so.
    assert versions == {f"{TO}/service{number}": 1 for number in range(60)}
    project.write(".env", "")


def test_options_that_name_no_key(project: Project) -> None:
    """A key that isn't in the file suggests the nearest; so does a file that isn't there say so."""
    project.write(".env", "API_KEY=x\n")
    ended = project.run("import", ".env", "--to", TO, "--plain", "APIKEY")
    assert (ended.code, "did you mean API_KEY?" in ended.err) == (2, True)
    assert project.run("import", "nowhere", "--to", TO).code == 3
    assert project.run("import", ".env", "--to", "/bad/", "--yes").code == 3


def test_two_keys_for_one_place(project: Project) -> None:
    """Keys that would be one field of one secret are named."""
    project.write(".env", "DB_PASSWORD=x\ndb_password=y\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert ended.code == 3
    assert "DB_PASSWORD and db_password would both be password of db" in only_lines(ended)[0]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("DB_PASSWORD", "x", True),
        ("DB_PASSWORD", "", False),
        ("PASSWORD_MIN_LENGTH", "8", False),
        ("CSRF_TOKEN", "true", False),
        ("TOKEN_URL", "https://x/token", False),
        ("STRIPE_API_KEY", "sk", True),
        ("STRIPE_PUBLISHABLE_KEY", "pk", False),
        ("SSL_KEY", "/etc/ssl/key.pem", False),
        ("SSL", "-----BEGIN RSA PRIVATE KEY-----\nx", True),
        ("DATABASE_URL", "postgresql://u:p@h/db", True),
        ("DATABASE_URL", "postgresql://h/db", False),
        ("REDIS_URL", "redis://:p@h/0", True),
        ("GH", "ghp_0123456789", True),
        ("PORT", "8000", False),
    ],
)
def test_what_looks_like_a_secret(key: str, value: str, expected: bool) -> None:
    """Names count by their last words, values by their shape."""
    assert looks_secret(key, value) is expected


@pytest.mark.parametrize(
    ("key", "group", "field"),
    [
        ("DB_PASSWORD", "db", "password"),
        ("MY_DB_PASSWORD", "my-db", "password"),
        ("SALESFORCE_CLIENT_SECRET", "salesforce", "client_secret"),
        ("AWS_SECRET_ACCESS_KEY", "aws", "secret_access_key"),
        ("AWS_ACCESS_KEY_ID", "aws", "access_key_id"),
        ("SECRET_KEY", "app", "secret_key"),
        ("PASSWORD", "app", "password"),
        ("DATABASE_URL", "database", "url"),
        ("DSN", "app", "dsn"),
    ],
)
def test_where_a_key_goes(key: str, group: str, field: str) -> None:
    """What stands before the telling words is the group."""
    place = destination(key)
    assert (place.group, place.field) == (group, field)


def test_companions_go_along() -> None:
    """A user name goes where its password goes, and stays where there is none."""
    sorting = sort({"DB_USER": "u", "DB_PASSWORD": "p", "DB_HOST": "h", "MAIL_USER": "m"})
    assert [place.key for place in sorting.secret] == ["DB_USER", "DB_PASSWORD"]
    assert sorting.plain == ["DB_HOST", "MAIL_USER"]


def test_what_is_said_overrules() -> None:
    """--secret and --plain overrule what it looks like."""
    sorting = sort({"DB_PASSWORD": "p", "PORT": "1"}, secret=["PORT"], plain=["DB_PASSWORD"])
    assert [place.key for place in sorting.secret] == ["PORT"]


def test_the_pace() -> None:
    """In any minute there are no more writes than the limit, and no waiting below it."""
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    pace = Pace(3, clock=lambda: now[0], sleep=sleep)
    times = []
    for _ in range(7):
        pace.wait()
        times.append(now[0])
        now[0] += 1
    assert times == [0, 1, 2, 60, 61, 62, 120]
    assert waits == [57, 0, 0, 57]
