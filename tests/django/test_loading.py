"""What ``load`` does in settings.py, and when refreshing begins."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.django.site import EXAMPLE, WEB, manage, own_site, python
from vaultconfig.devserver import DevServer

CANARY = "canary-signing-1"
SETTINGS = """
from typing import Annotated
from pydantic import SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

class Settings(VaultSettings):
    key: Annotated[SecretStr, "vault:environments/{environment}/site/web#signing_key"]
    many: int = 1

vault = load(Settings)
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["vaultconfig.django"]
"""


def script(directory: Path, environment: dict[str, str], code: str) -> Any:
    """Run *code* in a project whose settings are `SETTINGS`; return what it prints as JSON."""
    done = run_script(directory, environment, code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_script(
    directory: Path, environment: dict[str, str], code: str, settings: str = SETTINGS
) -> subprocess.CompletedProcess[str]:
    if not (directory / "project").exists():
        own_site(directory, settings)
    start = "import json, threading, django\ndjango.setup()\n"
    return python(
        *("-c", start + code),
        environment=environment | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        directory=directory,
    )


def test_the_public_names_are_exact() -> None:
    """``vaultconfig.django.__all__`` changes on purpose only; it is there without settings."""
    import vaultconfig.django

    assert vaultconfig.django.__all__ == ["live", "load", "vault_refreshed"]


@pytest.mark.parametrize("command", [("check",), ("migrate", "-v0")])
def test_commands_do_not_refresh(
    site_vault: DevServer, sqlite: dict[str, str], command: tuple[str, ...]
) -> None:
    """``check`` and ``migrate`` read the vault once, and subscribe to nothing."""
    done = manage(*command, **sqlite)
    assert done.returncode == 0, done.stderr
    assert [r.path for r in site_vault.requests] == [f"/v1/secrets/{WEB}"]


def test_setting_up_starts_no_thread_and_a_read_does(
    sqlite: dict[str, str], tmp_path: Path
) -> None:
    """Neither ``load`` nor ``ready()`` refreshes; the first read of ``current`` does."""
    code = """
from vaultconfig.django import live
names = [[t.name for t in threading.enumerate()]]
live.current
names.append([t.name for t in threading.enumerate()])
print(json.dumps(names))
"""
    before, after = script(tmp_path, sqlite, code)
    assert before == ["MainThread"]
    assert "vaultconfig-refresh" in after


def test_the_first_request_starts_refreshing(sqlite: dict[str, str], tmp_path: Path) -> None:
    """Whether or not the view reads any settings."""
    code = """
from django.core.signals import request_started
request_started.send(sender=None)
print(json.dumps([t.name for t in threading.enumerate()]))
"""
    assert "vaultconfig-refresh" in script(tmp_path, sqlite, code)


def test_the_parent_of_the_autoreloader_does_not_refresh(
    site_vault: DevServer, sqlite: dict[str, str]
) -> None:
    """``runserver`` sets Django up twice, and the one that only watches files has no thread."""
    code = """
import sys, threading
from django.core.management import execute_from_command_line
from django.utils import autoreload

def instead(arguments):
    print([t.name for t in threading.enumerate()])
    sys.exit(0)

autoreload.restart_with_reloader = lambda: instead(None) or 0
execute_from_command_line(["manage.py", "runserver", "0"])
"""
    environment = sqlite | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = python("-c", code, environment=environment, directory=EXAMPLE)
    assert done.stdout == "['MainThread']\n", done.stderr


def test_the_signal_tells_of_a_change_whatever_receivers_do(
    sqlite: dict[str, str], tmp_path: Path, site_vault: DevServer
) -> None:
    """Each receiver is told; one that raises is named in the log, without its words."""
    code = """
import logging, sys, time
logging.basicConfig(stream=sys.stderr)
import httpx
from vaultconfig.django import live, vault_refreshed
told = []

def bad(change, **_):
    raise RuntimeError(change.new.key.get_secret_value())

class Worse:
    def __call__(self, change, **_):
        raise LookupError(change.new.key.get_secret_value())

worse = Worse()

def leaving(change, **_):
    sys.exit(change.new.key.get_secret_value())

async def awaited(change, **_):
    told.append(["awaited"])

def good(sender, change, **_):
    told.append([sender.__name__, sorted(change.fields), change.versions])

for receiver in (bad, worse, leaving, good, awaited):
    vault_refreshed.connect(receiver)
import os
httpx.put(os.environ["SCAIVAULT_URL"] + "/v1/secrets/environments/production/site/web",
    headers={"Authorization": "Bearer " + os.environ["SCAIVAULT_TOKEN"]},
    json={"data": {"signing_key": "canary-2"}})
live.refresh()
until = time.monotonic() + 20
while len(told) < 2 and time.monotonic() < until:
    time.sleep(0.01)
print(json.dumps(told))
"""
    done = run_script(tmp_path, sqlite, code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["Settings", ["key"], {WEB: 2}], ["awaited"]]
    assert "the receiver bad raised RuntimeError" in done.stderr
    assert "the receiver Worse raised LookupError" in done.stderr
    assert "the receiver leaving raised SystemExit" in done.stderr
    assert "canary" not in done.stderr


def test_the_last_load_counts(sqlite: dict[str, str], tmp_path: Path) -> None:
    """Settings that build on others may load their own class; the first one is closed."""
    own_site(tmp_path, SETTINGS + "class Other(Settings): ...\nfirst, vault = vault, load(Other)\n")
    code = """
