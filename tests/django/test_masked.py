"""Masked secrets in settings.py: no start, and no message with a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.django.site import Gunicorn, own_site, python

START = """
from typing import Annotated
from pydantic import Secret, SecretBytes, SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

class Settings(VaultSettings):
    key: Annotated[SecretStr, "vault:environments/{environment}/site/web#signing_key"]

vault = load(Settings)
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["vaultconfig.django"]
"""
EVERYWHERE = """
round = [vault.key]
round.append(round)
SECRET_KEY = vault.key
SECRET_KEY_FALLBACKS = ["fine", str(vault.key)]
EMAIL_HOST_PASSWORD = SecretBytes(b"canary-bytes")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "PASSWORD": vault.key}}
CACHES = {"default": {"LOCATION": f"redis://:{vault.key}@cache", "OPTIONS": {"a": {vault.key}}}}
STORAGES = {"default": {"OPTIONS": {"secret_key": Secret[str]("canary-secret"), "round": round}}}
TEMPLATES = [{"OPTIONS": ("fine", (vault.key,))}]
LANGUAGE_COOKIE_NAME = str(SecretBytes(b"canary-text")).encode()
EMAIL_SUBJECT_PREFIX = "*" * 11
REST_FRAMEWORK = {"KEY": vault.key}
"""
PLACES = [
    "CACHES['default']['LOCATION']",
    "CACHES['default']['OPTIONS']['a']",
    "DATABASES['default']['PASSWORD']",
    "EMAIL_HOST_PASSWORD",
    "LANGUAGE_COOKIE_NAME",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS[1]",
    "STORAGES['default']['OPTIONS']['secret_key']",
    "STORAGES['default']['OPTIONS']['round'][0]",
    "TEMPLATES[0]['OPTIONS'][1][0]",
]


def test_each_masked_secret_is_named_with_its_place(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """Whatever type masks it, as text too, however deep; long rows and others' settings may."""
    own_site(tmp_path, START + EVERYWHERE)
    done = python("manage.py", "check", environment=sqlite, directory=tmp_path)
    assert done.returncode != 0
    _, _, told = done.stderr.partition("ImproperlyConfigured: (vaultconfig.E002) ")
    named, _, advice = told.partition(", because ")
    assert named.partition(" for the value of ")[2].split(", ") == PLACES
    assert ".get_secret_value()" in advice
    assert "canary" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "migrate"),
        ("manage.py", "runserver", "--noreload", "127.0.0.1:0"),
        ("manage.py", "test"),
        ("-m", "gunicorn", "--preload", "project.wsgi"),
    ],
    ids=lambda command: command[1],
)
def test_no_start_with_a_masked_secret_key(
    tmp_path: Path, sqlite: dict[str, str], command: tuple[str, ...]
) -> None:
    """It stops every process, before the applications behind ours are imported."""
    settings = START + "SECRET_KEY = vault.key\nINSTALLED_APPS += ['project.late']\n"
    own_site(tmp_path, settings, late="print('imported')", wsgi=WSGI)
    environment = sqlite | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = python(*command, environment=environment, directory=tmp_path)
    assert done.returncode != 0
    assert "(vaultconfig.E002) Django would take ********** for the value of SECRET_KEY" in (
        done.stderr
    )
    assert "imported" not in done.stdout


def test_no_worker_with_a_masked_secret_key(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """A server whose workers load the application each for itself ends, too."""
    own_site(tmp_path, START + "SECRET_KEY = vault.key\n", wsgi=WSGI)
    environment = sqlite | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    server = Gunicorn("project.wsgi", environment=environment, directory=tmp_path)
    assert server.process.wait(20) != 0
    assert "vaultconfig.E002" in server.text


def test_a_mask_in_a_setting_of_others_has_a_number(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """It may be meant, so it is a warning; a SecretStr there is for its reader to unwrap."""
    settings = """
CELERY_BROKER_URL = f"redis://:{vault.key}@broker"
REST_FRAMEWORK = {"KEY": vault.key}
"""
    own_site(tmp_path, START + settings)
    done = python("manage.py", "check", environment=sqlite, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(vaultconfig.W006) CELERY_BROKER_URL: " in done.stderr
    assert "REST_FRAMEWORK" not in done.stderr


def test_looking_does_not_settle_a_setting(tmp_path: Path, sqlite: dict[str, str]) -> None:
    """STATIC_URL gets its prefix when it is first used, which is not while Django is set up."""
    own_site(tmp_path, START + 'STATIC_URL = "static/"\n')
    code = """
import django
django.setup()
from django.conf import settings
from django.urls import set_script_prefix
set_script_prefix("/below/")
print(settings.STATIC_URL)
"""
    environment = sqlite | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = python("-c", code, environment=environment, directory=tmp_path)
    assert done.stdout == "/below/static/\n", done.stderr


WSGI = """
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
