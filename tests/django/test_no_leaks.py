"""Nothing from the vault shows on Django's page for developers, nor in the log beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.django.conftest import Role
from tests.django.site import eventually, gunicorn, own_site
from tests.postgres import Postgres
from vaultconfig.devserver import DevServer

SETTINGS = """
import os
from typing import Annotated
from pydantic import BaseModel, SecretStr
from vaultconfig import VaultSettings
from vaultconfig.django import load

class Login(BaseModel):
    user: str
    password: SecretStr

class Settings(VaultSettings):
    secret_key: Annotated[SecretStr, "vault:environments/production/site/web#secret_key"]
    plain: Annotated[str, "vault:environments/production/site/web#signing_key"]
    database: Annotated[Login, "vault:environments/production/site/database"]

vault = load(Settings)
VAULT = vault
DEBUG = True
SECRET_KEY = vault.secret_key.get_secret_value()
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["vaultconfig.django"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DATABASES = {"default": {
    "ENGINE": "vaultconfig.django.postgresql",
    "HOST": "127.0.0.1", "PORT": os.environ["PORT"], "NAME": "postgres",
}}
VAULTCONFIG_DATABASES = {"default": {"USER": "database.user", "PASSWORD": "database.password"}}
"""
URLS = """
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from project import settings as module
import vaultconfig.django

def fails(request):
    settings = vaultconfig.django.live.current
    live, vault = vaultconfig.django.live, module.vault
    database = module.DATABASES
    raise RuntimeError(f"with {settings} and {vault!r}")

def login(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("in")

urlpatterns = [path("fails", fails), path("login", login)]
"""
WSGI = """
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


def test_the_page_for_developers(
    site_vault: DevServer,
    on_postgres: Callable[..., dict[str, str]],
    make_role: Callable[..., Role],
    postgres: Postgres,
    tmp_path: Path,
) -> None:
    """Settings, locals of every frame, and a login that is refused for good: all are masked."""
    role = make_role(site_vault)
    own_site(tmp_path, SETTINGS, urls=URLS, wsgi=WSGI)
    environment = on_postgres(site_vault, PORT=str(postgres.port))
    environment |= {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with gunicorn("project.wsgi", environment=environment, directory=tmp_path) as server:
        assert server.page("login") == "in"
        first = role.password
        role.renew()
        role.alter()  # and the vault is not told
        eventually(lambda: role.refused() or server.page("login") != "in")
        pages = [
            server.page(place, Accept=accept)
            for place in ("fails", "login")
            for accept in ("text/html", "text/plain")
        ]
        for page in pages:
            assert "VAULTCONFIG_DATABASES" in page
            assert "Traceback" in page
        assert "password authentication failed" in pages[2]
        for text in (*pages, server.text):
            assert first not in text
            assert "canary" not in text
