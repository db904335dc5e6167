"""Live settings in a Django project: loaded in settings.py, refreshed once requests come.

Importing it touches neither Django's settings nor its applications, so settings.py may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultconfig.errors import missing_extra

if _missing := missing_extra("vaultconfig.django", ["django"], extra="django"):
    raise _missing

from vaultconfig.django.loading import current_live, load
from vaultconfig.django.signals import vault_refreshed

if TYPE_CHECKING:
    from vaultconfig.live import LiveSettings

    live: LiveSettings[Any]
    """Those that `load` has loaded. Reading it raises ImproperlyConfigured where it has not yet."""

__all__ = ["live", "load", "vault_refreshed"]


def __getattr__(name: str) -> object:
    if name == "live":
        return current_live()  # each time: settings.py may not have run yet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
