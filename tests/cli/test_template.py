"""``vaultconfig template``: an example of a .env, which holds no secret and changes nothing."""

from __future__ import annotations

import io
import re
import subprocess
import sys

from dotenv import dotenv_values

from tests.cli.conftest import CANARY, Ended, Project, only_lines
from vaultconfig.devserver import DevServer

HEAD = f"""
import enum
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple
from pydantic import AliasChoices, AliasPath
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
class Part(BaseModel):
    url: str = "redis://x"
    size: int = 3
class Db(BaseModel):
    host: str = Field("localhost", description="Where it listens.")
    port: int = 5432
    password: Annotated[SecretStr, "vault:{{environment}}/db#password"]
    pin: SecretStr = SecretStr("{CANARY}")
class Login(NamedTuple):
    user: str
    password: str
def boom():
    raise SystemExit("a factory was called")
"""
PLAIN = (
    "debug: bool = False",
    "colour: Colour = Colour.RED",
    'level: Literal["a", "b"] = Field("a", description="How loud.\\r\\nOr\\x0bit\'s \\x1b[2J")',
    "wait: timedelta = timedelta(seconds=90)",
    'price: Decimal = Decimal("1.50")',
    'where: Path = Path("/srv/x y")',
    "none: str | None = None",
    'empty: str = ""',
    'text: str = "it\'s ${HOME} `x` $(y) #1\\n\\\\"',
    'tags: list[str] = ["a", "ü"]',
    'mapping: dict[str, Any] = {"a": [1, None]}',
    'union: int | str = "1"',
    'first: int = Field(5, validation_alias=AliasChoices("FIRST", "second"))',
    'inside: int = Field(5, validation_alias=AliasPath("xs", 0))',
    'other: str = Field("x", validation_alias="my-key")',
    "cache: Part = Part(size=7)",
    "items: list[Part] = [Part(size=2)]",
    "maybe: Part | None = None",
    "made: Part = Field(default_factory=Part)",
    "called: str = Field(default_factory=lambda: 'made')",
)
SECRET = (
    f'a: SecretStr = SecretStr("{CANARY}")',
    f'b: list[SecretStr] = [SecretStr("{CANARY}")]',
    f'c: Any = {{"a": [SecretStr("{CANARY}")]}}',
    f'd: str = Field("{CANARY}", repr=False)',
    f'password: str = "{CANARY}"',
    f'e: str = Field("{CANARY}", validation_alias="API_KEY")',
    f'f: dict[str, str] = {{"password": "{CANARY}"}}',
    f'g: Annotated[str, "vault:a#b"] = "{CANARY}"',
    f'h: Annotated[str, "pg://{CANARY}:${{vault:a#b|urlquote}}@${{vault:a#host}}"] = "{CANARY}"',
    f'i: str = "postgres://user:{CANARY}@host/db"',
    'j: str = Field(default_factory=boom)',
    f'k: Db = Db(password="{CANARY}")',
    f'l: list[Db] = [Db(password="{CANARY}")]',
    f'private_key: bytes = b"{CANARY}"',
    f'm: Login = Login("me", "{CANARY}")',
    f'n: str = Field("{CANARY}", validation_alias=AliasChoices("N", "DB_PASSWORD"))',
    f'o: str = Field("{CANARY}", exclude=True)',
)  # fmt: skip


def template(project: Project, *args: str) -> Ended:
    ended = project.run("template", "app:Settings", *args)
    assert ended.code == 0, ended.err
    assert CANARY not in ended.out + ended.err
    return ended


def loaded(project: Project) -> str:
    """Return what a program in development gets from the class."""
    code = "import app; s = app.Settings(); print(repr(s.model_dump()))"
    env = {**project.environ, "VAULTCONFIG_ENVIRONMENT": "development", "SCAIVAULT_TOKEN": ""}
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, cwd=project.path, env=env, text=True)


def test_it_loads_into_equal_settings(project: Project) -> None:
    """A class without required fields holds the same, whether the example is its .env or not."""
    for delimiter in ("", 'env_nested_delimiter="__", env_prefix="APP_"'):
        project.declare(*PLAIN, head=HEAD, config=delimiter)
        before = loaded(project)
        shown = template(project, "-o", ".env", "--force")
        assert shown.out == ""
        text = (project.path / ".env").read_text()
        assert len(re.findall(r"^[\w-]+=", text, re.MULTILINE)) > 10
        assert loaded(project) == before
        (project.path / ".env").unlink()


def test_then_check_in_development(project: Project, vault: DevServer) -> None:
    """Copied to .env it has no line that can't be read, and check lists every field."""
    project.declare(
        *PLAIN,
        *SECRET,
        "name: str",
        "port: int",
        "list: list[int]",
        "database: Db",
        "optional: Db | None = None",
        head=HEAD.replace('raise SystemExit("a factory was called")', 'return "x"'),
        config='env_nested_delimiter="__"',
    )
    project.write(".env", template(project).out).chmod(0o600)
    assert template(project).out == (project.path / ".env").read_text()
    ended = project.run("check", "app:Settings", "-e", "development")
    assert "not valid" not in ended.err + ended.out
    assert CANARY not in ended.err + ended.out
    names = {line.partition("\t")[0].partition(".")[0] for line in ended.out.splitlines()}
    declared = {line.partition(":")[0] for line in (*PLAIN, *SECRET)}
    assert names == declared | {"name", "port", "list", "database", "optional"}


