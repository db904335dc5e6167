"""What the command line says when something is wrong, and the code it exits with."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CANARY, COMMAND, Project, only_lines
from vaultconfig.cli.failures import exit_code, lines_of
from vaultconfig.devserver import DevServer
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    InvalidReferenceError,
    RateLimitedError,
    ResponseError,
    SecretNotFoundError,
    SettingFailure,
    SettingsExpiredError,
    UnresolvedSettingsError,
    VaultConfigError,
    VaultUnavailableError,
)

DENIED = AccessDeniedError("a")
ABSENT = SecretNotFoundError("a")
AWAY = VaultUnavailableError("away")
REFUSED = AuthenticationError("no")
WRONG = ConfigurationError("wrong")
USER = 'user: Annotated[str, "vault:db#user"]'


def group(*errors: VaultConfigError) -> UnresolvedSettingsError:
    return UnresolvedSettingsError([SettingFailure("f", None, error) for error in errors])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WRONG, 3),
        (InvalidReferenceError("vault:", column=7, expected="x"), 3),
        (RuntimeError(CANARY), 3),
        (REFUSED, 4),
        (DENIED, 5),
        (ABSENT, 5),
        (AWAY, 6),
        (RateLimitedError("later"), 6),
        (ResponseError("odd"), 6),
        (SettingsExpiredError("old"), 6),
        (group(DENIED, ABSENT), 5),
        (group(DENIED, AWAY), 6),
        (group(DENIED, AWAY, REFUSED), 4),
        (group(DENIED, AWAY, REFUSED, WRONG), 3),
        (group(group(DENIED), AWAY), 6),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    """Each exception has its code, and of several the one to mend first counts."""
    assert exit_code(error) == code


def test_a_foreign_error_is_named_without_its_message() -> None:
    """What others raise may quote anything, so only its type and place are shown."""
    try:
        raise LookupError(CANARY)
    except LookupError as exc:
        (line,) = lines_of(exc)
    assert line.startswith("LookupError at ")
    assert "test_failures.py" in line
    assert CANARY not in line


def test_a_line_a_setting(project: Project, vault: DevServer) -> None:
    """Each setting that failed has a line of its own, and the first to mend decides the code."""
    vault.put("db", {"user": "x"})
    vault.deny("denied")
    project.declare(
        'a: Annotated[str, "vault:none#x"]',
        'b: Annotated[str, "vault:db#y"]',
        'c: Annotated[str, "vault:denied#x"]',
    )
    ended = project.run("render", "app:Settings")
    lines = only_lines(ended)
    assert ended.code == 5
    starts = ["a (vault:none#x): there is no", "b (vault:db#y): db has no", "c (vault:denied#x): "]
    assert len(lines) == 3
    assert all(line.startswith(f"Error: {s}") for line, s in zip(lines, starts, strict=True))
    ended = project.run("render", "app:Settings", env={"A": f"vault:{CANARY}:"})
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 3
    assert "Traceback" not in ended.err


def test_codes_of_a_whole_request(project: Project, vault: DevServer) -> None:
    """No credentials, bad credentials and no vault have a code each."""
    project.declare(USER)
    ended = project.run("render", "app:Settings", env={"SCAIVAULT_TOKEN": ""})
    assert ended.code == 3
    assert "export VAULTCONFIG_ENVIRONMENT=development" in only_lines(ended)[0]
    assert project.run("render", "app:Settings", env={"SCAIVAULT_TOKEN": "bad"}).code == 4
    vault.stop()
    ended = project.run("render", "app:Settings", env={"VAULTCONFIG_DEADLINE": "0.2"})
    assert (ended.code, len(only_lines(ended))) == (6, 1)


def test_debug_shows_a_traceback_without_values(project: Project, vault: DevServer) -> None:
    """With --debug, before the command or behind, there is a traceback, and no value in it."""
    project.declare(USER, head=f"import os; secret = '{CANARY}'[:]; raise KeyError(secret)")
    for args in (("render", "app:Settings", "--debug"), ("--debug", "render", "app:Settings")):
        ended = project.run(*args)
        assert ended.code == 3
        assert "Traceback (most recent call last)" in ended.err
        assert "KeyError" in ended.err
        assert ended.err.count(CANARY) == ended.err.count("secret = ")  # its own source, no value


TARGETS = [
    ("nowhere:Settings", 3, "there is no module nowhere"),
    ("app.inner:Settings", 3, "there is no module app.inner"),
    ("app:Setting", 3, "app has no Setting: did you mean Settings?"),
    ("app:Xyz", 3, "app has no Xyz (it has VaultSettings, Settings)"),
    ("app:other", 3, "app:other is not a settings class: derive it from VaultSettings"),
    ("app:made", 3, "app:made is a settings object: name its class, Plain"),
    ("broken:Settings", 3, "broken could not be imported: it raised ValueError at"),
    ("leaving:Settings", 3, "leaving could not be imported: it raised SystemExit at"),
    ("needy:Settings", 3, "needy could not be imported, because it needs absent_library"),
    ("unsaid:Settings", 3, "unsaid:1: SyntaxError"),
    ("app", 2, "'app' names no settings class: write package.module:Settings"),
    (":Settings", 2, "names no settings class"),
]


@pytest.mark.parametrize(("target", "code", "said"), TARGETS)
def test_targets_that_are_none(project: Project, target: str, code: int, said: str) -> None:
    """What is wrong with a TARGET is said, and nothing that its module may hold."""
    project.declare(
        USER,
        head="other = 1\nfrom pydantic_settings import BaseSettings as B\n"
        "class Plain(B): pass\nmade = Plain()\ndel B, Plain",
    )
    project.write("broken.py", f"raise ValueError('{CANARY}'[:])")
    project.write("leaving.py", f"raise SystemExit('{CANARY}'[:])")
    project.write("needy.py", "import absent_library")
    project.write("unsaid.py", f"'{CANARY}")
    ended = project.run("render", target)
    assert ended.code == code
    if target.startswith("unsaid"):
        said = "unsaid could not be imported: it raised SyntaxError"
    assert said in " ".join(only_lines(ended))


def test_what_a_module_raises_if_it_is_ours(project: Project, vault: DevServer) -> None:
    """A module that loads its settings when it is imported fails as the command would."""
    project.declare(USER)
    project.write("eager.py", "from app import Settings\nsettings = Settings()\n")
    ended = project.run("render", "eager:Settings")
    assert ended.code == 5
    lines = only_lines(ended)
    assert lines[0].startswith("Error: user (vault:db#user): there is no secret at db")
    assert lines[-1] == (
        "Hint: raised while eager was imported: keep the class in a module that makes no instance"
    )


def test_what_a_module_prints(project: Project, vault: DevServer) -> None:
    """What a module prints when it is imported goes to standard error, not among our results."""
    vault.put("db", {"user": "app"})
    project.declare(USER, head="print('loading')")
    ended = project.run("render", "app:Settings", "-o", "-")
    assert (ended.code, ended.out) == (0, "USER=app\n")
    assert "loading" in ended.err
    assert json.loads(project.run("check", "app:Settings", "--json").out)["ok"]


def test_the_default_target(project: Project, vault: DevServer) -> None:
    """Without TARGET it is what the nearest pyproject.toml names, from below its directory too."""
    vault.put("db", {"user": "app"})
    project.declare(USER)
    ended = project.run("render", "-o", "-")
    assert ended.code == 3
    assert "[tool.vaultconfig]" in only_lines(ended)[0]
    project.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    project.write("deep/er/pyproject.toml", '[project]\nname = "inner"\n')
    assert project.run("render", "-o", "-").out == "USER=app\n"
    below = Project(project.path / "deep" / "er", project.environ)
    assert below.run("render", "-o", "-").out == "USER=app\n"


@pytest.mark.parametrize("text", ["[tool", "[tool.vaultconfig]\nsettings = 1", "\0"])
def test_a_pyproject_that_is_wrong(project: Project, text: str) -> None:
    """A malformed pyproject.toml is named."""
    project.write("pyproject.toml", text)
    ended = project.run("render")
    assert ended.code == 3
    assert str(project.path / "pyproject.toml") in only_lines(ended)[0]


def test_the_environment_reaches_the_module(project: Project, vault: DevServer) -> None:
    """With -e, settings that the module itself loads are in that environment, too."""
    vault.put("staging/db", {"user": "app"})
    project.declare('user: Annotated[str, "vault:{environment}/db#user"]')
    project.write("eager.py", "from app import Settings\nsettings = Settings()\n")
    assert project.run("render", "eager:Settings", "-o", "-", "-e", "staging").out == "USER=app\n"


def test_our_arguments_are_not_the_modules(project: Project, vault: DevServer) -> None:
    """A module that parses a command line when it is imported finds an empty one."""
    vault.put("db", {"user": "app"})
    project.declare(USER)
    project.write("eager.py", "import sys\nassert sys.argv[1:] == []\nfrom app import Settings\n")
    assert project.run("render", "eager:Settings", "-o", "-").code == 0


def test_unknown_commands_and_options(project: Project) -> None:
    """A mistyped command or option is a usage error that suggests the right one."""
    ended = project.run("rendr")
    assert (ended.code, "did you mean render?" in ended.err) == (2, True)
    ended = project.run("render", "--chek")
    assert (ended.code, "--check" in ended.err) == (2, True)


def test_version(project: Project) -> None:
    """--version says which one this is."""
    assert project.run("--version").out.startswith("vaultconfig ")


def test_a_reader_that_goes_away(project: Project, vault: DevServer) -> None:
    """A pipe that nobody reads any more ends it quietly, as it ends other programs."""
    vault.put("db", {"user": "x" * 1_000_000})
    project.declare(USER)
    process = project.start("render", "app:Settings", "-o", "-")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == -signal.SIGPIPE
    process.stderr.close()


def colours(project: Project, **env: str) -> bool:
    """Whether an error on a terminal comes in colour."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [*COMMAND, "render", "nowhere:Settings"],
        cwd=project.path,
        env={**project.environ, "TERM": "xterm", **env},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return b"\x1b[" in terminal.read1()


def test_colour(project: Project) -> None:
    """There is colour on a terminal only, and never with NO_COLOR."""
    assert colours(project)
    assert not colours(project, NO_COLOR="1")
    assert "\x1b" not in project.run("render", "nowhere:Settings").err


def test_help_loads_little(tmp_path: Path, project: Project) -> None:
    """The help text costs no more than click: nothing heavier is imported for it."""
    show = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
        "sys.argv = ['vaultconfig', '--help']\n"
        "from vaultconfig.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", show],
        env=project.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "render" in done.stdout
    loaded = set(done.stderr.split())
    assert {name for name in loaded if name.startswith("vaultconfig")} == {
        "vaultconfig",
        "vaultconfig.cli",
    }
    assert not loaded & {"pydantic", "pydantic_settings", "httpx", "tomllib"}
