"""Keeps the logins of Django's databases current, in place, so that every thread sees them.

It opens, closes and drops no connection: one that is logged in stays good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from pydantic import BaseModel, SecretStr

from vaultconfig.live.change import unknown_part
from vaultconfig.masking import mask

SETTING: Final = "VAULTCONFIG_DATABASES"
_KEYS: Final = ("NAME", "USER", "PASSWORD", "HOST", "PORT")

_applied: BaseModel | None = None


def declared() -> Mapping[str, Mapping[str, str]]:
    """Return `VAULTCONFIG_DATABASES`: by alias and key of ``DATABASES``, the name of a field."""
    value: Mapping[str, Mapping[str, str]] = getattr(django_settings, SETTING, {})
    return value


def mistakes(settings: BaseModel) -> list[str]:
    """Return what is wrong with `VAULTCONFIG_DATABASES`, a sentence each; no value is told."""
    value: object = declared()
    if not isinstance(value, Mapping):
        return [
            f'{SETTING} is not a mapping: write {{"default": {{"PASSWORD": "database.field"}}}}'
        ]
    return [line for alias, keys in value.items() for line in _wrong_with(alias, keys, settings)]


def apply(settings: BaseModel) -> None:
    """Have all further logins made with what *settings* say.

    Raises:
        django.core.exceptions.ImproperlyConfigured: `VAULTCONFIG_DATABASES` is wrong.
    """
    global _applied  # noqa: PLW0603 - as the connections are the process's
    if problems := mistakes(settings):
        raise ImproperlyConfigured(f"(vaultconfig.E001) {'; '.join(problems)}")
    for alias, keys in declared().items():
        # At once: a user's name must not meet another's password.
        connections.settings[alias].update(
            {key: mask(_plain(_value_of(settings, field))) for key, field in keys.items()}
        )
        _renew_pool(alias)
    _applied = settings


def applied() -> BaseModel | None:
    """Return the settings that logins are made with; None where none are."""
    return _applied


def _renew_pool(alias: str) -> None:
    """Let the pool of psycopg connections, where there is one, open the next ones anew."""
    pool: Any = getattr(connections[alias], "_connection_pools", {}).get(alias)
    if isinstance(getattr(pool, "kwargs", None), dict):
        pool.kwargs.update(connections[alias].get_connection_params())


def _wrong_with(alias: str, keys: object, settings: BaseModel) -> Iterator[str]:
    if alias not in connections.settings:
        yield f"{SETTING} names {alias!r}, which is none of DATABASES"
    if not isinstance(keys, Mapping):
        yield f"{SETTING}[{alias!r}] is not a mapping from {', '.join(_KEYS)} to names of fields"
        return
    for key, name in keys.items():
        place = f"{SETTING}[{alias!r}][{key!r}]"
        if key not in _KEYS:
            yield f"{place}: the vault can give {', '.join(_KEYS)}"
        elif not isinstance(name, str):
            yield f"{place} is not the dotted name of a field, such as 'database.password'"
        elif (unknown := unknown_part(type(settings), name)) is not None:
            model, part = unknown
            known = ", ".join(model.model_fields)
            yield f"{place}: {model.__name__} has no field {part!r}: it has {known}"
        elif isinstance(found := _value_of(settings, name), BaseModel):
            yield f"{place}: {name} is a {type(found).__name__}: name one of its fields"


def _value_of(settings: BaseModel, name: str) -> object:
    value: Any = settings
    for part in name.split("."):
        value = None if value is None else getattr(value, part)
    return value


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)
