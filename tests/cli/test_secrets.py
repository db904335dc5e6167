"""``whoami``, ``get``, ``put``, ``ls`` and ``rm``, in pipes."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import CANARY, COMMAND, Project, only_lines
from tests.render.awkward import AWKWARD
from vaultconfig.devserver import DevServer


def test_whoami(project: Project, vault: DevServer) -> None:
    """It shows the identity and its scopes, to people and to programs."""
    ended = project.run("whoami")
    assert ended.code == 0
    assert "identity: dev-admin (service_account)\ntenant: dev\nscopes: secrets:read" in ended.out
    found = json.loads(project.run("whoami", "--json").out)
    assert (found["identity_id"], found["tenant_id"]) == ("dev-admin", "dev")
    token = vault.add_token(identity_id="x", expires_in=3600, scopes=())
    ended = project.run("whoami", env={"SCAIVAULT_TOKEN": token})
    assert "scopes: none\ntoken expires: " in ended.out
    vault.fault(path="/v1/auth/whoami", status=200, body='{"identity_id": "a\\u001b[31m\\nb"}')
    assert project.run("whoami").out == "identity: a?[31m?b\nscopes: none\n"


def test_get_is_exact(project: Project, vault: DevServer) -> None:
    """A value comes out as it is, with nothing added, whatever it is."""
    vault.put("all", AWKWARD)
    for key in ("PLAIN", "EMPTY", "CRLF", "UNICODE", "CONTROL", "TRAILING"):
        ended = project.run("get", f"all#{key}")
        assert (ended.code, ended.out, ended.err) == (0, AWKWARD[key], "")


def test_get_of_numbers_objects_and_versions(project: Project, vault: DevServer) -> None:
    """A number is its JSON, an object too; a version is the one asked for."""
    vault.put("db", {"port": 5432, "tls": True, "limits": {"soft": [1]}})
    vault.put("db", {"port": 1})
    assert project.run("get", "vault:db?version=1#port").out == "5432"
    assert project.run("get", "db?version=1#tls").out == "true"
    assert project.run("get", "db?version=1#/limits/soft/0").out == "1"
    assert json.loads(project.run("get", "db?version=1#limits").out) == {"soft": [1]}
    assert json.loads(project.run("get", "db").out) == {"port": 1}


def test_get_fills_the_environment_in(project: Project, vault: DevServer) -> None:
    """A placeholder is the environment of -e, and an error without one."""
    vault.put("staging/db", {"x": "y"})
    assert project.run("get", "{environment}/db#x", "-e", "staging").out == "y"
    assert project.run("-e", "staging", "get", "{environment}/db#x").out == "y"
    both = ("-e", "other", "get", "{environment}/db#x", "-e", "staging")
    assert project.run(*both).out == "y"
    ended = project.run("get", "{environment}/db#x")
    assert ended.code == 3
    assert only_lines(ended) == [
        "Error: {environment} in {environment}/db: no environment is set: -e NAME, or export "
        "VAULTCONFIG_ENVIRONMENT"
    ]


def test_get_into_a_file(project: Project, vault: DevServer) -> None:
    """-o writes it with mode 0600 and refuses what render refuses; --base64 gives the bytes."""
    raw = bytes(range(256))
    vault.put("tls", {"key": base64.encodebytes(raw).decode(), "text": f"{CANARY}\n"})
    ended = project.run("get", "tls#key", "--base64", "-o", "tls.key")
    assert (ended.code, ended.out) == (0, "")
    file = project.path / "tls.key"
    assert file.read_bytes() == raw
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert project.run("get", "tls#text", "-o", "text").code == 0
    assert (project.path / "text").read_text() == f"{CANARY}\n"
    (project.path / "link").symlink_to("text")
    assert project.run("get", "tls#text", "-o", "link").code == 3
    ended = project.run("get", "tls#text", "--base64")
    assert ended.code == 3
    assert only_lines(ended) == ["Error: vault:tls#text is not base64: leave --base64 out"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_get_into_a_file_of_a_stranger(project: Project, vault: DevServer) -> None:
    """Nor does root write a secret into a file that another user has laid out for it."""
    vault.put("tls", {"key": CANARY})
    bait = project.write("shared/bait", "")
    bait.parent.chmod(0o1777)
    os.chown(bait, 65534, 65534)
    ended = project.run("get", "tls#key", "-o", "shared/bait")
    assert (ended.code, bait.read_text()) == (3, "")
    assert "it belongs to another user" in only_lines(ended)[0]


@pytest.mark.parametrize("command", [["get", "env/prod/dbs#x"], ["rm", "-y", "env/prod/dbs"]])
def test_the_nearest_path_is_suggested(
    project: Project, vault: DevServer, command: list[str]
) -> None:
    """A path that isn't there comes with the one that may have been meant."""
    vault.put("env/prod/db", {"x": "y"})
    ended = project.run(*command)
    assert ended.code == 5
    assert ended.err.splitlines()[-1] == "Hint: did you mean env/prod/db?"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vault://env/db#key", "did you mean vault:env/db#key?"),
        ("/env/db#key", "did you mean vault:env/db#key?"),
        ("valut:env/db#key", "did you mean vault:env/db#key?"),
        ("Vault:env/db#key", "did you mean vault:env/db#key?"),
        ("env/db?tll=5m#key", "did you mean vault:env/db?ttl=5m#key?"),
        ("env/db?optinal#key", "did you mean vault:env/db?optional#key?"),
        ("env/db#key?version=1", "did you mean vault:env/db?version=1#key?"),
        ("env/db#inner.a", "did you mean vault:env/db#/inner/a?"),
        ("env/db#inner/a", "did you mean vault:env/db#/inner/a?"),
        ("env/db/key", "env/db is a secret: did you mean its field, env/db#key?"),
        ("env/db.key", "env/db is a secret: did you mean its field, env/db#key?"),
        ("env/db#other", None),
        ("env/db#?", None),
        ("env/db?version=x#key", None),
        ("env/db:key", None),
        ("", None),
    ],
)
def test_a_reference_that_is_nearly_right(
    project: Project, vault: DevServer, written: str, meant: str | None
) -> None:
    """What is written a little wrong comes with what was probably meant."""
    vault.put("env/db", {"key": CANARY, "inner": {"a": CANARY}})
    ended = project.run("get", written)
    assert ended.code in {3, 5}
    hints = [line for line in only_lines(ended) if line.startswith("Hint: ")]
    assert hints == ([f"Hint: {meant}"] if meant else [])


