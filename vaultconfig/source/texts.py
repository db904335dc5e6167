"""Makes of a text what a variable with that text would give, by pydantic-settings' own code."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource

from vaultconfig.connection.env_files import DotEnvFiles, expanded_texts, files_of
from vaultconfig.loading.fields import ModelField, model_fields
from vaultconfig.loading.places import Place, get_at
from vaultconfig.source.upstream import WithoutVariables, in_the_case_of_fields, names_in


class SourceVariables:
    """The variables of an environment, a `.env` or a command line; see `layers.Variables`."""

    def __init__(self, source: EnvSettingsSource) -> None:
        self._source = source

    def name_at(self, place: Place) -> str | None:
        """Return the variable that gave what stands at *place*, and nothing else, if one did."""
        found = self._find(place)
        if found is None:
            return None
        key = found[1]
        return next((name for name in os.environ if name.lower() == key), key.upper())

    def read(self, place: Place, text: str) -> Any:
        """Return what the source gives for *place* where *text* stands in that variable."""
        found = self._find(place)
        if found is None:
            return text
        field, key, is_complex = found
        source = copy.copy(self._source)
        source.env_vars = {}  # those of what is inside count for themselves; they may be references
        if len(place) == 1:
            return _prepared(source, field, text, is_complex=is_complex)
        if text == source.env_parse_none_str:
            return None
        nested = source.explode_env_vars(field.name, field.info, {key: text})
        return get_at(in_the_case_of_fields(source, field.info, nested), place[1:])

    def _find(self, place: Place) -> tuple[ModelField, str, bool] | None:
        """Return the field that *place* is in, and the key of the variable."""
        source, (top, *inner) = self._source, map(str, place)
        if inner and not source.env_nested_delimiter:
            return None
        for field in model_fields(source.settings_cls).by_key.get(top, ()):
            for name, is_complex in names_in(source, field.name, field.info):
                key = (source.env_nested_delimiter or "").join([name, *inner])
                key = key if source.case_sensitive else key.lower()
                if source.env_vars.get(key) is not None:
                    return field, key, is_complex
        return None


class TextReader:
    """Makes of a text what a variable with that text would give a field of *settings_cls*."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self._settings_cls = settings_cls
        config = settings_cls.model_config
        self._reads_all = config.get("strict") or config.get("env_parse_none_str")
        self._source: EnvSettingsSource | None = None

    def __call__(self, field: ModelField, text: str) -> Any:
        """Return what *field* gets."""
        if field.takes_text_as_it_is and not self._reads_all:
            return text
        if self._source is None:
            self._source = WithoutVariables(self._settings_cls)
        return _prepared(self._source, field, text, is_complex=False)


class AsWritten:
    """Knows how a text is written in `.env`, where variables were expanded in it."""

    def __init__(self, env_file: DotEnvFiles, encoding: str | None) -> None:
        self._env_file = [file.absolute() for file in files_of(env_file)]
        self._encoding = encoding
        self._texts: Mapping[str, str] | None = None

    def __call__(self, text: str) -> str | None:
        """Return how *text* is written there; None where nothing was expanded in it."""
        if self._texts is None:
            self._texts = expanded_texts(self._env_file, self._encoding)
        return self._texts.get(text)


def _prepared(source: EnvSettingsSource, field: ModelField, text: str, *, is_complex: bool) -> Any:
    """Return what *source* makes of *text* for *field*."""
    if text == source.env_parse_none_str:
        return None
    value = source.prepare_field_value(field.name, field.info, text, is_complex)
    return in_the_case_of_fields(source, field.info, value)
