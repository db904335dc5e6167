"""``vaultconfig import``: a `.env` into the vault, in one go or in several."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, Ended, Project, only_lines
from tests.cli.old_env import LINE, OLD_ENV
from tests.render.awkward import AWKWARD
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


PRINT = """
python - <<'EOF'
import json
from settings import Settings
settings = Settings()
held = {}
for name, info in Settings.model_fields.items():
    value = getattr(settings, name)
    is_secret = hasattr(value, "get_secret_value")
    held[info.validation_alias or name] = value.get_secret_value() if is_secret else value
print("HELD", json.dumps(held))
EOF
"""


def followed(project: Project, vault: DevServer, ended: Ended) -> dict[str, object]:
    """Run what was printed to be run next, in a fresh shell, and return what the class holds."""
    lines = ended.err.partition("Next, in a shell in this directory:\n")[2]
    bin_ = os.path.dirname(sys.executable)
    fresh = {
        "PATH": f"{bin_}:/usr/bin:/bin",
        "VIRTUAL_ENV": os.path.dirname(bin_),
        "SCAIVAULT_URL": vault.url,
        "SCAIVAULT_TOKEN": vault.token,
    }
    done = subprocess.run(
        ["sh", "-e"],
        input=lines + PRINT,
        cwd=project.path,
        env=fresh,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown, _, held = done.stdout.rpartition("HELD ")
    assert CANARY not in shown + done.stderr
    found: dict[str, object] = json.loads(held)
    return {key.lower(): value for key, value in found.items()}


def as_class(value: str | None) -> object:
    """Return what the class makes of a text."""
    if value is not None and re.fullmatch("true|false|yes|off", value, re.IGNORECASE):
        return value.lower() in ("true", "yes")
    is_number = value is not None and re.fullmatch("-?[1-9][0-9]{0,8}", value)
    return int(value or "") if is_number else value


def test_a_real_file(project: Project, vault: DevServer) -> None:
    """60 keys: the refusal; then a plan, and what is to be run next ends in equal settings."""
    file = project.write(".env", OLD_ENV)
    args = ("import", ".env", "--to", TO, "--yes")
    ended = project.run(*args)
    assert (ended.code, ended.out) == (3, "")
    assert only_lines(ended) == [
        f"Error: line {LINE} of .env cannot be read, so nothing was written: write NAME=VALUE "
        "there, and put quotes around a value of several lines or with quotes in it"
    ]
    assert not vault.requests
    text = OLD_ENV.replace('"shop"-x', "shop-x")
    file.write_bytes(text.encode())
    old = dotenv.parse(text)
    assert len(old) == 60
    ended = project.run(*args, "--plain", "AUTH_TOKEN")
    assert ended.code == 0, ended.err
    plan = [re.sub(" +", " ", line) for line in only_lines(ended)]
    for row in (
        "KEY GOES TO STATE",
        "DEBUG stays: it does not look like a secret",
        "EMPTY_TOKEN stays: it is empty",
        "BARE stays: it has no value",
        "CACHE_DIR stays: it is made of XDG_CACHE_HOME, from outside the file",
        f"DB_PASSWORD vault:{TO}/db#password new",
        "DATABASE_URL a template in the class made of DB_USER, DB_PASSWORD, with DB_HOST, DB_PORT "
        "as in the file now",
        "REPLICA_URL a template in the class made of DATABASE_URL",
        "AUTH_TOKEN a template in the class made of STRIPE_API_KEY",
    ):
        assert row in plan
    # Nothing is set in the fresh shell that it could be made of.
    assert followed(project, vault, ended) == {
        key.lower(): as_class(value) for key, value in old.items()
    }
    assert (project.path / "settings.py").read_text() == ended.out
    kept = file.read_text()
    assert dotenv.parse(kept) == {
        key: value for key, value in old.items() if f"# {key} moved to " not in kept
    }
    assert kept.count(CANARY) == 1  # in OUT_TOKEN, which stays


def test_a_password_that_rotates(project: Project, vault: DevServer) -> None:
    """An address that was made of it rotates with it, and stays one."""
    project.write(".env", "DB_PASSWORD=old\nURL=postgresql://app:${DB_PASSWORD}@db/app\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    vault.put(f"{TO}/db", {"password": "n@w"})
    project.write(".env", "")
    assert loaded(project, ended.out)["url"] == "postgresql://app:n%40w@db/app"


def test_a_class_in_a_file(project: Project, vault: DevServer) -> None:
    """-o writes it, over nothing else; the same again is fine."""
    project.write(".env", "API_KEY=x\nPORT=1\n")
    (project.path / "shop").mkdir()
    args = ("import", ".env", "--to", TO, "--yes", "-o", "shop/config.py")
    for _ in range(2):
        ended = project.run(*args)
        assert (ended.code, ended.out) == (0, "")
        assert only_lines(ended)[-2] == "(cd shop && vaultconfig check config:Settings) &&"
    assert "api_key: Annotated" in (project.path / "shop/config.py").read_text()
    asked = len(vault.requests)
    project.write("shop/config.py", "mine = 1\n")
    ended = project.run(*args)
    assert ended.code == 3
    assert only_lines(ended)[-1].startswith("Error: shop/config.py exists and is something else")
    for output in ("shop.txt", "a-b.py", "import.py"):
        assert project.run(*args[:-1], output).code == 2
    assert len(vault.requests) == asked
    assert project.run(*args[:-1], "nowhere/a.py").code == 3


def test_a_module_is_not_written_over(project: Project, vault: DevServer) -> None:
    """Where there is a settings.py, the class to save is called otherwise."""
    project.write("settings.py", "mine = 1\n")
    project.write(".env", "API_KEY=x\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert "cat > vault_settings.py <<'EOF'" in only_lines(ended)
    assert "vaultconfig check vault_settings:Settings &&" in only_lines(ended)


def test_comment_out(project: Project, vault: DevServer) -> None:
    """Lines that moved become comments once all is written; mode and the other lines stay."""
    file = project.write(".env", f"# x\r\nAPI_KEY='{CANARY}'\r\nPORT=1\r\n")
    file.chmod(0o644)
    args = ("import", ".env", "--to", TO, "--comment-out", "--yes")
    vault.fault(method="PUT", code="internal_error", times=5)
    assert project.run(*args).code == 6
    assert CANARY in file.read_text()
    vault.clear_faults()
    ended = project.run(*args)
    assert ended.code == 0, ended.err
    assert "1 variable turned into comments" in ended.err
    assert "--comment-out" not in ended.err
    told = f"# x\r\n# API_KEY moved to vault:{TO}/app#api_key\r\nPORT=1\r\n"
    assert (file.read_bytes().decode(), file.stat().st_mode & 0o777) == (told, 0o644)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file that is always full")
def test_comment_out_comes_after_the_class(project: Project) -> None:
    """Where the class can't be printed the file keeps its values, so that it can be tried again."""
    text = f"API_KEY={CANARY}\n"
    file = project.write(".env", text)
    args = ("import", ".env", "--to", TO, "--comment-out", "--yes")
    with open("/dev/full", "wb") as full:
        process = project.start(*args, stdout=full)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, file.read_text()) == (3, text)
    assert b"No space left on device" in told
    assert "api_key: Annotated" in project.run(*args).out
    assert CANARY not in file.read_text()


