"""A project that has forgotten ``"vaultconfig.django"`` in INSTALLED_APPS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.django.site import own_site, python

SETTINGS = """
from typing import Annotated
from pydantic import SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

class Settings(VaultSettings):
    key: Annotated[SecretStr, "vault:environments/{environment}/site/web#signing_key"]

vault = load(Settings)
SECRET_KEY = "x" * 50
"""
OUR_ENGINE = """
DATABASES = {"default": {
    "ENGINE": "vaultconfig.django.postgresql", "NAME": "x", "OPTIONS": {"pool": True},
}}
"""
MAPPING = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}
VAULTCONFIG_DATABASES = {"default": {"PASSWORD": "key"}}
"""
REQUEST = "from django.core.signals import request_started; request_started.send(None)"
READ = "from vaultconfig.django import live"
QUERY = "from django.db import connection; connection.ensure_connection()"
EARLY = "INSTALLED_APPS = ['project.early']\n"


def told(directory: Path, environment: dict[str, str], code: str) -> str:
    """Return what a process prints that sets Django up and runs *code*."""
    done = python(
        *("-c", f"import django; django.setup(); {code}"),
        environment=environment | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        directory=directory,
    )
    return done.stderr


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (OUR_ENGINE, QUERY),
        (OUR_ENGINE + EARLY, QUERY),
        (OUR_ENGINE, REQUEST),
        (OUR_ENGINE, READ),
        (MAPPING, REQUEST),
        (MAPPING, READ),
    ],
)
def test_databases_need_the_application(
    tmp_path: Path, sqlite: dict[str, str], settings: str, code: str
) -> None:
    """The first connection, request or read ends in plain words, and not in a PoolTimeout."""
    own_site(tmp_path, SETTINGS + settings, early="from django.db import connection as c; c.vendor")
    last = told(tmp_path, sqlite, code).splitlines()[-1]
    assert "ImproperlyConfigured: (vaultconfig.E003) 'vaultconfig.django' is missing" in last


@pytest.mark.parametrize("code", [REQUEST, READ])
def test_a_masked_secret_is_found_without_the_application(
    tmp_path: Path, sqlite: dict[str, str], code: str
) -> None:
    """No request is answered with a cookie that ten asterisks sign."""
    own_site(tmp_path, SETTINGS + "SECRET_KEY = vault.key\n")
    last = told(tmp_path, sqlite, code).splitlines()[-1]
    assert "ImproperlyConfigured: (vaultconfig.E002)" in last


@pytest.mark.parametrize(
    ("settings", "number"), [(MAPPING, "E003"), ("SECRET_KEY = vault.key\n", "E002"), ("", "W007")]
)
def test_check_notices_that_it_is_missing(
    tmp_path: Path, sqlite: dict[str, str], settings: str, number: str
) -> None:
    """``manage.py check`` says so; as a warning where nothing needs it."""
    own_site(tmp_path, SETTINGS + settings)
    done = python("manage.py", "check", environment=sqlite, directory=tmp_path)
    assert done.returncode == (0 if number == "W007" else 1)
    assert f"(vaultconfig.{number})" in done.stderr
    assert "canary" not in done.stderr


def test_without_the_application_settings_are_refreshed_all_the_same(
    tmp_path: Path, sqlite: dict[str, str]
) -> None:
    """Where there is no database to follow, the first request starts the thread."""
    own_site(tmp_path, SETTINGS)
    code = f"{REQUEST}; import threading; raise SystemExit(str(threading.enumerate()))"
    assert "vaultconfig-refresh" in told(tmp_path, sqlite, code)