from vaultconfig.django import live
print(json.dumps([repr(live), type(live.current).__name__]))
"""
    assert script(tmp_path, sqlite, code) == ["LiveSettings(Other)", "Other"]


def test_reading_live_before_load(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """The error says what to do."""
    settings = 'from vaultconfig.django import live\nSECRET_KEY = "x"\n'
    done = run_script(tmp_path, sqlite, "", settings)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert (
        "ImproperlyConfigured: no settings have been loaded: call vaultconfig.django.load" in last
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SCAIVAULT_TOKEN": ""}, "SCAIVAULT_TOKEN"),
        ({"SCAIVAULT_TOKEN": "wrong"}, "token"),
        ({"MANY": "a"}, "many: Input should be a valid integer"),
        ({"VAULTCONFIG_ENVIRONMENT": "staging"}, "no secret at environments/staging/site/web"),
    ],
    ids=["no credentials", "refused", "does not fit", "not there"],
)
def test_what_can_not_be_loaded_is_told_in_plain_words(
    tmp_path: Path, sqlite: dict[str, str], change: dict[str, str], words: str
) -> None:
    """One ImproperlyConfigured, without a cause that could show a value."""
    done = run_script(tmp_path, sqlite | change, "")
    assert done.returncode != 0
    _, _, told = done.stderr.partition("ImproperlyConfigured: Settings could not be loaded: ")
    assert words in told
    assert "During handling" not in done.stderr
    assert CANARY not in done.stderr


def test_static_files_are_collected_without_a_vault(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """An image is built with the switch, the stand-ins of settings.py, and nothing else."""
    for name in ("SCAIVAULT_URL", "SCAIVAULT_TOKEN", "VAULTCONFIG_ENVIRONMENT"):
        del sqlite[name]
    sqlite |= {"SITE_STATIC_ROOT": str(tmp_path / "static"), "VAULTCONFIG_BUILD": "1"}
    done = manage("collectstatic", "--noinput", **sqlite)
    assert done.returncode == 0, done.stderr
    assert "static files copied" in done.stdout


@pytest.mark.parametrize("environment", [{}, {"VAULTCONFIG_ENVIRONMENT": "development"}])
def test_a_build_names_the_fields_without_a_stand_in(
    tmp_path: Path, sqlite: dict[str, str], environment: dict[str, str]
) -> None:
    """A build is not told to get credentials, but to complete ``when_building``."""
    del sqlite["SCAIVAULT_TOKEN"], sqlite["VAULTCONFIG_ENVIRONMENT"]
    more = (
        "    other: Annotated[str, 'vault:site#other']\n\nvault = load(Settings, when_building={})"
    )
    own_site(tmp_path, SETTINGS.replace("\nvault = load(Settings)", more))
    done = python(
        *("manage.py", "collectstatic", "--noinput"),
        environment=sqlite | environment | {"VAULTCONFIG_BUILD": "1"},
        directory=tmp_path,
    )
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.endswith(
        "when_building in settings.py has no value for key, other: add one for each"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("manage.py", "runserver", "--noreload", "127.0.0.1:0"),
        ("manage.py", "migrate"),
        ("-m", "gunicorn", "--preload", "project.wsgi"),
        ("-c", "import sys; sys.argv = ['collectstatic']; import project.wsgi"),
    ],
)
def test_the_build_switch_serves_nobody(sqlite: dict[str, str], arguments: tuple[str, ...]) -> None:
    """Left on in an image, it ends every start, whether or not there is a vault."""
    environment = sqlite | {"VAULTCONFIG_BUILD": "1"}
    done = python(*arguments, environment=environment, directory=EXAMPLE)
    assert done.returncode != 0
    assert "VAULTCONFIG_BUILD is set, with which only collectstatic" in done.stderr


def test_without_the_switch_stand_ins_do_not_count(
    sqlite: dict[str, str], site_vault: DevServer, tmp_path: Path
) -> None:
    """``collectstatic`` by itself asks the vault, and needs it."""
    environment = sqlite | {"SITE_STATIC_ROOT": str(tmp_path / "static")}
    assert manage("collectstatic", "--noinput", **environment).returncode == 0
    assert len(site_vault.requests) == 1
    del environment["SCAIVAULT_TOKEN"]
    assert "ImproperlyConfigured" in manage("collectstatic", "--noinput", **environment).stderr


@pytest.mark.parametrize(
    ("value", "keyword", "words"),
    [
        ("yes", "when_building={'key': 'x'}", "VAULTCONFIG_BUILD is neither 1 nor unset"),
        ("1", "", "give load() the argument when_building"),
    ],
)
def test_a_switch_that_is_set_up_badly(
    tmp_path: Path, sqlite: dict[str, str], value: str, keyword: str, words: str
) -> None:
    """It is refused, since nobody knows what was meant."""
    own_site(tmp_path, SETTINGS.replace("load(Settings)", f"load(Settings, {keyword})"))
    environment = sqlite | {"VAULTCONFIG_BUILD": value}
    done = python(
        "manage.py", "collectstatic", "--noinput", environment=environment, directory=tmp_path
    )
    assert done.returncode != 0
    assert words in done.stderr