def test_a_class_is_printed_in_utf_8(project: Project) -> None:
    """Whatever the terminal speaks: it is going to be a module."""
    project.write(".env", f"API_KEY={CANARY}\nURL=http://€:${{API_KEY}}@h\n")
    ended = project.run_apart(
        "import", ".env", "--to", TO, "--yes", env={"PYTHONIOENCODING": "latin-1"}
    )
    assert (ended.code, "http://€:${vault:" in ended.out) == (0, True), ended.err


def test_a_failure_in_the_middle(project: Project, vault: DevServer) -> None:
    """It says how much has been written, and the same command goes on."""
    project.write(".env", "AA_PASSWORD=x\nBB_PASSWORD=x\nCC_PASSWORD=x\n")
    args = ("import", ".env", "--to", TO, "--yes")
    vault.fault(method="PUT", path=f"{TO}/bb", code="access_denied", times=1)
    ended = project.run(*args)
    assert (ended.code, only_lines(ended)[-1]) == (
        5,
        "Hint: 1 of 3 secrets written: run this again",
    )
    ended = project.run(*args)
    assert "2 values in 2 secrets written" in ended.err


def test_a_module_that_is_no_file(project: Project) -> None:
    """A FIFO, which would be waited for, is refused."""
    project.write(".env", "API_KEY=x\n")
    os.mkfifo(project.path / "settings.py")
    ended = project.run("import", ".env", "--to", TO, "-o", "settings.py", "--yes")
    assert ended.code == 3
    assert "it is not a regular file" in only_lines(ended)[0]


