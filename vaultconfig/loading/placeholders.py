"""What fills `{name}` in a path: the environment, the class, or a field of the settings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from vaultconfig.connection.environment import VARIABLE, Environment
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import Declared
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.places import ABSENT, get_at
from vaultconfig.references import expanded_in, is_reference


class Placeholders:
    """The providers of placeholders for one load.

    Args:
        model: The settings class.
        state: What all sources but the vault gave for it.
        variables: ``vault_variables`` of the class.
        environment: Where we are.
        written: How a text stands in `.env` where variables were expanded in it, else None.
    """

    def __init__(
        self,
        model: type,
        state: Mapping[str, Any],
        *,
        variables: Mapping[str, str],
        environment: Environment,
        written: Callable[[str], str | None],
    ) -> None:
        self._written = written
        self._model = model
        self._state = state
        self._variables = variables
        self._environment = environment

    def fill(self, declared: Declared) -> Declared:
        """Return *declared* without placeholders.

        Raises:
            ConfigurationError: Nothing provides one, two providers differ, or what would go in
                is not one segment of a path.
        """
        names = declared.placeholders
        return declared.fill({name: self._value(name) for name in names}) if names else declared

    def _value(self, name: str) -> str:
        if name == "environment" and self._environment.name is None:
            raise ConfigurationError(
                f"{{environment}} stands in the path and no environment is set: export {VARIABLE}"
            )
        provided = dict(self._providers(name))
        if not provided:
            raise ConfigurationError(
                f"nothing provides {{{name}}}: name it in vault_variables,"
                " or give the settings a field of that name with a value"
            )
        if len(set(provided.values())) > 1:
            told = ", ".join(f"{value!r} by {origin}" for origin, value in provided.items())
            raise ConfigurationError(f"{{{name}}} is provided twice and differently: {told}")
        return next(iter(provided.values()))

    def _providers(self, name: str) -> Iterator[tuple[str, str]]:
        if name == "environment" and self._environment.name is not None:
            yield VARIABLE, self._environment.name
        if name in self._variables:
            yield "vault_variables", self._normal(name, str(self._variables[name]))
        value = _field_value(self._model, self._state, name)
        if value is not None:
            text = self._written(value)
            if text is not None:  # it may be a token of the process
                raise ConfigurationError(
                    f"{{{name}}} would come from {expanded_in(text)}, which .env expands in the"
                    f" field {name}: write the value there"
                )
            yield f"the field {name}", self._normal(name, value)

    @staticmethod
    def _normal(name: str, value: str) -> str:
        return value.strip().lower() if name == "environment" else value


def _field_value(model: type, state: Mapping[str, Any], name: str) -> str | None:
    field = next((field for field in fields_of(model) if field.name == name), None)
    if field is None:
        return None
    found = [value for place in field.places if (value := get_at(state, place)) is not ABSENT]
    value = found[0] if found else field.info.default
    if field.declared is not None or (isinstance(value, str) and is_reference(value)):
        raise ConfigurationError(f"{{{name}}} would come from the vault itself: give it elsewhere")
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value)