def test_no_suggestion_without_a_listing(project: Project, vault: DevServer) -> None:
    """Where nothing may be listed the error is as it was."""
    vault.fault(method="GET", path="/v1/secrets", code="access_denied")
    ended = project.run("get", "nowhere#x")
    assert (ended.code, len(only_lines(ended))) == (5, 1)


def test_put_keeps_values_out_of_sight(project: Project, vault: DevServer) -> None:
    """Values from files and standard input are exact; only those of arguments get a warning."""
    project.write("key.pem", f"{CANARY}\n")
    ended = project.run("put", "db", "password=-", "key=@key.pem", text=f"{CANARY}2\r\n".encode())
    assert (ended.code, ended.out, ended.err) == (0, "db: version 1 (new)\n", "")
    assert json.loads(project.run("get", "db").out) == {
        "password": f"{CANARY}2",
        "key": f"{CANARY}\n",
    }
    more = ("--tag", "x", "--description", "mine", "--replace")
    ended = project.run("put", "db", "user=a=b", "--json", *more)
    assert ended.code == 0
    assert json.loads(ended.out) == {"path": "db", "version": 2, "created": False}
    assert only_lines(ended) == [
        "Warning: user: on the command line a value stays in the shell's history and in the list "
        "of processes; KEY=- and KEY=@FILE do not",
        "Warning: no longer in it: password, key; version 1 has them",
    ]
    assert project.run("get", "db#user").out == "a=b"
    assert json.loads(project.run("ls", "--json").out)[0]["tags"] == ["x"]


