"""System checks: settings that load but are unwise. They ask no vault and show no value.

==== ==============================================
W001 A secret is typed ``str``.
W002 Git would take a ``.env``, or has taken it.
W003 Secrets travel in plain HTTP.
W004 No environment is set.
W005 A database's login can't follow a rotation.
W006 A setting shows the mask of a secret.
W007 Our application is not installed.
==== ==============================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import SafeExceptionReporterFilter

from vaultconfig.connection.connection import read_connection
from vaultconfig.connection.env_files import files_of
from vaultconfig.connection.environment import VARIABLE, current_environment
from vaultconfig.connection.urls import goes_in_clear
from vaultconfig.django import databases
from vaultconfig.django.installation import APP, ENGINE, SETTING, is_missing, require_application
from vaultconfig.django.loading import Loaded, loaded
from vaultconfig.django.masked import REVEAL, masked_texts
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.render.git import standing


def check_settings() -> list[checks.CheckMessage]:
    """Return a warning for each thing that is unwise in how the project is configured."""
    project = loaded()
    if project is None:
        return []
    return [
        *_unmasked(project),
        *_published(project),
        *_in_clear(),
        *_without_environment(project),
        *_left_behind(),
        *_masked(),
        *_without_application(),
    ]


def _unmasked(project: Loaded) -> Iterator[checks.CheckMessage]:
    if names := list(texts_from_vault(project.settings_cls)):
        yield checks.Warning(
            f"{project.settings_cls.__name__} keeps secrets as plain str: {', '.join(names)}",
            hint=f"Type them SecretStr, and where Django needs the text, {REVEAL}.",
            id="vaultconfig.W001",
        )


def texts_from_vault(model: type, *, within: bool = False, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of secrets that *model* types ``str``.

    A field that refers to the vault is one. Inside a model that is filled as a whole, where
    there may be a host or a port beside it, one is known by its name, as Django knows it.
    """
    for field in fields_of(model):
        name, is_filled = f"{prefix}{field.name}", within or field.declared is not None
        if field.models:
            for inner in field.models:
                yield from texts_from_vault(inner, within=is_filled, prefix=f"{name}.")
        elif _is_text(field) and (field.declared is not None or (within and _is_telling(name))):
            yield name


def _is_text(field: ModelField) -> bool:
    return str in (field.info.annotation, *getattr(field.info.annotation, "__args__", ()))


def _is_telling(name: str) -> bool:
    last = name.rpartition(".")[2]
    return SafeExceptionReporterFilter.hidden_settings.search(last) is not None


def _published(project: Loaded) -> Iterator[checks.CheckMessage]:
    for file in files_of(project.settings_cls.model_config.get("env_file")):
        with suppress(ConfigurationError):  # git can't say
            found = standing(str(file.parent), file.name) if file.is_file() else "ignored"
            if found in {"tracked", "exposed"}:
                problem = "is tracked by git" if found == "tracked" else "is not ignored by git"
                yield checks.Warning(
                    f"{file} {problem}",
                    hint="Add it to .gitignore, and rotate the secrets that were committed.",
                    id="vaultconfig.W002",
                )


def _in_clear() -> Iterator[checks.CheckMessage]:
    with suppress(ConfigurationError):  # the code that connects says what is invalid
        connection = read_connection(os.environ)
        for url in (connection.url, connection.token_url):
            if goes_in_clear(url):
                yield checks.Warning(
                    f"secrets travel in plain HTTP between this machine and {url}",
                    hint="Use https, and unset VAULTCONFIG_ALLOW_HTTP.",
                    id="vaultconfig.W003",
                )


def _without_environment(project: Loaded) -> Iterator[checks.CheckMessage]:
    environment = current_environment(
        project.arguments.get("_vault_environment"),
        declared=project.settings_cls.model_config.get("vault_environment"),  # type: ignore[arg-type]  # its own key
        environ=os.environ,
    )
    if environment.name is None:
        yield checks.Warning(
            "no environment is set, which counts as production",
            hint=f"Set {VARIABLE}: production, or development on your own machine.",
            id="vaultconfig.W004",
        )


def _left_behind() -> Iterator[checks.CheckMessage]:
    for alias, database in django_settings.DATABASES.items():
        if database.get("ENGINE") == ENGINE and "PASSWORD" not in databases.declared().get(
            alias, {}
        ):
            yield checks.Warning(
                f"the password of the database {alias!r} can't follow a rotation",
                hint=f"Name its field in {SETTING}[{alias!r}]['PASSWORD'].",
                id="vaultconfig.W005",
            )


def _masked() -> Iterator[checks.CheckMessage]:
    if places := masked_texts():
        yield checks.Warning(
            f"{', '.join(places)}: the text holds the mask of a secret instead of the secret",
            hint=f"Where it was made of a SecretStr, {REVEAL}.",
            id="vaultconfig.W006",
        )


def _without_application() -> Iterator[checks.CheckMessage]:
    try:
        require_application()
    except ImproperlyConfigured as error:
        number, _, problem = str(error).removeprefix("(").partition(") ")
        yield checks.Error(problem, id=number)
    else:
        if is_missing():
            yield checks.Warning(
                f"{APP!r} is missing from INSTALLED_APPS",
                hint="Add it as the first one, so that masked secrets stop each start.",
                id="vaultconfig.W007",
            )