def test_what_it_says(project: Project) -> None:
    """Names, types, descriptions, references, choices; what the vault fills is commented out."""
    project.declare(
        "name: str",
        'level: Literal["a", "b"] = Field("a", description="How loud.\\nOr not.")',
        "colour: Colour = Colour.RED",
        "numbers: list[int]",
        'url: Annotated[str, "pg://${vault:a#user}:${vault:a#password}@db"]',
        'database: Db = Field(description="Ours.")',
        'whole: Annotated[Part | None, "vault:cache?optional"] = None',
        head=HEAD,
        config='env_nested_delimiter="__", env_prefix="app_"',
    )
    assert (
        template(project).out
        == """\
# Variables of app:Settings: copy this to .env, and fill in what is required.

# str, required
APP_NAME=

# How loud.
# Or not.
# one of a, b
APP_LEVEL=a

# one of red, blue
APP_COLOUR=red

# list[int], as JSON, required
# APP_NUMBERS=

# str, from vault:a#user, vault:a#password
# APP_URL=

# Ours.

# Where it listens.
# str
APP_DATABASE__HOST=localhost

# int
APP_DATABASE__PORT=5432

# SecretStr, from vault:{environment}/db#password
# APP_DATABASE__PASSWORD=

# SecretStr
# APP_DATABASE__PIN=

# str, from vault:cache?optional
# APP_WHOLE__URL=

# int, from vault:cache?optional
# APP_WHOLE__SIZE=
"""
    )


def test_bytes_that_are_no_text(project: Project) -> None:
    """A variable can't hold them: the example has a comment, and `render` names the field."""
    project.declare(r'magic: bytes = b"\xff\x00"', r'word: bytes = b"abc"')
    text = template(project).out
    assert "# bytes\n# MAGIC=\n" in text
    assert "WORD=abc" in text.splitlines()
    sources = "lambda *_, **__: (lambda: {'magic': b'canary' b'\\xff'},)"
    project.declare("magic: bytes", f"settings_customise_sources = staticmethod({sources})")
    ended = project.run("render", "app:Settings", "--all", "-o", "-")
    assert ended.code == 3
    assert ended.err.startswith("Error: magic: a variable is text")


def test_without_a_delimiter_a_model_is_one_line(project: Project) -> None:
    """It is JSON, and a comment where the vault fills something in it."""
    project.declare("database: Db", "cache: Part", "many: list[Part] = []", head=HEAD)
    text = template(project).out
    assert (
        """
# Db, as JSON, required
#   password: from vault:{environment}/db#password
# DATABASE='{"host":"localhost","port":5432}'

# Part, as JSON, required
CACHE='{"url":"redis://x","size":3}'

# list[Part], as JSON
MANY='[]'
"""
        in text
    )


def test_no_secret_is_shown(project: Project) -> None:
    """No default that is or may be a secret is shown, and no factory is called."""
    for delimiter in ("", 'env_nested_delimiter="__"'):
        project.declare(*SECRET, head=HEAD, config=delimiter)
        text = template(project).out
        assert not dotenv_values(stream=io.StringIO(text))
        assert "from vault:a#b, vault:a#host" in text


def test_no_file_is_overwritten(project: Project) -> None:
    """A file that is there stays as it is, but with --force."""
    project.declare("x: int = 1")
    file = project.write(".env", "mine")
    ended = project.run("template", "app:Settings", "-o", ".env")
    assert (ended.code, file.read_text()) == (3, "mine")
    assert only_lines(ended) == [
        "Error: .env exists: choose another file, or overwrite it with --force"
    ]
    template(project, "-o", ".env", "--force")
    assert file.read_text() == template(project, "-o", "-").out
    ended = project.run("template", "app:Settings", "-o", "no/where")
    assert (ended.code, project.names()) == (3, [".env", "app.py"])
    assert only_lines(ended)[0].endswith("No such file or directory: create its directory first")
    project.write("elsewhere", "theirs")
    (project.path / "link").symlink_to("elsewhere")
    assert project.run("template", "app:Settings", "-o", "link", "--force").code == 3
    assert (project.path / "elsewhere").read_text() == "theirs"


def test_nothing_is_read(project: Project, vault: DevServer) -> None:
    """Neither the vault nor a variable has a part in it."""
    project.declare('x: Annotated[str, "vault:a#b"]', "y: int = 1", "class_: str = 'x'")
    shown = template(project).out
    environment = {"X": CANARY, "Y": CANARY, "SCAIVAULT_URL": ""}
    assert project.run("template", "app:Settings", env=environment).out == shown
    assert not vault.requests