def test_comment_out_of_what_cannot_be_written(project: Project, vault: DevServer) -> None:
    """That is found before anything goes to the vault."""
    project.write(".env", "API_KEY=x\n")
    args = ("import", ".env", "--to", TO, "--comment-out", "--yes")
    command = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *COMMAND, *args]
    ended = subprocess.run(
        command, cwd=project.path, env=project.environ, capture_output=True, check=False
    )
    assert ended.returncode == 3
    assert b"Error: cannot write .env, which stays as it was: File too large" in ended.stderr
    assert [asked.method for asked in vault.requests if asked.method == "PUT"] == []
    assert project.names() == [".env"]


def test_comment_out_of_what_others_are_made_of(project: Project, vault: DevServer) -> None:
    """A variable that stays would lose a part of its value: that is an error, and comes first."""
    project.write(".env", "API_KEY=x\nOUT=${HOME}${API_KEY}\n")
    ended = project.run("import", ".env", "--to", TO, "--comment-out", "--yes")
    assert ended.code == 3
    assert "OUT (line 2) stays and is made of API_KEY" in only_lines(ended)[0]
    assert not vault.requests
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert "and does not rotate with API_KEY" in ended.err
    assert "--comment-out" not in ended.err


def test_comment_out_asks(project: Project, vault: DevServer) -> None:
    """Where the vault has everything, turning lines into comments is still asked about."""
    file = project.write(".env", "API_KEY=x\n")
    assert project.run("import", ".env", "--to", TO, "--yes").code == 0
    ended = project.run("import", ".env", "--to", TO, "--comment-out")
    assert (ended.code, file.read_text()) == (2, "API_KEY=x\n")


def test_a_file_that_changed_meanwhile(project: Project, vault: DevServer) -> None:
    """What somebody else has written since it was read is not written over."""
    file = project.write(".env", "API_KEY=x\n")
    args = ("import", ".env", "--to", TO, "--comment-out", "--yes")
    vault.hold(f"{TO}/app")
    process = project.start(*args)
    vault.wait_until_asked()
    file.write_text("API_KEY=y\n")
    vault.release()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, file.read_text()) == (3, "API_KEY=y\n")
    assert b".env has changed meanwhile: try again" in err


