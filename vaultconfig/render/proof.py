"""Whether the variables of a settings class load back, and are valid; asks no vault."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError
from pydantic_settings.sources.utils import parse_env_vars

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.mistakes import made_of, mistakes_in
from vaultconfig.loading.places import merged
from vaultconfig.loading.report import Report
from vaultconfig.masking.values import mask
from vaultconfig.render.variables import Variable, variables_in


def settings_variables(report: Report, *, everything: bool = False) -> list[Variable]:
    """Return the variables to write, which are valid and load back as they are.

    Args:
        report: Of a load of the class.
        everything: Also fields that the vault has no part in, if they are set.

    Raises:
        pydantic.ValidationError: A value that would be written does not fit its field.
        ConfigurationError: The class would not read one back from its variable.
    """
    settings_cls, state = report.model, report.state
    vault = None if everything else report.kept().from_vault()
    found = variables_in(settings_cls, state, vault=vault)
    names = {variable.name.partition(".")[0] for variable in found}
    _validate(settings_cls, state, names)
    loaded = _loaded_back(settings_cls, found)
    if any(loaded[key] != state.get(key) for key in loaded):
        back = merged([state, loaded])
        _validate(settings_cls, back, names)
        changed = _changed(settings_cls, state, back)
        for variable in found:
            if variable.name.partition(".")[0] in changed:
                raise ConfigurationError(
                    f"{variable.name}: {settings_cls.__name__} would make another value of the text"
                    f" in {variable.key} than of what the vault has: annotate it with a single type"
                )
    return found


def _changed(
    settings_cls: type[BaseSettings], state: dict[str, Any], back: dict[str, Any]
) -> Collection[str]:
    """Return the fields of which *back* makes another value, such as those of ``bool | str``.

    No error is raised here, because these frames hold plain values.
    """
    with suppress(Exception):  # whatever a validator raises: what is not written need not fit
        # The same input twice: a value that is equal to itself alone can't be compared.
        values, again, others = (vars(made_of(settings_cls, x)) for x in (state, state, back))
        fine = (name for name in values if values[name] == again[name])
        return {name for name in fine if values[name] != others[name]}
    return ()


def _validate(
    settings_cls: type[BaseSettings], state: dict[str, Any], names: Collection[str]
) -> None:
    """Validate *state*, and raise what is wrong with the fields called *names*."""
    fields = [field for field in fields_of(settings_cls) if field.name in names]
    keys = {place[0] for field in fields for place in field.places} | set(names)
    lines = [
        InitErrorDetails(
            type=PydanticCustomError(line["type"], line["msg"]), loc=line["loc"], input=None
        )
        for line in mistakes_in(settings_cls, state)
        if line["loc"] and line["loc"][0] in keys
    ]
    if lines:
        raise ValidationError.from_exception_data(settings_cls.__name__, lines, hide_input=True)


def _loaded_back(settings_cls: type[BaseSettings], variables: Sequence[Variable]) -> dict[str, Any]:
    """Return what pydantic-settings makes of *variables*, masked, if that is what they were."""
    state = read_back(settings_cls, {item.key: item.text for item in variables})
    present = {key: value for key, value in state.items() if value is not None}
    texts = {item.key: item.text for item in variables_in(settings_cls, present, vault=None)}
    for variable in variables:
        if texts.get(variable.key) != variable.text:
            raise _not_read_back(variable, settings_cls)
    masked: dict[str, Any] = mask(state)
    return masked


def read_back(settings_cls: type[BaseSettings], values: Mapping[str, str]) -> dict[str, Any]:
    """Return what pydantic-settings makes of the variables *values*.

    Raises:
        ConfigurationError: It cannot read one of them.
    """
    source = EnvSettingsSource(settings_cls)
    source.env_vars = parse_env_vars(
        values, source.case_sensitive, source.env_ignore_empty, source.env_parse_none_str
    )
    try:
        return source()
    except SettingsError as error:
        problem = str(error)  # its cause holds what could not be decoded
    raise ConfigurationError(f"{settings_cls.__name__} would not load back: {problem}")


def _not_read_back(variable: Variable, settings_cls: type[BaseSettings]) -> ConfigurationError:
    config = settings_cls.model_config
    if not variable.text and config.get("env_ignore_empty"):
        reason = "an empty text counts as absent (env_ignore_empty)"
    elif variable.text == config.get("env_parse_none_str"):
        reason = "its text stands for None (env_parse_none_str)"
    else:
        reason = "pydantic-settings takes the name or the text for something else"
    return ConfigurationError(
        f"{variable.name}: {settings_cls.__name__} would not read the value back from "
        f"{variable.key}: {reason}"
    )
