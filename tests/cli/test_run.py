"""``vaultconfig run``: another program in our place, with the settings in its environment."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import CANARY, COMMAND, Project, only_lines
from tests.render.awkward import AWKWARD
from vaultconfig.cli.becoming import _too_long
from vaultconfig.connection.connection import CREDENTIALS, Connection
from vaultconfig.connection.variables import PRIVATE_VARIABLES
from vaultconfig.devserver import DevServer

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
USER = 'user: Annotated[str, "vault:db#user"]'
PASSWORD = 'password: Annotated[SecretStr, "vault:db#password"]'


@pytest.fixture
def shop(project: Project, vault: DevServer) -> Project:
    project.declare(USER, PASSWORD)
    vault.put("db", {"user": "app", "password": CANARY})
    return project


def environment(project: Project, *args: str, **env: str) -> dict[str, str]:
    ended = project.run_apart(
        "run", "app:Settings", *args, "--", sys.executable, "-c", SHOW, env=env
    )
    assert ended.code == 0, ended.err
    found: dict[str, str] = json.loads(ended.out)
    return found


def test_the_variables_are_set(shop: Project) -> None:
    """The program gets the vault's fields, what was there before, and none of our credentials."""
    found = environment(shop, OTHER="kept", VAULTCONFIG_TTL="60")
    assert (found["USER"], found["PASSWORD"], found["OTHER"]) == ("app", CANARY, "kept")
    assert "SCAIVAULT_TOKEN" not in found
    assert found["SCAIVAULT_URL"]
    assert found["VAULTCONFIG_TTL"] == "60"


def test_every_credential_is_taken_out(shop: Project, vault: DevServer, tmp_path: Path) -> None:
    """Client credentials and token files go, unless they are to be kept."""
    vault.add_client("c-id", "c-secret")
    client = {
        "SCAIVAULT_TOKEN": "",
        "SCAIKEY_CLIENT_ID": "c-id",
        "SCAIKEY_CLIENT_SECRET": "c-secret",
        "SCAIKEY_TOKEN_URL": f"{vault.url}/oauth/token",
    }
    assert not {"SCAIKEY_CLIENT_ID", "SCAIKEY_CLIENT_SECRET"} & environment(shop, **client).keys()
    token = tmp_path / "token"
    token.write_text(vault.token)
    in_file = {"SCAIVAULT_TOKEN": "", "VAULTCONFIG_TOKEN_FILE": str(token)}
    assert "VAULTCONFIG_TOKEN_FILE" not in environment(shop, **in_file)
    kept = environment(shop, "--keep-credentials", **in_file)
    assert kept["VAULTCONFIG_TOKEN_FILE"] == str(token)


def test_no_credential_is_forgotten() -> None:
    """Whatever the connection takes for a credential, and every secret of it, is taken out."""
    fields = Connection.model_fields.values()
    secret = {str(field.alias) for field in fields if "SecretStr" in str(field.annotation)}
    assert secret | set(CREDENTIALS) <= set(PRIVATE_VARIABLES)


def test_only_and_prefix(shop: Project) -> None:
    """Some of the variables, and other names for them; an unknown name suggests the nearest."""
    found = environment(shop, "--only", "PASSWORD", "--prefix", "DB_", USER="mine")
    assert (found["USER"], found["DB_PASSWORD"]) == ("mine", CANARY)
    assert not {"DB_USER", "PASSWORD"} & found.keys()
    ended = shop.run("run", "app:Settings", "--only", "PASWORD", "--", "true")
    assert (ended.code, "did you mean PASSWORD?" in ended.err) == (2, True)


def test_other_spellings_go(shop: Project) -> None:
    """Of two spellings that pydantic-settings takes for one, only ours is left."""
    assert "user" not in environment(shop, user="vault:db#user", USER="")