@pytest.mark.parametrize(
    ("prefix", "told"),
    [
        *((prefix, "characters of a-z 0-9 - _ /") for prefix in ("", "A/b", "a.b", "vault:", "é")),
        *((prefix, "more than a path") for prefix in ("a#b", "a?version=1")),
        ("a//b", "no leading, trailing or double slash"),
        ("{region}/a", "{region}"),
    ],
)
def test_a_prefix_that_is_no_path(
    project: Project, vault: DevServer, prefix: str, told: str
) -> None:
    """It is an error before anything is asked or written."""
    project.write(".env", "API_KEY=x\n")
    ended = project.run("import", ".env", "--to", prefix, "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert told in only_lines(ended)[0]
    assert not vault.requests


def test_nothing_to_move(project: Project, vault: DevServer) -> None:
    """Where nothing looks like a secret, it doesn't say that the vault has it."""
    project.write(".env", "PORT=1\n")
    ended = project.run("import", ".env", "--to", TO)
    assert ended.code == 0
    assert "Nothing to move: --secret KEY moves a variable all the same" in only_lines(ended)
    assert "Nothing to write" not in ended.err


def test_lines_that_are_not_utf_8(project: Project, vault: DevServer) -> None:
    """They are named by number; nothing of them is shown."""
    (project.path / ".env").write_bytes(f"A=1\nB_KEY={CANARY}".encode() + b"\xfc\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert ended.code == 3
    assert "line 2 is not UTF-8" in only_lines(ended)[0]


def test_on_a_terminal_the_class_stands_once(project: Project, vault: DevServer) -> None:
    """It is in the lines to paste, and not beside them, too."""
    project.write(".env", "API_KEY=x\n")
    args = [*COMMAND[1:], "import", ".env", "--to", TO, "--yes"]
    child = pexpect.spawn(COMMAND[0], args, cwd=str(project.path), env=project.environ, timeout=30)
    child.expect(pexpect.EOF)
    child.close()
    assert child.before.count(b"class Settings(VaultSettings)") == 1


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
    assert sorted(map(str, found.values())) == sorted({**old, "DEBUG": "True"}.values())
    assert found["db_password"] == old["DB_PASSWORD"]
    # The load, and each secret once more before it is written.
    assert {request.method for request in vault.requests} == {"GET", "POST", "PUT"}
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
    """In the end it says what to run next, and the prefix may be written like a reference."""
    project.write(".env", f"DB_PASSWORD={CANARY}\nPORT=8000\n")
    args = ("import", ".env", "--to", "vault:environments/{environment}/shop/", "--yes")
    ended = project.run(*args, "-e", "staging")
    assert ended.code == 0
    assert '"vault:environments/{environment}/shop/db#password"' in ended.out
    assert only_lines(ended)[-5:] == [
        "export VAULTCONFIG_ENVIRONMENT=staging",
        "export PORT=8000",
        "chmod 600 .env",
        "vaultconfig check settings:Settings &&",
        "  vaultconfig import .env --to 'environments/{environment}/shop' -o settings.py --yes "
        "--comment-out",
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
        child.expect(r"Write 1 value in 1 secret\?")
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


def test_a_secret_with_other_fields_gets_ours(project: Project, vault: DevServer) -> None:
    """Nothing is overwritten then, so it needs no --force."""
    vault.put(f"{TO}/db", {"port": 5432, "user": "app"})
    project.write(".env", f"DB_USER=app\nDB_PASSWORD={CANARY}\n")
    assert project.run("import", ".env", "--to", TO, "--yes").code == 0
    assert json.loads(project.run("get", f"{TO}/db").out) == {
        "password": CANARY,
        "port": 5432,
        "user": "app",
    }


def test_what_was_written_while_it_asked_is_kept(project: Project, vault: DevServer) -> None:
    """It would be lost, since what else a secret holds is written again with it."""
    vault.put(f"{TO}/db", {"port": 5432})
    project.write(".env", f"DB_PASSWORD={CANARY}\n")
    args = [*COMMAND[1:], "import", ".env", "--to", TO, "--force"]
    child = pexpect.spawn(COMMAND[0], args, cwd=str(project.path), env=project.environ, timeout=30)
    child.expect(r"Write 1 value in 1 secret\?")
    vault.put(f"{TO}/db", {"port": 6432, "user": "app"})
    child.sendline("y")
    child.expect("another writer has changed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    assert json.loads(project.run("get", f"{TO}/db").out) == {"port": 6432, "user": "app"}


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
        vault.wait_until_asked()  # shortly before it is written
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
    project.write(".env", "API_KEY=x\nBARE\n")
    ended = project.run("import", ".env", "--to", TO, "--secret", "BARE")
    assert (ended.code, "BARE cannot be moved: it has no value" in ended.err) == (2, True)
    assert project.run("import", "nowhere", "--to", TO).code == 3
    assert project.run("import", ".env", "--to", "/bad/", "--yes").code == 3


def test_two_keys_for_one_place(project: Project) -> None:
    """Keys that would be one field of one secret are named."""
    project.write(".env", "DB_PASSWORD=x\nDB-PASSWORD=y\n")
    ended = project.run("import", ".env", "--to", TO, "--yes")
    assert ended.code == 3
    assert "DB_PASSWORD and DB-PASSWORD would both be password of db" in only_lines(ended)[0]
