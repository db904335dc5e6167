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
    """Each exception has its code, and of several the one to fix first counts."""
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
    """Each setting that failed has a line of its own, and the first to fix decides the code."""
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
    ended = project.run_apart("render", "app:Settings", env={"SCAIVAULT_TOKEN": ""})
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


PLAIN = "from pydantic_settings import BaseSettings\n"
DECLARED = f"{PLAIN}class Settings(BaseSettings):\n    pass\nclass Shop(Settings):\n    pass\n"
MODULES = {
    "broken": f"raise ValueError('{CANARY}'[:])",
    "leaving": f"raise SystemExit('{CANARY}'[:])",
    "needy": "import absent_library",
    "unsaid": f"\n'{CANARY}",
    "says": "import unsaid",
    "nul": "\0",
    "calls": f"import json\njson.loads('{CANARY}')",
    "plain": "from pydantic import BaseModel\nclass In(BaseModel): size: int\n"
    "class Plain(BaseModel): count: int; inner: In\n"
    f"Plain(count='{CANARY}', inner={{'size': '{CANARY}'}})",
    "eager": "from vaultconfig import VaultSettings\n"
    f"type('S', (VaultSettings,), {{'__annotations__': {{'number': int}}}})(number='{CANARY}')",
    "complex": f"{PLAIN}class S(BaseSettings):\n    items: list[int]\nS()",
}
TARGETS = [
    ("nowhere:Settings", 3, "there is no module nowhere"),
    ("app.inner:Settings", 3, "there is no module app.inner"),
    ("app:Setting", 3, "app has no Setting: did you mean Settings?"),
    ("app:Xyz", 3, "app has no Xyz (it has Settings)"),
    ("app:other", 3, "app:other is not a class (it has Settings): name the class itself"),
    ("app:other.x", 3, "app has no other.x"),
    ("app:function", 3, "app:function is not a class (it has Settings): name the class itself"),
    ("app:Path", 3, "app:Path is not a settings class: derive it from VaultSettings"),
    ("app:json", 3, "app:json is a module: write json:Settings"),
    ("app:json.tool", 3, "app has no json.tool"),
    ("app:made", 3, "app:made is a settings object: name its class, Plain"),
    (
        "broken:Settings",
        3,
        "broken could not be imported: it raised ValueError at HERE/broken.py:1",
    ),
    (
        "leaving:Settings",
        3,
        "leaving could not be imported: it raised SystemExit at HERE/leaving.py",
    ),
    ("needy:Settings", 3, "needy could not be imported, because it needs absent_library"),
    ("unsaid:Settings", 3, "it raised SyntaxError at HERE/unsaid.py:2"),
    ("says:Settings", 3, "it raised SyntaxError at HERE/unsaid.py:2"),
    ("nul:Settings", 3, "nul could not be imported: it raised"),
    ("calls:Settings", 3, "it raised JSONDecodeError at HERE/calls.py:2"),
    ("plain:Settings", 3, "it raised ValidationError at HERE/plain.py:4 for count, inner.size"),
    ("eager:Settings", 3, "it raised ValidationError at HERE/eager.py:2 for number"),
    (
        "complex:Settings",
        3,
        'it raised SettingsError at HERE/complex.py:4 (error parsing value for field "items" from '
        'source "EnvSettingsSource")',
    ),
    ("app", 2, "'app' is not of the form package.module:Settings: did you mean app:Settings?"),
    ("Settings", 2, "did you mean app:Settings or shop.config:Settings?"),
    (":Shop", 2, "did you mean shop.config:Shop?"),
    ("shop.config", 2, "did you mean shop.config:Settings or shop.config:Shop?"),
    ("shop.config.Shop", 2, "did you mean shop.config:Shop?"),
    ("app.py:Settings", 2, ": write app:Settings"),
    ("app.py", 2, ": did you mean app:Settings?"),
    ("shop/config.py:Shop", 2, ": write shop.config:Shop"),
    ("./shop/config.py:Shop", 2, ": write shop.config:Shop"),
    ("shop/config:Shop", 2, ": write shop.config:Shop"),
    ("shop/config.py", 2, "did you mean shop.config:Settings or shop.config:Shop?"),
    ("..app:Settings", 2, ": write app:Settings"),
    ("../app.py:Settings", 2, "change into the directory that Python imports it from"),
    ("config:Shop", 3, "there is no module config: did you mean shop.config:Shop?"),
    ("nothing", 2, "'nothing' is not of the form package.module:Settings"),
]


