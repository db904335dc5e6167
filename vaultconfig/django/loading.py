"""One settings object for the whole Django project, and when it is loaded and refreshed."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.django.installation import require_application
from vaultconfig.django.signals import vault_refreshed
from vaultconfig.errors import UnresolvedSettingsError, VaultConfigError
from vaultconfig.live import Change, LiveSettings
from vaultconfig.loading.descriptions import described

T = TypeVar("T", bound=BaseSettings)

BUILD_SWITCH: Final = "VAULTCONFIG_BUILD"
BUILD_COMMANDS: Final = frozenset({"collectstatic", "compilemessages", "compress"})
"""Commands that build an image and serve no requests."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` was called with, and what came of it."""

    settings_cls: type[BaseSettings]
    arguments: Mapping[str, Any]
    live: LiveSettings[Any]


_loaded: Loaded | None = None


def load(
    settings_cls: type[T], *, when_building: Mapping[str, Any] | None = None, **arguments: Any
) -> T:
    """Load the settings of the project; to be called in settings.py.

    What it returns is a snapshot. `vaultconfig.django.live` has what is current; it is refreshed
    from the first request, or the first read of ``live.current``, on.

    Args:
        settings_cls: The settings class.
        when_building: Stand-ins for fields that the vault would fill, such as
            ``{"secret_key": "only-for-the-build"}``. They are used with ``VAULTCONFIG_BUILD=1``
            only, and with it only ``collectstatic``, ``compilemessages`` and ``compress`` run.
        arguments: Further keywords for ``settings_cls()``, the same at each refresh.

    Raises:
        django.core.exceptions.ImproperlyConfigured: They can't be loaded; it says why.
    """
    global _loaded  # noqa: PLW0603 - a Django process has one settings module
    if os.environ.get(BUILD_SWITCH):
        arguments |= _stand_ins(when_building, sys.argv)
    live = LiveSettings(settings_cls, **arguments)
    problem = ""
    try:
        settings = live.load()
    except (VaultConfigError, ValidationError, SettingsError) as error:
        problem = _described(error)
    if problem:  # outside the handler: a cause would be printed, with values in its frames
        raise ImproperlyConfigured(f"{settings_cls.__name__} could not be loaded: {problem}")
    if _loaded is not None:
        _loaded.live.close()
    _loaded = Loaded(settings_cls, arguments, live)
    live.on_change(_follow)  # on its own, too: a receiver of the signal may never return
    live.on_change(_tell)
    request_started.connect(start_refreshing, dispatch_uid="vaultconfig")
    checks.register(_check, "vaultconfig")
    return settings


def loaded() -> Loaded | None:
    """Return what settings.py has loaded, if anything."""
    return _loaded


def current_live() -> LiveSettings[Any]:
    """Return the live settings of the project.

    Raises:
        django.core.exceptions.ImproperlyConfigured: settings.py has not loaded any (yet), or
            our application is missing and needed.
    """
    require_application()
    if _loaded is None:
        raise ImproperlyConfigured(
            "no settings have been loaded: call vaultconfig.django.load(Settings) in settings.py,"
            " and read vaultconfig.django.live once Django is set up"
        )
    return _loaded.live


def start_refreshing(**_: object) -> None:
    """Refresh from now on, in this process; a receiver of ``request_started``."""
    from vaultconfig.django import databases

    with suppress(VaultConfigError):  # expired: the code that reads them gets the error
        _ = current_live().current
    databases.follow_all()


def _check(**_: Any) -> list[checks.CheckMessage]:
    from vaultconfig.django.checks import check_settings  # most processes run no checks

    return check_settings()


def _follow(_: Change[Any]) -> None:
    from vaultconfig.django import databases

    if apps.apps_ready:  # until then there may be no DATABASES
        databases.follow_all()


def _tell(change: Change[Any]) -> None:
    _follow(change)  # first: a receiver may connect anew
    vault_refreshed.send_robust(sender=type(change.new), change=change)


def _stand_ins(when_building: Mapping[str, Any] | None, argv: Sequence[str]) -> Mapping[str, Any]:
    """Return the stand-ins, if this process runs a command of a build."""
    if os.environ[BUILD_SWITCH] != "1":
        raise ImproperlyConfigured(
            f"{BUILD_SWITCH} is neither 1 nor unset: set it to 1, or unset it"
        )
    if not is_build(argv, BUILD_COMMANDS):
        allowed = ", ".join(sorted(BUILD_COMMANDS))
        raise ImproperlyConfigured(
            f"{BUILD_SWITCH} is set, with which only {allowed} may run: unset it, because it "
            "replaces secrets by the stand-ins in settings.py"
        )
    if when_building is None:
        raise ImproperlyConfigured(
            f"{BUILD_SWITCH} is set, and settings.py has no stand-ins for secrets: "
            "give load() the argument when_building"
        )
    return when_building


def is_build(argv: Sequence[str], commands: Collection[str]) -> bool:
    """Whether a process with these arguments is a management command among *commands*."""
    program = os.path.basename(argv[0]) if argv else ""
    is_django = program in {"manage.py", "django-admin", "__main__.py"}
    return is_django and argv[1:2] != [] and argv[1] in commands


def _described(error: Exception) -> str:
    if os.environ.get(BUILD_SWITCH) and (fields := ", ".join(_fields_without_credentials(error))):
        return f"when_building in settings.py has no value for {fields}: add one for each"
    return described(error)


def _fields_without_credentials(error: Exception) -> Sequence[str]:
    if isinstance(error, NoCredentialsError):
        return error.fields
    failures = error.failures if isinstance(error, UnresolvedSettingsError) else ()
    return [failure.field for failure in failures if isinstance(failure.error, NoCredentialsError)]