def test_the_program_needs_no_vault(shop: Project) -> None:
    """An application that runs so finds its settings without a vault."""
    code = "import app; print(app.Settings().password.get_secret_value())"
    ended = shop.run("run", "--", sys.executable, "-c", code, env={})
    assert ended.code == 3
    shop.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    ended = shop.run_apart("run", "--", sys.executable, "-c", code)
    assert (ended.code, ended.out) == (0, f"{CANARY}\n")


@pytest.mark.parametrize("code", [0, 3, 137])
def test_exit_codes_pass_through(shop: Project, code: int) -> None:
    """The exit code is the program's own."""
    assert shop.run_apart("run", "app:Settings", "--", "sh", "-c", f"exit {code}").code == code


def test_signals_and_pid_are_its_own(shop: Project) -> None:
    """It has our process id, and a signal that ends it ends us."""
    process = shop.start("run", "app:Settings", "--", "sh", "-c", "echo $$; kill -TERM $$")
    out, _ = process.communicate(timeout=30)
    assert (int(out), process.returncode) == (process.pid, -signal.SIGTERM)


def test_a_broken_pipe_ends_it(shop: Project) -> None:
    """What Python ignores is not ignored by the program: `yes` ends when nobody reads."""
    process = shop.start("run", "app:Settings", "--", "yes")
    assert process.stdout is not None
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(timeout=30) == -signal.SIGPIPE


def test_ctrl_c_reaches_it_once(shop: Project) -> None:
    """In a terminal Ctrl-C reaches the program, once, and its answer to that counts."""
    code = (
        "import signal, sys\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1) or print('int', len(got)))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "sys.exit(40 + len(got))"
    )
    args = [*COMMAND[1:], "run", "app:Settings", "--", sys.executable, "-c", code]
    child = pexpect.spawn(
        COMMAND[0], args, cwd=str(shop.path), env=os.environ | shop.environ, timeout=30
    )
    child.expect("ready")
    child.sendintr()
    child.expect("int 1")
    child.sendline("go on")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == (41, None)


def test_awkward_values(project: Project, vault: DevServer) -> None:
    """Every value arrives as it is."""
    vault.put("all", AWKWARD)
    project.declare(*(f'v_{k.lower()}: Annotated[str, "vault:all#{k}"]' for k in AWKWARD))
    found = environment(project)
    assert {key: found[f"V_{key}"] for key in AWKWARD} == AWKWARD


@pytest.mark.parametrize("more", [[], ["--prefix", "X_"], ["--only", "API_KEY"]])
def test_two_fields_on_one_variable(shop: Project, more: list[str]) -> None:
    """They are refused by name, and nothing runs."""
    shop.declare(
        'first: Annotated[str, "vault:db#user"] = Field(validation_alias="API_KEY")',
        'second: Annotated[str, "vault:db#password"] = Field(validation_alias="api_key")',
    )
    ended = shop.run("run", "app:Settings", *more, "--", "touch", "started")
    assert (ended.code, shop.names()) == (3, ["app.py"])
    assert "first and second are both read from the variable API_KEY" in only_lines(ended)[0]


def test_a_name_that_no_variable_has(shop: Project) -> None:
    """It is refused by name."""
    for more in ((), ("--watch",)):
        ended = shop.run_apart("run", "--prefix", "X=", *more, "app:Settings", "--", "true")
        assert (ended.code, only_lines(ended)) == (
            3,
            ["Error: 'X=USER' is not a valid variable name: it has a '='"],
        )


def test_what_another_source_gives(shop: Project) -> None:
    """It is handed on, and named: what was rendered once would stay for ever."""
    ended = shop.run_apart("run", "app:Settings", "--", "sh", "-c", "echo $USER", env={"USER": "x"})
    assert (ended.code, ended.out) == (0, "x\n")
    told = "Warning: not the vault's, because another source gives it: user (environment)"
    assert only_lines(ended) == [told]


