"""``vaultconfig render``, on real files."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.cli.conftest import CANARY, Project, only_lines
from tests.render.awkward import AWKWARD
from tests.render.test_dialects import READERS
from vaultconfig.devserver import DevServer
from vaultconfig.render.dialects import FORMATS, dialect
from vaultconfig.render.turns import turn

NOBODY = 65534
PASSWORD = 'password: Annotated[SecretStr, "vault:db#password"]'
USER = 'user: Annotated[str, "vault:db#user"]'
EXISTING = (
    "# mine \r\nexport OTHER=${HOME:-x}  # kept\r\n\r\nDB_PASSWORD=old # x\r\nbroken line\r\n"
)

# Stops at an audit event of the interpreter, to be killed there.
STOPS = """
import os, sys
def meet(name, args):
    if name == os.environ.get("STOP_AT"):
        os.write(2, b"here")
        os.kill(os.getpid(), 19)
sys.addaudithook(meet)
"""


@pytest.fixture
def shop(project: Project, vault: DevServer) -> Project:
    """A project with two fields from the vault."""
    project.declare(USER, PASSWORD)
    vault.put("db", {"user": "app", "password": CANARY})
    return project


def test_awkward_values(project: Project, vault: DevServer) -> None:
    """Whatever the value, python-dotenv and the class read it back, and the rest stays."""
    vault.put("all", AWKWARD)
    fields = [f'v_{key.lower()}: Annotated[str, "vault:all#{key}"]' for key in AWKWARD]
    project.declare(*fields)
    file = project.write(".env", EXISTING)
    file.chmod(0o644)
    assert project.run("render", "app:Settings").code == 0
    text = file.read_bytes().decode()
    assert text.startswith(EXISTING)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = dotenv_values(file)
    assert {key: loaded[f"V_{key}"] for key in AWKWARD} == AWKWARD
    show = "import app, json; print(json.dumps(app.Settings().model_dump()))"
    environ = {**project.environ, "VAULTCONFIG_ENVIRONMENT": "development", "SCAIVAULT_TOKEN": ""}
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=project.path,
        env={name: value for name, value in environ.items() if value},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == {f"v_{key.lower()}": v for key, v in AWKWARD.items()}


def test_an_existing_file_is_updated_in_place(shop: Project) -> None:
    """A key that is there is replaced where it stands, and a second run changes nothing."""
    shop.declare('db_password: Annotated[SecretStr, "vault:db#password"]', USER)
    file = shop.write(".env", EXISTING)
    ended = shop.run("render", "app:Settings")
    assert (ended.code, ended.out) == (0, "")
    assert ".env: 2 variables, mode 0600" in ended.err
    expected = EXISTING.replace("=old", f"={CANARY}") + "USER=app\r\n"
    assert file.read_bytes().decode() == expected
    assert shop.run("render", "app:Settings").code == 0
    assert file.read_bytes().decode() == expected


@pytest.mark.parametrize("name", ["config.json", "x.YAML", "app.py"])
def test_a_name_that_says_another_format(shop: Project, name: str) -> None:
    """No line of a .env is added to it, unless that is asked for by name."""
    ended = shop.run("render", "app:Settings", "-o", name)
    assert ended.code == 2
    assert f"{name} is hardly a .env: say what to write there (-f dotenv or -f" in ended.err
    assert name == "app.py" or name not in shop.names()
    assert shop.run("render", "app:Settings", "-o", "new.json", "-f", "dotenv").code == 0


def test_standard_output(shop: Project) -> None:
    """With -o - it goes to standard output, and nothing is written."""
    ended = shop.run("render", "app:Settings", "-o", "-")
    assert (ended.code, ended.out) == (0, f"USER=app\nPASSWORD={CANARY}\n")
    assert shop.names() == ["app.py"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", "import os\n"),
        ("json", '{"USER": "x", "MINE": "y"}'),
        ("yaml", "import os\n"),
        ("yaml", "USER: x\nMINE: y\n"),
        ("k8s", "import os\n"),
        ("k8s", 'data:\n  "A": "eA=="\nmore: 1\n'),
        ("shell", "# mine\nMINE=1\n"),
        ("docker", "# mine\nMINE=1\n"),
    ],
)
def test_a_file_that_is_not_ours_is_kept(shop: Project, form: str, text: str) -> None:
    """A file that a format would replace, and that holds anything else, stays as it is."""
    shop.write("mine", text)
    ended = shop.run("render", "app:Settings", "-f", form, "-o", "mine")
    assert ended.code == 3
    line, hint = only_lines(ended)
    assert line == (
        "Error: mine was not written by vaultconfig and would be lost: remove it, or choose "
        "another file with -o"
    )
    assert ("it also has MINE" in hint) is ("MINE" in text and form in {"json", "yaml"})
    assert (shop.path / "mine").read_text() == text


@pytest.mark.parametrize("form", ["json", "yaml", "k8s", "shell", "docker"])
def test_what_goes_is_told(shop: Project, form: str) -> None:
    """A field that the class had, or a stranger's key that is spelled as we spell ours."""
    command = ("render", "app:Settings", "-f", form, "-o", "ours")
    assert "loses" not in shop.run(*command).err
    (shop.path / "app.py").write_text(
        (shop.path / "app.py").read_text().replace("    user:", "    owner:")
    )
    ended = shop.run(*command)
    assert ended.code == 0, ended.err
    assert "Note: ours loses USER, which no field gives\n" in ended.err
    assert "loses" not in shop.run(*command).err


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"PASSWORD": "old", "USER":"app"}'),
        ("json", '\ufeff{"PASSWORD": "old", "USER": "app"}'),
        ("yaml", "# of the team\nUSER: app # ours\nPASSWORD: old\n"),
        (
            "k8s",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: app-secrets}\n"
            "data: {USER: YXBw, PASSWORD: b2xk}\n",
        ),
    ],
)
def test_a_file_that_others_have_touched(shop: Project, form: str, text: str) -> None:
    """One that holds our keys alone is compared by meaning and rewritten whole, which is told."""
    file = shop.write("ours", text)
    command = ("render", "app:Settings", "-f", form, "-o", "ours")
    ended = shop.run(*command, "--diff")
    assert (ended.code, ended.out) == (1, "~ PASSWORD (changed)\n")
    ended = shop.run(*command)
    assert ended.code == 0
    assert "Note: ours loses the comments and layout that others gave it" in ended.err
    assert READERS[form](file.read_text()) == {"USER": "app", "PASSWORD": CANARY}
    assert "Note:" not in shop.run(*command).err


