"""Settings for PostgreSQL: DJANGO_SETTINGS_MODULE=project.settings_postgresql."""

from project.common import *  # noqa: F403 - as Django's projects do
from project.configuration import PostgresSettings
from vaultconfig.django import load

vault = load(PostgresSettings)

DEBUG = vault.debug
SECRET_KEY = vault.secret_key.get_secret_value()
POOL = {"min_size": 1, "max_size": 4, "timeout": 10}
DATABASES = {
    "default": {
        "ENGINE": "vaultconfig.django.postgresql",
        "HOST": vault.database_host,
        "PORT": vault.database_port,
        "NAME": vault.database_name,
        "CONN_MAX_AGE": vault.database_max_age,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": POOL} if vault.database_pool else {},
    }
}
VAULTCONFIG_DATABASES = {"default": {"USER": "database.user", "PASSWORD": "database.password"}}
