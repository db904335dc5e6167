"""Notices that our application is missing from ``INSTALLED_APPS``, where nothing of it can run."""

from __future__ import annotations

from functools import cache
from typing import Final

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from vaultconfig.django.masked import reject_masked

APP: Final = "vaultconfig.django"
ENGINE: Final = "vaultconfig.django.postgresql"
SETTING: Final = "VAULTCONFIG_DATABASES"


def is_missing() -> bool:
    """Whether Django is set up without our application."""
    return apps.apps_ready and not apps.is_installed(APP)


def require_application() -> None:
    """Stop where our application is missing and needed; do without it what it does at setup.

    Raises:
        django.core.exceptions.ImproperlyConfigured: Databases are to follow the vault, or a
            secret is masked.
    """
    if not is_missing():
        return
    engines = [database.get("ENGINE") for database in django_settings.DATABASES.values()]
    if ENGINE in engines or getattr(django_settings, SETTING, None):
        raise ImproperlyConfigured(
            f"(vaultconfig.E003) {APP!r} is missing from INSTALLED_APPS, so no database gets its"
            " login from the vault: add it as the first one"
        )
    _reject_masked_once()


@cache
def _reject_masked_once() -> None:
    reject_masked()  # an error is not kept