def test_put_merges(project: Project, vault: DevServer) -> None:
    """--merge keeps the other fields, and writes nothing where they can't be seen."""
    vault.put("db", {"user": "old", "port": 5432})
    ended = project.run("put", "db", "user=new", "--merge")
    assert (ended.code, ended.out, len(only_lines(ended))) == (0, "db: version 2\n", 1)
    assert json.loads(project.run("get", "db").out) == {"user": "new", "port": 5432}
    assert project.run("put", "other", "a=b", "--merge").out == "other: version 1 (new)\n"
    vault.fault(method="GET", path="/v1/secrets/db", code="access_denied")
    assert project.run("put", "db", "user=x", "--merge").code == 5
    ended = project.run("put", "db", "user=x")
    assert ended.code == 5
    assert "--replace writes it all the same" in only_lines(ended)[-1]
    assert project.run("put", "db", "user=x", "--replace").out == "db: version 3\n"
    assert "--replace" not in project.run("put", "Upper/db", "user=x").err  # no way to write that


def test_put_over_a_secret_that_cannot_be_used(project: Project, vault: DevServer) -> None:
    """It is read to see what would be lost; --replace writes it anew."""
    vault.put("db", {"user": "old"})
    odd = f'{{"version": 1, "data": {{"user": "{CANARY}", "n": 1e400}}}}'
    vault.fault(method="GET", path="/v1/secrets/db", status=200, body=odd)
    ended = project.run("put", "db", "user=x")
    assert ended.code == 5
    assert "the vault's answer for db holds a number that is too large" in ended.err
    assert "--replace writes it all the same" in only_lines(ended)[-1]
    assert CANARY not in ended.err
    assert project.run("put", "db", "user=x", "--replace").out == "db: version 2\n"


def test_put_drops_nothing_unasked(project: Project, vault: DevServer) -> None:
    """Without a terminal to ask on, a secret with other fields needs --merge or --replace."""
    vault.put("db", {"user": CANARY, "a\x1b[2J": "x"})
    ended = project.run("put", "db", "password=-", text=b"x")
    assert ended.code == 2
    assert only_lines(ended)[-1] == (
        "Error: db has other fields: user, a?[2J: add --merge to keep them, or --replace to drop "
        "them"
    )
    assert project.run("put", "db", "x=-", "--merge", "--replace", text=b"x").code == 2
    assert {request.method for request in vault.requests} == {"GET"}
    ended = project.run("put", "db", "password=-", "--replace", text=b"x")
    assert (ended.code, ended.out) == (0, "db: version 2\n")
    assert only_lines(ended) == ["Warning: no longer in it: user, a?[2J; version 1 has them"]
    ended = project.run("put", "db", "password=-", text=b"y")  # the same fields as before
    assert (ended.code, ended.out, ended.err) == (0, "db: version 3\n", "")


def test_put_keeps_what_is_known_of_a_secret(project: Project, vault: DevServer) -> None:
    """Type, description and tags stay unless others are given; an end that is lost is told."""
    project.write("pem", "x")
    shown = ("--type", "certificate", "--description", "mine", "--tag", "a", "--tag", "b")
    assert project.run("put", "tls", "key=@pem", *shown).code == 0
    for more in ((), ("--merge",), ("--replace",)):
        assert project.run("put", "tls", "key=@pem", *more).code == 0
        (listed,) = json.loads(project.run("ls", "tls", "--json").out)
        assert (listed["secret_type"], listed["tags"]) == ("certificate", ["a", "b"])
    assert project.run("put", "tls", "key=@pem", "--type", "kv", "--tag", "c").code == 0
    (listed,) = json.loads(project.run("ls", "tls", "--json").out)
    assert (listed["secret_type"], listed["tags"]) == ("kv", ["c"])
    vault.put("ends", {"key": "x"}, expires_in="1d")
    ended = project.run("put", "ends", "key=@pem")
    assert ended.code == 0
    assert "it was to expire at" in only_lines(ended)[0]


def test_put_tells_of_another_writer(project: Project, vault: DevServer) -> None:
    """A version that somebody wrote after put had looked is named, and the exit code is 1."""
    vault.put("db", {"user": "a"})
    vault.put("db", {"user": "b"})
    vault.fault(method="GET", path="db", lag=1, times=1)  # as if version 2 came right after it
    ended = project.run("put", "db", "user=-", text=b"c")
    assert (ended.code, ended.out) == (1, "db: version 3\n")
    assert only_lines(ended) == [
        "Warning: version 2 came from another writer in between, and is not part of this "
        "one: compare it by vaultconfig get 'db?version=2'"
    ]
    vault.fault(method="GET", path="db", code="secret_not_found", times=1)
    assert project.run("put", "db", "user=-", text=b"d").code == 1
    vault.delete("db")
    assert project.run("put", "db", "user=-", text=b"e").code == 0


