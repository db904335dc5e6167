"""The input of a settings class as environment variables: names that it reads, and texts. Pure.

The names are those that pydantic-settings looks for; whether it really finds them is for
`proof` to say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import AliasChoices, AliasPath, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from vaultconfig.errors import ConfigurationError
from vaultconfig.inputs import ABSENT, get_at
from vaultconfig.masking import mask
from vaultconfig.plan import FieldPlan, fields_of
from vaultconfig.references import as_text


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment that a field is read from.

    Attributes:
        key: Its name.
        name: The field, dotted.
        text: Its value, masked in a ``repr``.
    """

    key: str
    name: str
    text: str = field(repr=False)


def variables_in(
    model: type, state: Mapping[str, Any], *, vault: Collection[str] | None
) -> list[Variable]:
    """Return the variables that would give *state* to the settings class *model*.

    Args:
        model: The settings class.
        state: Its input, by the names that pydantic knows.
        vault: The dotted names of what the vault filled, to leave all else out; what an
            annotation leaves to the vault counts too. None is for everything that is set.

    Raises:
        ConfigurationError: A null that no variable can stand for.
    """
    walk = _Walk(model.model_config, vault)  # type: ignore[attr-defined]  # a settings class
    found: dict[str, Variable] = {}
    for plan in fields_of(model):
        for variable in walk.field(plan, state):
            found.setdefault(variable.key, variable)
    return list(found.values())


class _Walk:
    """Goes through the fields of a settings class, and into nested models.

    Args:
        config: The ``model_config`` of the class.
        vault: See `variables_in`.
    """

    def __init__(self, config: Mapping[str, Any], vault: Collection[str] | None) -> None:
        self._vault = vault
        self._delimiter = config.get("env_nested_delimiter")
        self._levels = config.get("env_nested_max_split") or float("inf")
        self._keeps_case = bool(config.get("case_sensitive"))
        self._prefix = config.get("env_prefix") or ""
        target = config.get("env_prefix_target") or "variable"
        self._prefixed = {"variable", "alias"} if target == "all" else {target}
        self._takes_aliases = config.get("validate_by_alias") is not False

    def field(
        self,
        plan: FieldPlan,
        data: Mapping[str, Any],
        *,
        parents: tuple[str, ...] = (),
        name: str = "",
        ours: bool = False,
    ) -> Iterator[Variable]:
        """Yield the variables of one field of the model that *data* is the input of.

        Args:
            parents: The parts of the key that stand before its own.
            name: The dotted name of what it is nested in, with a dot behind.
            ours: Whether all of that is from the vault.
        """
        found = [(place, get_at(data, place)) for place in plan.places]
        place, value = next(((p, v) for p, v in found if v is not ABSENT), (None, None))
        if place is None:
            return
        label = f"{name}{plan.name}"
        place = next((simple for simple in plan.places if len(simple) == 1), place)
        head = str(place[0])
        ours = ours or self._is_ours(plan, {label, f"{name}{head}"})
        if value is None:
            _refuse_null(plan, label, written=ours)
            return
        parts = (*parents, head) if parents else (self._prefix_of(plan, head) + head,)
        if len(place) == 1 and self._is_spread(plan, value, level=len(parents)):
            for inner in fields_of(plan.models[0]):
                yield from self.field(inner, value, parents=parts, name=f"{label}.", ours=ours)
        elif ours or self._holds_ours(plan, label):
            whole = data[head] if len(place) > 1 else _kept(plan, value)
            yield Variable(self._key(parts), label, _text(whole))

    def _is_ours(self, plan: FieldPlan, labels: Collection[str]) -> bool:
        if self._vault is None or plan.declared is not None:
            return True
        return any(label in self._vault for label in labels)

    def _holds_ours(self, plan: FieldPlan, label: str) -> bool:
        inside = any(name.startswith(f"{label}.") for name in self._vault or ())
        return inside or plan.bears_references

    def _is_spread(self, plan: FieldPlan, value: object, *, level: int) -> bool:
        """Whether each field inside has a variable of its own."""
        return (
            bool(self._delimiter)
            and level < self._levels
            and isinstance(value, dict)
            and not plan.many
            and len(plan.models) == 1
            and not _takes_extra(plan.models[0])
        )

    def _prefix_of(self, plan: FieldPlan, head: str) -> str:
        is_alias = self._takes_aliases and head in _aliases(plan)
        return self._prefix if ("alias" if is_alias else "variable") in self._prefixed else ""

    def _key(self, parts: Collection[str]) -> str:
        key = (self._delimiter or "").join(parts)
        return key if self._keeps_case else key.upper()


def _refuse_null(plan: FieldPlan, label: str, *, written: bool) -> None:
    """Refuse a null that would load back as something else: no variable stands for it."""
    if written and plan.info.default is not None:
        raise ConfigurationError(
            f"{label}: there is no text for null: give the field the default None, or another value"
        )


def _aliases(plan: FieldPlan) -> list[str | int]:
    """Return the names in the field's aliases, of a path the first step."""
    alias = plan.info.validation_alias or plan.info.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [item.path[0] if isinstance(item, AliasPath) else item for item in choices if item]


def _takes_extra(model: type) -> bool:
    return getattr(model, "model_config", {}).get("extra") == "allow"


def _kept(plan: FieldPlan, value: Any) -> Any:
    """Return *value* without what the models in it would ignore."""
    if plan.many and isinstance(value, dict):
        return {key: _kept_by(plan.models, item) for key, item in value.items()}
    if plan.many and isinstance(value, list):
        return [_kept_by(plan.models, item) for item in value]
    return _kept_by(plan.models, value)


def _kept_by(models: Collection[type], value: Any) -> Any:
    if not isinstance(value, dict) or not models or any(map(_takes_extra, models)):
        return value
    fields = {
        place[0]: plan for model in models for plan in fields_of(model) for place in plan.places
    }
    kept = {key: item for key, item in value.items() if key in fields}
    if len(models) > 1:
        return kept
    return {key: _kept(fields[key], item) for key, item in kept.items()}


def _text(value: Any) -> str:
    """Return the text that pydantic-settings reads as *value*: scalars plain, all else as JSON."""
    plain = as_text(value)
    if plain is None:
        data = to_jsonable_python(value, fallback=_revealed)
        plain = as_text(data) or json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    text: str = mask(plain)
    return text


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, (SecretStr, SecretBytes)) else str(value)