@pytest.mark.parametrize(("target", "code", "said"), TARGETS)
def test_invalid_targets(project: Project, target: str, code: int, said: str) -> None:
    """What is wrong with a TARGET is said, and nothing that its module may hold."""
    project.declare(
        USER,
        head="other = 1\nfrom pydantic_settings import BaseSettings as B\n"
        "class Plain(B): pass\nmade = Plain()\ndel B, Plain\n"
        "import json\nfrom pathlib import Path\ndef function(): pass",
    )
    project.write("shop/config.py", DECLARED)
    for name, text in MODULES.items():
        project.write(f"{name}.py", text)
    ended = project.run("render", target, env={"COUNT": CANARY, "ITEMS": CANARY, "SIZE": CANARY})
    assert ended.code == code
    assert said.replace("HERE", str(project.path)) in " ".join(only_lines(ended))


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


@pytest.mark.parametrize(
    ("text", "is_of_an_instance"),
    [
        ("class S(VaultSettings):\n    x: Annotated[str, 'valut:a#b']", False),
        ("class S(VaultSettings):\n    x: Annotated[str, VaultRef('vault:/a')]", False),
        ("class S(VaultSettings):\n    x: Annotated[str, 'vault:/a']\nS()", True),
        ("class S(VaultSettings):\n    x: str\nS(x='vault:/a')", True),
        ("class S(VaultSettings):\n    x: str\nS(_env_fil='x')", True),
        (
            "from vaultconfig import LiveSettings, VaultSettingsSource\n"
            "from pydantic_settings import BaseSettings\n"
            "class S(BaseSettings):\n    x: Annotated[str, 'valut:a#b'] = ''\n"
            "    @classmethod\n    def settings_customise_sources(cls, settings_cls, **_):\n"
            "        return (VaultSettingsSource(settings_cls),)\nS()",
            True,
        ),
        (
            "from vaultconfig import LiveSettings\n"
            "class S(VaultSettings):\n    x: Annotated[str, 'vault:{nothing}/a#b']\n"
            "LiveSettings(S).current",
            True,
        ),
    ],
)
def test_the_hint_about_instances(project: Project, text: str, is_of_an_instance: bool) -> None:
    """It is there only where settings were made, not where the class is wrong by itself."""
    head = "from typing import Annotated\nfrom vaultconfig import VaultRef, VaultSettings\n"
    project.write("wrong.py", f"{head}{text}\n")
    ended = project.run("check", "wrong:S")
    assert ended.code == 3
    assert ("makes no instance" in ended.err) is is_of_an_instance


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


