"""Settings for SQLite."""

import os
from pathlib import Path

from project.common import *  # noqa: F403 - as Django's projects do
from project.common import BASE_DIR
from project.configuration import Settings
from vaultconfig.django import load

# In an image that is being built there is no vault: VAULTCONFIG_BUILD=1 manage.py collectstatic
vault = load(Settings, when_building={"secret_key": "for-the-build", "signing_key": "none"})

DEBUG = vault.debug
SECRET_KEY = vault.secret_key.get_secret_value()
STATIC_ROOT = os.environ.get("SITE_STATIC_ROOT", BASE_DIR / "static")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(os.environ.get("SITE_SQLITE", BASE_DIR / "db.sqlite3")),
    }
}
