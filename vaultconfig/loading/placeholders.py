"""What fills `{name}` in a path: the environment, the class, or a field of the settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from vaultconfig.connection.environment import VARIABLE, Environment
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.annotations import Declared
from vaultconfig.loading.defaults import default_of
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.layers import DEFAULT, Layer
from vaultconfig.loading.places import ABSENT
from vaultconfig.references import expanded_in, is_reference


class Placeholders:
    """The providers of placeholders for one load.

    Args:
        model: The settings class.
        layers: What its sources gave, highest first.
        variables: ``vault_variables`` of the class.
        environment: Where we are.
    """

    def __init__(
        self,
        model: type,
        layers: Sequence[Layer],
        *,
        variables: Mapping[str, str],
        environment: Environment,
    ) -> None:
        self._model = model
        self._layers = layers
        self._variables = variables
        self._environment = environment
        self._texts: dict[str, str] = {}  # a load that is run again has the same

    def fill(self, declared: Declared) -> Declared:
        """Return *declared* without placeholders.

        Raises:
            ConfigurationError: Nothing provides one, two providers differ, or what would go in
                is not one segment of a path.
        """
        names = declared.placeholders
        for name in names:
            if name not in self._texts:
                self._texts[name] = self._text(name)
        return declared.fill(self._texts) if names else declared

    def _text(self, name: str) -> str:
        if name == "environment":
            if self._environment.name is None:
                raise ConfigurationError(
                    f"{{environment}} stands in the path and no environment is set:"
                    f" export {VARIABLE}"
                )
            return self._environment.name
        source, given = self._given(name)
        declared = self._variables.get(name)
        if declared is None and given is None:
            raise ConfigurationError(
                f"nothing provides {{{name}}}: name it in vault_variables,"
                " or give the settings a field of that name with a value"
            )
        if declared is not None and given not in (None, declared) and source != DEFAULT:
            raise ConfigurationError(
                f"{{{name}}} is provided twice and differently: {declared!r} by vault_variables,"
                f" {given!r} by the field {name}"
            )
        return str(given if declared is None else declared)

    def _given(self, name: str) -> tuple[str, str | None]:
        """Return what the field called *name* has, as text, and the source that gave it."""
        field = next((field for field in fields_of(self._model) if field.name == name), None)
        if field is None:
            return DEFAULT, None
        found = ((layer, field.find(layer.data)[1]) for layer in self._layers)
        layer, value = next((item for item in found if item[1] is not ABSENT), (None, ABSENT))
        if field.declared is not None or (isinstance(value, str) and is_reference(value)):
            raise ConfigurationError(
                f"{{{name}}} would come from the vault itself: give it elsewhere"
            )
        if layer is None and field.factory_takes_data:
            raise ConfigurationError(
                f"{{{name}}} would come from a default factory that takes other fields: name it in"
                " vault_variables, or give it a value"
            )
        if layer is None:
            return DEFAULT, _segment(default_of(self._model, field, {}))
        as_written = layer.as_written(value) if isinstance(value, str) else None
        if as_written is not None:  # it may be a token of the process
            raise ConfigurationError(
                f"{{{name}}} would come from {expanded_in(as_written)}, which .env expands in the"
                f" field {name}: write the value there"
            )
        return layer.source, _segment(value)


def _segment(value: Any) -> str | None:
    if isinstance(value, Enum):
        value = value.value
    return None if isinstance(value, bool) or not isinstance(value, (str, int)) else str(value)