def test_a_touched_file_without_pyyaml(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what others have written needs PyYAML, and then the error says what to install."""
    monkeypatch.setitem(sys.modules, "yaml", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "vaultconfig.render.trees", raising=False)
    command = ("render", "app:Settings", "-f", "yaml", "-o", "out")
    assert shop.run(*command).code == 0
    assert shop.run(*command, "--check").code == 0
    file = shop.path / "out"
    file.write_text(f"# mine\n{file.read_text()}")
    for more in ([], ["--check"]):
        ended = shop.run(*command, *more)
        assert ended.code == 3
        assert "pip install 'scaivault-config[yaml]'" in only_lines(ended)[0]


def test_a_namespace_and_labels(shop: Project) -> None:
    """They are in the manifest, compared, and refused with another format."""
    command = ["render", "app:Settings", "-f", "k8s", "-o", "out"]
    assert shop.run(*command).code == 0
    command += ["--namespace", "prod", "--label", "app=shop", "--label", "tier=web"]
    ended = shop.run(*command, "--check")
    assert ended.code == 1
    assert only_lines(ended) == [
        "out: differs in the namespace (missing), the label app (missing), the label tier (missing)"
    ]
    assert shop.run(*command).code == 0
    assert shop.run(*command, "--check").code == 0
    assert '  namespace: "prod"\n  labels:\n    "app": "shop"\n' in (shop.path / "out").read_text()
    assert shop.run("render", "app:Settings", "-f", "k8s", "-o", "out").code == 3
    assert shop.run(*command, "--label", "app=other").code == 2
    assert shop.run(*command, "--label", "plain").code == 2
    assert shop.run(*command, "--label", "-=x").code == 3
    for more in (["--namespace", "x"], ["--label", "a=b"], ["--secret-name", "x"]):
        ended = shop.run("render", "app:Settings", "-o", "-", "-f", "json", *more)
        assert ended.code == 2
        assert f"{more[0]} is for the format k8s" in only_lines(ended)[-1]


@pytest.mark.parametrize("form", FORMATS[1:])
def test_other_formats(shop: Project, form: str) -> None:
    """Each format needs a file of its own, and compares equal with it afterwards."""
    refused = shop.run("render", "app:Settings", "-f", form)
    assert (refused.code, shop.names()) == (2, ["app.py"])
    assert shop.run("render", "app:Settings", "-f", form, "-o", "out").code == 0
    assert shop.run("render", "app:Settings", "-f", form, "-o", "out", "--check").code == 0
    assert shop.run("render", "app:Settings", "-f", form, "-o", "out").code == 0


TWO_ON_ONE = (
    'db_password: Annotated[str, "vault:db#user"]',
    "db: Database",
)
DATABASE = 'class Database(BaseModel):\n    password: Annotated[str, "vault:db#password"]\n'
NAMES_BOTH = "Error: db_password and db.password are both read from the variable DB_PASSWORD, "


@pytest.mark.parametrize("more", [[], ["--check"], ["--diff"], ["--all"], ["-o", "-"]])
@pytest.mark.parametrize("form", FORMATS)
def test_two_fields_on_one_variable(shop: Project, form: str, more: list[str]) -> None:
    """In every format they are refused by name, and the file stays, its time too."""
    shop.declare(*TWO_ON_ONE, head=DATABASE, config='env_nested_delimiter="_"')
    file = shop.write("out", "")
    os.utime(file, (1, 1))
    ended = shop.run("render", "app:Settings", "-f", form, "-o", "out", *more)
    assert (ended.code, ended.out) == (3, "")
    (line,) = only_lines(ended)
    assert line.startswith(NAMES_BOTH)
    assert (file.read_text(), file.stat().st_mtime) == ("", 1)
    assert shop.names() == ["app.py", "out"]


def by_sourcing(file: Path, shell: str) -> dict[str, str]:
    """Return the environment of a shell that sourced *file*, in the directory where it is."""
    dump = "import json, os; print(json.dumps(dict(os.environ)))"
    show = f'. ./{file.name} && exec "$PYTHON" -c "{dump}"'
    done = subprocess.run(
        [shell, "-c", show],
        cwd=file.parent,
        env={"PYTHON": sys.executable, "HOME": "/home", "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("form", FORMATS[1:])
def test_awkward_values_in_other_formats(project: Project, vault: DevServer, form: str) -> None:
    """Each value is read back equal by a reader that isn't ours, or refused by name."""
    vault.put("all", AWKWARD)
    fields = {key: f'v_{key.lower()}: Annotated[str, "vault:all#{key}"]' for key in AWKWARD}
    project.declare(*fields.values())
    file = project.path / "empty" / "out"
    file.parent.mkdir()
    command = ("render", "app:Settings", "-f", form, "-o", "empty/out")
    ended = project.run(*command)
    refused: list[str] = []
    if ended.code:
        assert (ended.code, file.exists()) == (3, False)
        refused = ended.err.removeprefix("Error: ").partition(":")[0].split(", ")
        keep = [field for key, field in fields.items() if f"V_{key}" not in refused]
        project.declare(*keep)
        assert project.run(*command).code == 0
    wanted = {f"V_{key}": text for key, text in AWKWARD.items() if f"V_{key}" not in refused}
    text = file.read_bytes().decode()
    reader = READERS.get(form, dialect(form).parse)
    found = by_sourcing(file, "sh") if form == "shell" else reader(text)
    assert {key: found[key] for key in wanted} == wanted
    assert os.listdir(file.parent) == ["out"]
    assert bool(refused) is (form == "docker")


def test_the_name_of_a_secret(shop: Project) -> None:
    """A manifest is named as asked, and a name that Kubernetes refuses is refused here."""
    ended = shop.run("render", "app:Settings", "-f", "k8s", "-o", "-", "--secret-name", "shop")
    assert 'name: "shop"' in ended.out
    assert (
        shop.run("render", "app:Settings", "-f", "k8s", "-o", "-", "--secret-name", "_").code == 3
    )


def test_check_and_diff(shop: Project, vault: DevServer) -> None:
    """They exit with 1 where the file differs, name keys and kinds, and never a value."""
    ended = shop.run("render", "app:Settings", "--check")
    assert (ended.code, ended.out) == (1, "")
    assert only_lines(ended) == [".env: there is no such file"]
    file = shop.write(".env", f"PASSWORD={CANARY}-old\n")
    ended = shop.run("render", "app:Settings", "--diff")
    assert (ended.code, ended.out) == (1, "+ USER (missing)\n~ PASSWORD (changed)\n")
    ended = shop.run("render", "app:Settings", "--check")
    assert (ended.code, ended.out) == (1, "")
    assert only_lines(ended) == [".env: differs in USER (missing), PASSWORD (changed)"]
    assert file.read_text() == f"PASSWORD={CANARY}-old\n"
    shop.write(".env", f"X=1\nUSER=app\nPASSWORD={CANARY}\n")
    ended = shop.run("render", "app:Settings", "--check", "--diff")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("form", FORMATS[1:])
def test_check_in_other_formats(shop: Project, vault: DevServer, form: str) -> None:
    """Each key is named with the kind of its change, those that are too many as well."""
    command = ("render", "app:Settings", "-f", form, "-o", "out")
    ended = shop.run(*command, "--check")
    assert only_lines(ended) == ["out: there is no such file"]
    assert shop.run(*command).code == 0
    shop.declare(USER, 'other: Annotated[str, "vault:db#other"]')
    vault.put("db", {"user": f"{CANARY}-2", "other": f"{CANARY}-3"})
    ended = shop.run(*command, "--check")
    assert (ended.code, ended.out) == (1, "")
    assert only_lines(ended) == [
        "out: differs in USER (changed), OTHER (missing), PASSWORD (extra)"
    ]


def test_check_of_another_spelling(shop: Project) -> None:
    """A key that pydantic-settings would take for ours is told: it may be the one that counts."""
    shop.write(".env", f"USER=app\nPASSWORD={CANARY}\npassword=x\n")
    ended = shop.run("render", "app:Settings", "--check")
    assert ended.code == 1
    assert "has password, which pydantic-settings takes for PASSWORD" in only_lines(ended)[0]


def test_check_of_a_file_of_another_kind(shop: Project) -> None:
    """A file that isn't of the format differs."""
    shop.write("out.json", f'["{CANARY}"')
    ended = shop.run("render", "app:Settings", "-f", "json", "-o", "out.json", "--check")
    assert ended.code == 1
    assert "not a JSON object" in only_lines(ended)[0]


def test_no_file_to_compare_with(shop: Project) -> None:
    """Standard output can't be compared with."""
    assert shop.run("render", "app:Settings", "-o", "-", "--check").code == 2


def test_all_and_environment(shop: Project) -> None:
    """--all adds the fields that are set; -e is the same as the variable."""
    shop.declare(
        'user: Annotated[str, "vault:{environment}/db#user"]', "debug: bool = False", "x: int = 1"
    )
    ended = shop.run("render", "app:Settings", "-o", "-", "--all", "-e", "staging")
    assert ended.code == 5
    assert only_lines(ended) == [
        "Error: user (vault:staging/db#user): there is no secret at staging/db: create it, or "
        f"correct the path [request {ended.err.partition('[request ')[2].partition(']')[0]}]"
    ]
    shop.declare(USER, "debug: bool = False", "x: int = 1")
    ended = shop.run("render", "app:Settings", "-o", "-", "--all", env={"DEBUG": "yes"})
    assert ended.out == "USER=app\nDEBUG=yes\n"


@pytest.mark.parametrize(
    ("config", "environment", "noted"),
    [
        ("", "", True),
        ("", "production", True),
        ("", "development", False),
        ('vault_fallback="always"', "production", False),
        ('vault_fallback="never"', "development", True),
    ],
)
def test_it_says_where_the_file_would_not_be_read(
    shop: Project, config: str, environment: str, noted: bool
) -> None:
    """A dotenv that this class would not read here gets a note; other formats never do."""
    shop.declare(USER, config=config)
    env = {"VAULTCONFIG_ENVIRONMENT": environment}
    assert ("Note:" in shop.run("render", "app:Settings", env=env).err) is noted
    ended = shop.run("render", "app:Settings", "-f", "json", "-o", "x", env=env)
    assert "Note:" not in ended.err


def test_nothing_is_written_when_anything_fails(shop: Project, vault: DevServer) -> None:
    """One missing field, and the old file is as it was."""
    shop.declare(USER, 'missing: Annotated[str, "vault:db#missing"]')
    file = shop.write(".env", "USER=old\n")
    ended = shop.run("render", "app:Settings")
    assert ended.code == 5
    assert only_lines(ended)[0].startswith("Error: missing (vault:db#missing): db has no field")
    assert (file.read_text(), shop.names()) == ("USER=old\n", [".env", "app.py"])


def test_a_value_that_does_not_fit(shop: Project) -> None:
    """What would be written is validated, and a mistake is told without the value."""
    shop.declare(USER, 'password: Annotated[int, "vault:db#password"]', "plain: int")
    ended = shop.run("render", "app:Settings")
    assert ended.code == 3
    assert only_lines(ended) == [
        "Error: password: Input should be a valid integer, unable to parse string as an integer"
    ]
    assert shop.names() == ["app.py"]


def test_a_reference_in_the_file_is_not_frozen(shop: Project) -> None:
    """A key whose value in the file is a reference is refused by name."""
    file = shop.write(".env", "USER='vault:db#user'\n")
    ended = shop.run("render", "app:Settings", env={"VAULTCONFIG_ENVIRONMENT": "development"})
    assert ended.code == 3
    assert "USER: the existing file has a reference there" in only_lines(ended)[0]
    assert file.read_text() == "USER='vault:db#user'\n"


def test_a_value_that_reads_like_a_reference(shop: Project, vault: DevServer) -> None:
    """A value that would be resolved when it is loaded is refused by name."""
    vault.put("db", {"user": "vault:other#x", "password": "x"})
    ended = shop.run("render", "app:Settings")
    assert ended.code == 3
    assert "USER: the value reads like a reference" in only_lines(ended)[0]


def test_a_symbolic_link(shop: Project) -> None:
    """A link is refused, and what it points to stays."""
    target = shop.write("target", "OLD=1\n")
    (shop.path / ".env").symlink_to("target")
    ended = shop.run("render", "app:Settings")
    assert ended.code == 3
    assert only_lines(ended) == [
        "Error: cannot read .env: it is a symbolic link: give the file itself, not a link to it"
    ]
    assert (target.read_text(), (shop.path / ".env").is_symlink()) == ("OLD=1\n", True)
    assert shop.names() == [".env", "app.py", "target"]


def test_a_directory(shop: Project) -> None:
    """A directory is refused."""
    (shop.path / ".env").mkdir()
    ended = shop.run("render", "app:Settings")
    assert ended.code == 3
    assert "it is a directory" in only_lines(ended)[0]
    assert os.listdir(shop.path / ".env") == []


def test_a_path_that_git_tracks(shop: Project) -> None:
    """A tracked file is refused and stays; one that git would not ignore is warned of."""
    file = shop.write(".env", "OLD=1\n")
    for command in ("init -q", "add .env"):
        subprocess.run(["git", *command.split()], cwd=shop.path, check=True)
    ended = shop.run("render", "app:Settings")
    assert ended.code == 3
    assert "git tracks .env" in only_lines(ended)[0]
    assert (file.read_text(), shop.names()) == ("OLD=1\n", [".env", ".git", "app.py"])
    ended = shop.run("render", "app:Settings", "-o", "other.env")
    assert ended.code == 0
    assert "Warning: git does not ignore other.env: add it to .gitignore" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_two_that_write_one_file_take_turns(shop: Project, vault: DevServer) -> None:
    """Otherwise the keys that one has written are gone with the file that the other one read."""
    gate = vault.hold("db")
    process = shop.start("render", "app:Settings")
    with turn(shop.path / ".env"):
        gate.wait_until_asked()
        gate.release()
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=2)  # by then it would have read the file, and written it
        assert shop.names() == ["app.py"]
        shop.write(".env", "OTHER=1\n")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert dotenv_values(shop.path / ".env") == {"OTHER": "1", "USER": "app", "PASSWORD": CANARY}