@pytest.mark.parametrize("kind", ["bool | str", "Any", "int | str"])
def test_a_value_that_would_come_back_as_another(
    project: Project, vault: DevServer, kind: str
) -> None:
    """It is refused by name, though each of both is valid."""
    vault.put("v", {"x": 1 if kind == "int | str" else True, "y": 2})
    project.declare(f'x: Annotated[{kind}, "vault:v#x"]', 'y: Annotated[int, "vault:v#y"]')
    for args in (["render", "app:Settings"], ["run", "app:Settings", "--", "true"]):
        ended = project.run(*args)
        assert (ended.code, project.names()) == (3, ["app.py"])
        (line,) = only_lines(ended)
        assert line.startswith("Error: x: Settings would make another value of the text in X")


def test_a_value_that_is_equal_to_itself_alone(project: Project, vault: DevServer) -> None:
    """It can't be compared, and is no reason to refuse it."""
    vault.put("v", {"x": 1})
    head = "class Odd:\n    def __init__(self, text): pass\nfrom pydantic import PlainValidator"
    project.declare('x: Annotated[Any, PlainValidator(Odd), "vault:v#x"]', head=head)
    assert project.run("render", "app:Settings", "-o", "-").out == "X=1\n"


def test_what_an_environment_cannot_hold(shop: Project, vault: DevServer) -> None:
    """A NUL character is refused by name, and so is what the program would resolve again."""
    vault.put("db", {"user": "x", "password": f"{CANARY}\0"})
    ended = shop.run("run", "app:Settings", "--", "true")
    assert ended.code == 3
    assert only_lines(ended)[0].startswith("Error: PASSWORD: an environment cannot hold the value")
    vault.put("db", {"user": "vault:other#x", "password": "x"})
    ended = shop.run("run", "app:Settings", "--", "true")
    assert ended.code == 3
    assert "USER: the value reads like a reference" in only_lines(ended)[0]


# Tries each of the programs that it reads, and says how that ended.
TRIES = """
import json, os, sys
from click.exceptions import Exit
from vaultconfig.cli.becoming import become
for command in json.load(sys.stdin):
    try:
        become(command, os.environ)
    except Exit as exc:
        print(exc.exit_code, file=sys.stderr)
"""
PROGRAMS = {
    "no-such-program": (127, "there is no such program in PATH"),
    "./no-such-program": (127, "there is no such file"),
    "plain/x": (127, "there is no such file"),
    "plain": (127, "there is no such program in PATH: write ./plain for the one that is here"),
    "true --flag": (
        127,
        "there is no such program: write its arguments without quotes around all of them",
    ),
    "./plain": (126, "it is not executable here: chmod +x, or name its interpreter first"),
    "./directory": (126, "it is a directory"),
    "./orphan": (126, "the interpreter that its first line names does not exist"),
    "./odd": (126, "it is not a program for this machine, nor a script that begins #!"),
}


def test_programs_that_cannot_be_run(shop: Project) -> None:
    """127 is a program that isn't there, 126 one that can't be run, each with the reason."""
    shop.write("plain", "x")
    shop.write("directory/x", "x")
    shop.write("orphan", "#!/no/such/interpreter\n").chmod(0o755)
    shop.write("odd", "\x7fodd").chmod(0o755)
    tried = subprocess.run(
        [sys.executable, "-c", TRIES],
        cwd=shop.path,
        env=shop.environ,
        input=json.dumps([[program] for program in PROGRAMS]),
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = [f"Error: {name}: {text}\n{code}\n" for name, (code, text) in PROGRAMS.items()]
    assert tried.stderr == "".join(told)
    ended = shop.run_apart("run", "app:Settings", "--", "./directory")
    assert (ended.code, ended.err) == (126, "Error: ./directory: it is a directory\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([""], "the program after -- is empty"),
        ([], "name the program after --: vaultconfig run app:Settings -- PROGRAM"),
    ],
)
def test_no_program(shop: Project, command: list[str], said: str) -> None:
    """No program after the dashes is a usage error."""
    ended = shop.run("run", "app:Settings", "--", *command)
    assert ended.code == 2
    assert said in only_lines(ended)[-1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["app:Settings", "env"], "write -- before the program"),
        (["app:Settings", "gunicorn", "-w", "4"], "write -- before the program"),
        (["env"], "write -- before the program: vaultconfig run -- env"),
        (["app:Settings"], "write -- before the program: vaultconfig run app:Settings -- PROGRAM"),
        ([], "write -- before the program: vaultconfig run -- PROGRAM"),
    ],
)
def test_a_program_without_the_dashes(shop: Project, args: list[str], said: str) -> None:
    """What is missing is told, and nothing runs."""
    ended = shop.run("run", *args)
    assert ended.code == 2
    assert said in only_lines(ended)[-1]