def test_paths_are_written_as_references_are(project: Project, vault: DevServer) -> None:
    """put and rm take vault: and {environment} as get does, and nothing behind the path."""
    ended = project.run("put", "vault:{environment}/db", "a=b", "-e", "staging")
    assert (ended.code, ended.out) == (0, "staging/db: version 1 (new)\n")
    assert project.run("rm", "vault:{environment}/db", "-y", "-e", "staging").code == 0
    for path in ("db#a", "db?version=1"):
        ended = project.run("put", path, "a=b")
        assert ended.code == 3
        assert only_lines(ended)[-1] == (
            f"Error: {path} is more than a path: leave out what follows ? or #"
        )


def test_a_path_that_the_vault_refuses(project: Project, vault: DevServer) -> None:
    """A path that is none for the vault comes with what one is made of."""
    ended = project.run("put", "Db", "a=-", text=b"x")
    assert ended.code == 5
    assert "a-z 0-9 - _ /" in only_lines(ended)[-1]


@pytest.mark.parametrize("command", [["whoami"], ["ls"], ["rm", "-y", "a"], ["put", "a", "b=-"]])
def test_nothing_listens_on_this_machine(
    project: Project, vault: DevServer, command: list[str]
) -> None:
    """Where nothing is listening on this machine it is said at once, with what to do."""
    vault.stop()
    ended = project.run(*command, env={"VAULTCONFIG_DEADLINE": "600"}, text=b"x")
    assert ended.code == 6
    assert only_lines(ended) == [
        f"Error: nothing is listening at {vault.url}: check SCAIVAULT_URL, or "
        "start vaultconfig dev-server"
    ]


def test_what_the_vault_says_moves_no_cursor(project: Project, vault: DevServer) -> None:
    """Control characters of names and messages from the vault are shown as question marks."""
    vault.put("db", {"a\x1b[2Jb": "x"})
    ended = project.run("put", "db", "c=d", "--replace")
    assert only_lines(ended)[-1] == "Warning: no longer in it: a?[2Jb; version 1 has them"
    body = '{"error": {"code": "odd\\u001b[2J", "message": ""}}'
    vault.fault(path="/v1/secrets/db", status=400, body=body)
    ended = project.run("get", "db#c")
    assert (ended.code, "\x1b" in ended.err) == (6, False)


def test_put_of_binary_files(project: Project, vault: DevServer) -> None:
    """A file that isn't text needs --base64, and comes back with it."""
    raw = bytes(range(256))
    (project.path / "raw").write_bytes(raw)
    ended = project.run("put", "tls", "key=@raw")
    assert ended.code == 3
    assert "--base64 takes binary data" in only_lines(ended)[0]
    assert project.run("put", "tls", "key=@raw", "--base64").code == 0
    assert project.run("get", "tls#key", "--base64", "-o", "back").code == 0
    assert (project.path / "back").read_bytes() == raw
    for pair in ("key=-", "key=text"):
        ended = project.run("put", "tls", pair, "--base64", text=b"text")
        assert ended.code == 2
        assert "--base64 encodes files alone: write KEY=@FILE" in ended.err


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        (["x"], 2),
        (["=x"], 2),
        (["a=-", "b=-"], 2),
        (["a=1", "a=2"], 2),
        ([], 2),
        (["a="], 2),
        (["a=@"], 2),
        (["a=-"], 3),
        (["a=@nowhere"], 3),
        (["a=@huge"], 3),
        (["a=@."], 3),
    ],
)
def test_put_of_malformed_arguments(
    project: Project, vault: DevServer, pairs: list[str], code: int
) -> None:
    """Malformed arguments, and values that are missing, write nothing; no value is shown."""
    with open(project.path / "huge", "wb") as file:
        file.truncate((8 << 20) + 1)
    ended = project.run("put", "db", *pairs)
    assert ended.code == code
    assert not vault.requests


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["k=caf\udce9"], "k: its value is not text: use KEY=@FILE with --base64"),
        (["caf\udce9=-"], "a key is not text: write it in UTF-8"),
        (["k=-", "--type=caf\udce9"], "--type is not text"),
        (["k=-", "--description=caf\udce9"], "--description is not text"),
        (["k=-", "--tag=a", "--tag=caf\udce9"], "--tag is not text"),
    ],
)
def test_put_of_arguments_that_are_not_text(
    project: Project, vault: DevServer, arguments: list[str], told: str
) -> None:
    """Bytes on the command line that are not UTF-8 are rejected, and nothing is written."""
    ended = project.run("put", "db", *arguments, text=b"x")
    assert ended.code == 3
    assert told in only_lines(ended)[-1]
    assert not vault.requests