def test_a_directory_that_somebody_keeps(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits, but not for ever."""
    monkeypatch.setattr("vaultconfig.render.turns._PATIENCE", 0.0)
    with turn(shop.path / ".env"):
        ended = shop.run("render", "app:Settings")
    assert (ended.code, shop.names()) == (3, ["app.py"])
    assert "cannot write .env: another process has locked its directory" in ended.err


def test_a_directory_that_is_read_only(shop: Project) -> None:
    """Where an ordinary user may not write, the error says so, and the old file stays."""
    directory = shop.path / "sealed"
    directory.mkdir()
    file = shop.write("sealed/.env", "OLD=1\n")
    file.chmod(0o644)
    directory.chmod(0o555)
    shop.declare(USER, PASSWORD, head=f"import os; os.seteuid({NOBODY})")
    # Given, so that nothing is sent: Python's own files may be where only root can read.
    given = {"USER": "app", "PASSWORD": CANARY}
    ended = shop.run_apart("render", "app:Settings", "-o", "sealed/.env", env=given)
    assert ended.code == 3
    assert only_lines(ended)[1].startswith("Error: cannot write sealed/.env: Permission denied")
    assert (file.read_text(), os.listdir(directory)) == ("OLD=1\n", [".env"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_while_the_vault_is_asked(
    shop: Project, vault: DevServer, number: signal.Signals
) -> None:
    """Killed before there is an answer, it leaves the old file and nothing else, quietly."""
    file = shop.write(".env", "OLD=1\n")
    vault.hold("db")
    process = shop.start("render", "app:Settings")
    vault.wait_until_asked()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (-number, b"", b"")
    assert (file.read_text(), shop.names()) == ("OLD=1\n", [".env", "app.py"])


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="elsewhere a file needs a name at once")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_while_it_writes(shop: Project, number: signal.Signals) -> None:
    """Killed with the new file written and not yet in place, it leaves the old one alone."""
    shop.declare(USER, PASSWORD, head=STOPS)
    file = shop.write(".env", "OLD=1\n")
    process = shop.start("render", "app:Settings", env={"STOP_AT": "os.link"})
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == -number
    assert (file.read_text(), shop.names()) == ("OLD=1\n", [".env", "app.py"])


def test_mode_and_in_place(shop: Project) -> None:
    """The mode is as asked, at the widest 0640; a file can be written through."""
    file = shop.write(".env", "OLD=1\n")
    inode = file.stat().st_ino
    assert shop.run("render", "app:Settings", "--mode", "0640", "--in-place").code == 0
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_ino) == (0o640, inode)
    assert shop.run("render", "app:Settings", "--mode", "0644").code == 3
    assert shop.run("render", "app:Settings", "--mode", "rw").code == 2


def test_a_plain_settings_class(shop: Project) -> None:
    """A BaseSettings with our source works too, and its own command line stays out of it."""
    shop.write(
        "app.py",
        "from typing import Annotated\n"
        "from pydantic_settings import BaseSettings, SettingsConfigDict\n"
        "from vaultconfig import VaultSettingsSource\n"
        "class Settings(BaseSettings):\n"
        "    model_config = SettingsConfigDict(cli_parse_args=True)\n"
        f"    {USER}\n"
        "    @classmethod\n"
        "    def settings_customise_sources(cls, settings_cls, **sources):\n"
        "        return (*sources.values(), VaultSettingsSource(settings_cls))\n",
    )
    ended = shop.run("render", "app:Settings", "-o", "-")
    assert (ended.code, ended.out) == (0, "USER=app\n")


def test_debug_logs_hold_no_value(shop: Project, tmp_path: Path) -> None:
    """Pydantic's debug log of sources and our own traceback show no value."""
    shop.declare(USER, 'password: Annotated[int, "vault:db#password"]')
    shop.write("log.py", "import logging; logging.basicConfig(level=0)\n")
    shop.write("app.py", "import log\n" + (shop.path / "app.py").read_text())
    ended = shop.run_apart(
        "render", "app:Settings", "--debug", env={"PYDANTIC_SETTINGS_DEBUG": "1"}
    )
    assert ended.code == 3
    assert "Resolving settings for 'Settings'" in ended.err
    assert "Traceback" in ended.err
    assert CANARY not in ended.err