def test_a_variable_that_is_too_long(shop: Project, vault: DevServer) -> None:
    """Linux takes 128 KiB for one variable, name and all; a longer one is named."""
    most = 32 * os.sysconf("SC_PAGE_SIZE") - len("PASSWORD=\0")
    vault.put("db", {"user": "app", "password": "x" * most})
    assert shop.run_apart("run", "app:Settings", "--", "true").code == 0
    vault.put("db", {"user": "app", "password": "x" * (most + 1)})
    ended = shop.run_apart("run", "app:Settings", "--", "true")
    assert ended.code == 3
    assert only_lines(ended)[0].startswith("Error: PASSWORD: too long for an environment")
    ended = shop.run_apart("run", "app:Settings", "--only", "USER", "--", "true")
    assert ended.code == 0


def test_variables_that_are_too_long_together(project: Project, vault: DevServer) -> None:
    """The longest are named."""
    project.declare(*(f'v{n}: Annotated[str, "vault:db#v{n}"]' for n in range(20)))
    vault.put("db", {f"v{n}": "x" * (120_000 if n else 120_001) for n in range(20)})
    limit = resource.getrlimit(resource.RLIMIT_STACK)
    few = (8 * 1024 * 1024, limit[1])
    lower = lambda: resource.setrlimit(resource.RLIMIT_STACK, few)  # noqa: E731 - for one process
    ended = project.run_apart("run", "app:Settings", "--", "true", preexec_fn=lower)
    assert ended.code == 3
    assert "the variables are too long together" in only_lines(ended)[0]
    assert "the longest are V0, " in only_lines(ended)[0]


def test_an_argument_that_is_too_long() -> None:
    """An argument that the system would not take is told apart from the variables."""
    assert "an argument of true is longer than" in _too_long(["true", "x" * 1_000_000], {"A": "x"})


def test_nothing_runs_when_anything_fails(shop: Project, vault: DevServer) -> None:
    """With a secret missing the program isn't started."""
    vault.delete("db")
    ended = shop.run("run", "app:Settings", "--", "touch", "started")
    assert (ended.code, shop.names()) == (5, ["app.py"])


@pytest.mark.parametrize("environment", ["development", ""])
def test_there_is_no_fallback(shop: Project, environment: str) -> None:
    """Without credentials .env does not serve, in development neither, which is said."""
    shop.write(".env", "USER=mine\nPASSWORD=mine\n")
    env = {"SCAIVAULT_TOKEN": "", "VAULTCONFIG_ENVIRONMENT": environment}
    ended = shop.run("run", "app:Settings", "--", "touch", "started", env=env)
    assert (ended.code, shop.names()) == (3, [".env", "app.py"])
    assert only_lines(ended)[-1] == (
        "Hint: render and run take values from the vault alone: .env is not used instead, in "
        "development either"
    )


def test_the_environment_is_handed_on(shop: Project) -> None:
    """With -e the program is in that environment, too."""
    assert environment(shop, "-e", "staging")["VAULTCONFIG_ENVIRONMENT"] == "staging"
