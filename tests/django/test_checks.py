"""System checks under their numbers, and ``manage.py vaultconfig``."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.django.site import EXAMPLE, manage, own_site, python
from vaultconfig.devserver import DevServer

UNWISE = """
from typing import Annotated
from pydantic import BaseModel, SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

class Login(BaseModel):
    host: str = ""
    password: str = ""

class Settings(VaultSettings):
    plain: str = ""
    key: Annotated[str, "vault:site/web#signing_key"]
    other: Annotated[str | None, "vault:site/web?optional#other"] = None
    well: Annotated[SecretStr, "vault:site/web#signing_key"]
    login: Annotated[Login, "vault:site/login"]

vault = load(Settings)
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["vaultconfig.django"]
DATABASES = {
    "default": {"ENGINE": "vaultconfig.django.postgresql", "NAME": "x"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"},
}
"""


ALL_GIVEN = {"SITE_SECRET_KEY": "k" * 50, "SITE_SIGNING_KEY": "x"}
"""With which the vault is not asked."""


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"vaultconfig\.(\w+)", text))


def test_what_is_wise_gives_no_warning(sqlite: dict[str, str]) -> None:
    """The example passes, also where warnings are errors."""
    done = manage("check", "--fail-level", "WARNING", **sqlite)
    assert done.returncode == 0, done.stderr


def test_what_is_unwise_has_a_number(
    vault: DevServer, sqlite: dict[str, str], tmp_path: Path
) -> None:
    """A secret typed str, a `.env` for all to see, no environment, a login that can't follow."""
    vault.put("site/web", {"signing_key": "canary-1"})
    vault.put("site/login", {"password": "canary-2"})
    own_site(tmp_path, UNWISE)
    (tmp_path / ".env").write_text("A=canary-3\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    del sqlite["VAULTCONFIG_ENVIRONMENT"]
    done = python("manage.py", "check", environment=sqlite, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stderr
    assert numbers(told) == ["W001", "W002", "W004", "W005"]
    assert "Settings keeps secrets as plain str: key, other, login.password\n" in told
    assert ".env is not ignored by git" in told
    assert "use .get_secret_value() in settings.py" in told
    assert "the password of the database 'default' can't follow" in told
    assert "canary" not in told
    (tmp_path / ".gitignore").write_text(".env\n")
    done = python("manage.py", "check", environment=sqlite, directory=tmp_path)
    assert numbers(done.stderr) == ["W001", "W004", "W005"]


def test_a_file_in_the_home_directory_is_looked_at(
    vault: DevServer, sqlite: dict[str, str], tmp_path: Path
) -> None:
    """The ``~`` in a class's env_file is the one that pydantic-settings expands."""
    vault.put("site/web", {"signing_key": "canary-1"})
    vault.put("site/login", {"password": "canary-2"})
    head = "class Settings(VaultSettings):\n"
    own_site(
        tmp_path, UNWISE.replace(head, f'{head}    model_config = {{"env_file": "~/site.env"}}\n')
    )
    (tmp_path / "site.env").touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    environment = sqlite | {"HOME": str(tmp_path)}
    done = python("manage.py", "check", environment=environment, directory=tmp_path)
    assert f"{tmp_path}/site.env is not ignored by git" in done.stderr


# Runs the checks of the example with each of the variables that it is given, in one process.
CHECK_EACH = """
import io, json, os, sys
import django
from django.core.management import call_command
django.setup()
before = dict(os.environ)
for more in json.loads(sys.argv[1]):
    os.environ |= more
    told = io.StringIO()
    call_command("check", stdout=told, stderr=told)
    print(json.dumps(told.getvalue()))
    os.environ.clear()
    os.environ |= before
"""


def test_plain_http_has_a_number(sqlite: dict[str, str]) -> None:
    """Another machine without TLS is named, however local its name sounds, and loopback is not."""
    elsewhere = [
        ("SCAIVAULT_URL", "http://vault.example:8200"),
        ("SCAIVAULT_URL", "HTTP://localhost.evil.example"),
        ("SCAIVAULT_URL", "http://127.0.0.1.evil.example"),
        ("SCAIKEY_TOKEN_URL", "http://key.example/token"),
    ]
    here = [
        ("SCAIVAULT_URL", f"http://{host}:8200") for host in ("127.0.0.2", "LOCALHOST", "[::1]")
    ]
    each = [{variable: url} for variable, url in [*elsewhere, *here]]
    more = {"VAULTCONFIG_ALLOW_HTTP": "1", "DJANGO_SETTINGS_MODULE": "project.settings"}
    environment = sqlite | ALL_GIVEN | more
    done = python("-c", CHECK_EACH, json.dumps(each), environment=environment, directory=EXAMPLE)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for (_, url), text in zip(elsewhere, told, strict=False):
        assert numbers(text) == ["W003"]
        assert f" and {url}\n" in text
    assert [numbers(text) for text in told[len(elsewhere) :]] == [[]] * len(here)


def test_the_command_line_has_the_class_of_the_project(sqlite: dict[str, str]) -> None:
    """``render`` and ``check`` need no target, and end with their own exit codes."""
    done = manage("vaultconfig", "render", "-o", "-", **sqlite)
    assert done.returncode == 0, done.stderr
    assert "SITE_SIGNING_KEY=canary-signing-1" in done.stdout
    done = manage("vaultconfig", "check", **sqlite)
    assert done.returncode == 0, done.stderr
    assert "signing_key" in done.stdout
    assert "canary" not in done.stdout + done.stderr
    missing = str(Path(sqlite["HOME"]) / "absent")
    done = manage("vaultconfig", "render", "--check", "-o", missing, **sqlite)
    assert done.returncode == 1
    assert "there is no such file" in done.stderr


def test_the_command_line_needs_settings(sqlite: dict[str, str], tmp_path: Path) -> None:
    """It says what is missing, and the class has to be one that can be imported."""
    own_site(tmp_path, 'SECRET_KEY = "x"\nINSTALLED_APPS = ["vaultconfig.django"]\n')
    done = python("manage.py", "vaultconfig", "check", environment=sqlite, directory=tmp_path)
    assert done.returncode == 1
    assert "call vaultconfig.django.load(Settings) in settings.py first" in done.stderr
