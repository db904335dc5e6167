"""Keeps the logins of Django's databases current, in place, so that every thread sees them.

It opens, closes and drops no connection: one that is logged in stays good. What came from the
vault is known by its type; what other code has put in its place is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from pydantic import BaseModel

from vaultconfig.django.installation import SETTING
from vaultconfig.django.loading import current_live
from vaultconfig.errors import ConfigurationError
from vaultconfig.live.names import check_single_value, text_at
from vaultconfig.masking.values import MaskedStr

_PLACE: Final = ("NAME", "HOST", "PORT")
_KEYS: Final = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


class FromField(MaskedStr):
    """A text in ``DATABASES`` that follows a field, in copies of the dictionary too.

    Django makes a plain text of it for a test database or a clone, which therefore stays.

    Attributes:
        field: The dotted name of the field.
        database: The ``NAME`` beside which it was written.
    """

    field: str
    database: object

    def __new__(cls, text: str, field: str, database: object) -> Self:
        """Mark *text* as that of *field*."""
        marked = super().__new__(cls, text)
        marked.field, marked.database = field, database
        return marked

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        # It remains one in a copy, and in a process for tests that it is sent to.
        return type(self), (str(self), self.field, self.database)


def declared() -> Mapping[str, Mapping[str, str]]:
    """Return `VAULTCONFIG_DATABASES`: by alias and key of ``DATABASES``, the name of a field."""
    value: Mapping[str, Mapping[str, str]] = getattr(django_settings, SETTING, {})
    return value


def mistakes(settings: BaseModel) -> list[str]:
    """Return what is wrong with `VAULTCONFIG_DATABASES`, a sentence each, without values."""
    value: object = declared()
    if not isinstance(value, Mapping):
        return [
            f'{SETTING} is not a mapping: write {{"default": {{"PASSWORD": "database.field"}}}}'
        ]
    return [line for alias, keys in value.items() for line in _wrong_with(alias, keys, settings)]


def fill() -> None:
    """Write what the vault has for the databases; called when Django is set up.

    Raises:
        django.core.exceptions.ImproperlyConfigured: `VAULTCONFIG_DATABASES` is wrong.
    """
    settings = current_live().newest
    if problems := mistakes(settings):
        raise ImproperlyConfigured(f"(vaultconfig.E001) {'; '.join(problems)}")
    for alias, fields in declared().items():
        _write(connections.settings[alias], fields, settings)


def follow_all() -> None:
    """Let further logins of all databases use what the vault has by now."""
    changed = [alias for alias in list(connections.settings) if follow(connections.settings[alias])]
    for alias in changed:
        _renew_pool(alias)


def follow(database: dict[str, Any]) -> bool:
    """Bring what came from the vault in *database* up to date; return whether it has changed.

    Several threads may do so at the same time without waiting; the newest login stays.
    """
    before = dict(database)
    if is_followed(database):
        written: BaseModel | None = None
        while (newest := current_live().newest) is not written:
            _write(database, _fields_in(database), newest)
            written = newest
    return database != before


def is_followed(database: Mapping[str, Any]) -> bool:
    """Whether something in *database* came from the vault."""
    return any(isinstance(text, FromField) for text in dict(database).values())


def _fields_in(database: Mapping[str, Any]) -> dict[str, str]:
    """Return the field of each text that still follows the vault.

    A test database is where it was made: beside a NAME that we don't know HOST and PORT stay.
    """
    return {
        key: text.field
        for key, text in dict(database).items()
        if isinstance(text, FromField)
        if key not in _PLACE or text.database == database["NAME"]
    }


def _write(database: dict[str, Any], fields: Mapping[str, str], settings: BaseModel) -> None:
    texts = {key: text_at(settings, field) or "" for key, field in fields.items()}
    name = texts.get("NAME", database["NAME"])
    # At once: a user's name must not meet another's password.
    database.update({key: FromField(texts[key], fields[key], name) for key in fields})


def _renew_pool(alias: str) -> None:
    """Let the pool of psycopg connections, where there is one, open the next ones anew."""
    pool: Any = getattr(connections[alias], "_connection_pools", {}).get(alias)
    if isinstance(getattr(pool, "kwargs", None), dict):
        pool.kwargs = {**connections[alias].get_connection_params(), "autocommit": True}


def _wrong_with(alias: str, keys: object, settings: BaseModel) -> Iterator[str]:
    if alias not in connections.settings:
        yield f"{SETTING} names {alias!r}, which is not in DATABASES"
    if not isinstance(keys, Mapping):
        yield f"{SETTING}[{alias!r}] is not a mapping from {', '.join(_KEYS)} to names of fields"
        return
    for key, name in keys.items():
        place = f"{SETTING}[{alias!r}][{key!r}]"
        if key not in _KEYS:
            yield f"{place}: only {', '.join(_KEYS)} can come from the vault"
        else:
            try:
                check_single_value(type(settings), name)
                text_at(settings, name)
            except ConfigurationError as error:
                yield f"{place}: {error}"
