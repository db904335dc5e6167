"""What happens when Django is set up: databases get their logins; nothing is refreshed yet."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.core.signals import request_started

from vaultconfig.django.checks import check_settings
from vaultconfig.django.databases import apply, declared
from vaultconfig.django.loading import current_live, start_refreshing


class VaultConfigApp(AppConfig):
    """The Django application ``vaultconfig``."""

    name = "vaultconfig.django"
    label = "vaultconfig"
    verbose_name = "vaultconfig"

    def ready(self) -> None:
        """Prepare the databases, the checks, and the refreshing from the first request on.

        Raises:
            django.core.exceptions.ImproperlyConfigured: `VAULTCONFIG_DATABASES` is wrong.
        """
        checks.register(check_settings, "vaultconfig")
        request_started.connect(start_refreshing, dispatch_uid="vaultconfig")
        if declared():
            apply(current_live().load())
