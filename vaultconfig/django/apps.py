"""What happens when Django is set up: databases get their logins; nothing is refreshed yet."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig

from vaultconfig.django import databases
from vaultconfig.django.installation import APP
from vaultconfig.django.masked import reject_masked


class VaultConfigApp(AppConfig):
    """The Django application ``vaultconfig``."""

    name = APP
    label = "vaultconfig"
    verbose_name = "vaultconfig"

    def __init__(self, app_name: str, app_module: Any) -> None:
        """Reject masked secrets before the applications behind this one are imported.

        Raises:
            django.core.exceptions.ImproperlyConfigured: A setting of Django holds one.
        """
        reject_masked()
        super().__init__(app_name, app_module)

    def ready(self) -> None:
        """Give the databases their logins.

        Raises:
            django.core.exceptions.ImproperlyConfigured: `VAULTCONFIG_DATABASES` is wrong.
        """
        if databases.declared():
            databases.fill()