def test_put_of_standard_input_that_is_not_text(project: Project) -> None:
    """Bytes that are no text are refused."""
    ended = project.run("put", "db", "a=-", text=b"\xff")
    assert ended.code == 3
    assert "standard input is not text" in only_lines(ended)[0]


def test_ls(project: Project, vault: DevServer) -> None:
    """All pages are listed, a path a line; nothing is an empty list."""
    for number in range(60):
        vault.put(f"many/s{number:02}", {"x": "y"})
    ended = project.run("ls", "many/")
    assert ended.out.splitlines() == [f"many/s{number:02}" for number in range(60)]
    assert len(json.loads(project.run("ls", "--json").out)) == 60
    ended = project.run("ls", "vault:none")
    told = "there is no secret that begins with none, or none that this token may list"
    assert (ended.code, ended.out, only_lines(ended)) == (0, "", [told])
    assert project.run("ls", "none", "--json").out == "[]\n"
    many = [f"many/s{number:02}" for number in range(60)]
    assert project.run("ls", "vault:{environment}/", "-e", "many").out.splitlines() == many


def test_rm(project: Project, vault: DevServer) -> None:
    """It deletes when told to; without a terminal to ask on, --yes is required.

    What is not there is said first.
    """
    assert project.run("rm", "db").code == 5
    vault.put("db", {"x": "y"})
    assert project.run("rm", "db").code == 2
    assert project.run("rm", "db", "--yes").code == 0
    assert project.run("get", "db#x").code == 5


def test_denied_writes(project: Project, vault: DevServer, tmp_path: Path) -> None:
    """A write that is denied is 5, a token without the scope 4."""
    vault.deny("db")
    assert project.run("put", "db", "a=b").code == 5
    token = vault.add_token(scopes=("secrets:read",))
    ended = project.run("put", "x", "a=b", env={"SCAIVAULT_TOKEN": token})
    assert ended.code in {4, 5}
    only_lines(ended)


def test_the_connection_of_a_development_machine(project: Project, vault: DevServer) -> None:
    """In development these commands find the vault in .env, too."""
    project.write(".env", f"SCAIVAULT_URL={vault.url}\nSCAIVAULT_TOKEN={vault.token}\n")
    nowhere = {"SCAIVAULT_URL": "", "SCAIVAULT_TOKEN": ""}
    assert project.run("whoami", env=nowhere).code == 3
    assert project.run("whoami", "-e", "development", env=nowhere).code == 0


def test_streams_that_take_nothing(project: Project, vault: DevServer) -> None:
    """A command says which closed stream it needs; one that needs none of them runs.

    What stands on standard error is never needed.
    """
    project.declare('key: Annotated[SecretStr, "vault:app#key"]')
    vault.put("app", {"key": "value"})
    for line, code, told in (
        ("get app#key >&-", 3, "standard output is closed"),
        ("check app:Settings >&-", 3, "standard output is closed"),
        ("--version >&-", 3, "Error: standard output is closed"),
        ("put app key=- <&-", 3, "standard input is closed"),
        ("rm app <&-", 2, "standard input is not a terminal"),
        ("run app:Settings -- true <&- >&- 2>&-", 0, ""),
        ("get no#key 2>/dev/full", 5, ""),
        ("run app:Settings -- true 2>/dev/full", 0, ""),
    ):
        command = f"{shlex.join(COMMAND)} {line}"
        ended = subprocess.run(
            ["sh", "-c", command],
            env=project.environ,
            cwd=project.path,
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (code, b""), line
        assert told in ended.stderr.decode()


def test_a_hyphen_is_standard_output(project: Project, vault: DevServer) -> None:
    """As for `render`."""
    vault.put("app", {"key": "value"})
    ended = project.run("get", "app#key", "-o", "-")
    assert (ended.code, ended.out) == (0, "value")