def test_how_far_up_it_is_looked_for(project: Project, vault: DevServer) -> None:
    """Not past the repository's root, nor past the home directory."""
    vault.put("db", {"user": "app"})
    project.declare(USER)
    project.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    project.write("inner/deep/file", "")
    inner = project.path / "inner"
    below = Project(inner / "deep", project.environ)
    assert below.run("render", "-o", "-").code == 0
    assert below.run("render", "-o", "-", env={"HOME": str(project.path)}).code == 0
    ended = below.run("render", "-o", "-", env={"HOME": str(inner)})
    assert ended.code == 3
    assert f"(looked for from {inner / 'deep'} up to {inner})" in only_lines(ended)[0]
    (inner / ".git").mkdir()
    assert below.run("render", "-o", "-").code == 3
    (inner / ".git").rename(project.path / ".git")
    assert below.run("render", "-o", "-").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_pyproject_of_a_stranger(project: Project, vault: DevServer) -> None:
    """What another user can have put above us, or beside us, is not imported."""
    vault.put("db", {"user": "app"})
    project.declare(USER)
    file = project.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    project.write("ours/file", "")
    below = Project(project.path / "ours", project.environ)
    os.chown(file, 65534, 65534)
    assert below.run("render", "-o", "-").code == 0  # root alone can have put it there
    project.path.chmod(0o1777)
    for here in (project, below):
        ended = here.run("render", "-o", "-")
        assert ended.code == 3
        assert only_lines(ended) == [
            f"Error: {file} belongs to another user and is not read: give a TARGET"
        ]
    project.path.chmod(0o755)
    os.chown(project.path, 65534, 65534)
    ended = below.run("render", "-o", "-")
    assert ended.code == 3
    assert f"(looked for in {below.path})" in only_lines(ended)[0]
    assert project.run("render", "-o", "-").code == 0  # started there on purpose


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_link_to_a_pyproject_of_a_stranger(project: Project, vault: DevServer) -> None:
    """Where others can make files, the file that is read counts, not a link to it."""
    vault.put("db", {"user": "app"})
    project.declare(USER)
    target = project.write("theirs.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    os.chown(target, 65534, 65534)
    (project.path / "pyproject.toml").symlink_to("theirs.toml")
    assert project.run("render", "-o", "-").code == 0  # where root alone can have put it
    project.path.chmod(0o1777)
    ended = project.run("render", "-o", "-")
    assert ended.code == 3
    assert "belongs to another user and is not read" in only_lines(ended)[0]


def test_a_pyproject_that_is_no_file(project: Project) -> None:
    """A FIFO in its place is not waited for."""
    os.mkfifo(project.path / "pyproject.toml")
    ended = project.run("render")
    assert ended.code == 3
    assert "no settings class is named" in only_lines(ended)[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *[("[tool", "(at end of document)"), ("\0", "(at line 1, column 1)")],
        ('\ufeff[tool.vaultconfig]\nsettings = "app:Settings"', "(at line 1, column 1)"),
        ("[tool.vaultconfig]\nsettings = 1", "has no text as settings: write"),
        ("[tool]\nvaultconfig = 1", "has no text as settings: write"),
        ('[tool.vaultconfig]\nseting = "app:Settings"', "has no text as settings (it has seting)"),
    ],
)
def test_a_pyproject_that_is_wrong(project: Project, text: str, told: str) -> None:
    """A malformed pyproject.toml is named, and what is wrong in it."""
    project.write("pyproject.toml", text)
    ended = project.run("render")
    assert ended.code == 3
    (line,) = only_lines(ended)
    assert str(project.path / "pyproject.toml") in line
    assert told in line


@pytest.mark.parametrize(
    "args",
    [
        *[("render", "app:Settings", "-o", ""), ("template", "app:Settings", "-o", "")],
        *[("get", "db#user", "-o", ""), ("store", "keygen", "-o", "")],
        *[("import", "", "--to", "x"), ("import", "a.env", "--to", "x", "-o", "")],
    ],
)
def test_an_empty_name_of_a_file(project: Project, args: tuple[str, ...]) -> None:
    """A variable that is not set does not stand for another file."""
    project.declare('user: Annotated[str, "vault:db#user"]')
    ended = project.run(*args)
    assert (ended.code, project.names()) == (2, ["app.py"])
    assert "the name of the file is empty" in ended.err


@pytest.mark.parametrize("args", [("check",), ("refs",), ("diff", "a", "b")])
def test_what_the_class_prints(project: Project, vault: DevServer, args: tuple[str, ...]) -> None:
    """It is not among the results."""
    vault.put("a/db", {"user": "x"})
    vault.put("b/db", {"user": "x"})
    project.declare(
        'user: Annotated[str, "vault:{environment}/db#user"]',
        "_shout: Any = field_validator('user')(lambda value: print('loud') or value)",
        "@classmethod\n    def settings_customise_sources(cls, settings_cls, **sources):",
        "    print('loud')\n        return tuple(sources.values())",
        head="from pydantic import field_validator",
    )
    ended = project.run(*args, "app:Settings", "--json", env={"VAULTCONFIG_ENVIRONMENT": "a"})
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)
    assert "loud" in ended.err
    ended = project.run("render", "app:Settings", "-e", "a", "-o", "-")
    assert (ended.code, ended.out) == (0, "USER=x\n")


def test_a_directory_that_has_gone(project: Project) -> None:
    """It is said to be gone, where a file without a name would be missing."""
    gone = project.path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", *COMMAND, "refs", "app:Settings"]
    ended = subprocess.run(
        command, cwd=gone, env=project.environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3
    assert "the current directory does not exist any more" in ended.stderr


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
    assert project.run_apart("--version").out.startswith("vaultconfig ")


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
        "vaultconfig.cli.streams",
    }
    assert not loaded & {"pydantic", "pydantic_settings", "httpx", "tomllib"}
