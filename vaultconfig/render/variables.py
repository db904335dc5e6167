"""The input of a settings class as environment variables: names that it reads, and texts. Pure.

The names are those that pydantic-settings looks for; whether it really finds them is for
`proof` to say.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import AliasChoices, AliasPath, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.places import ABSENT, Place, get_at
from vaultconfig.masking.values import mask
from vaultconfig.references import as_text


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment that a field is read from.

    Attributes:
        key: Its name.
        name: The field, dotted.
        text: Its value, masked in a ``repr``.
    """

    key: str
    name: str
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Lookup:
    """A field, set or not, and the variable that it is read from.

    Attributes:
        key: The variable.
        name: The field, dotted.
        field: The field.
        entry: What the input of the class calls the variable, at each level.
        place: Where the value stands in that input: in the entry, or further inside.
        value: That of the variable, or `ABSENT`.
        is_ours: Whether the vault has a part in it.
    """

    key: str
    name: str
    field: ModelField
    entry: tuple[str, ...]
    place: Place
    value: Any = dataclasses.field(repr=False)
    is_ours: bool

    @property
    def is_set(self) -> bool:
        """Whether there is a value to write."""
        return self.value is not ABSENT and self.value is not None

    @property
    def is_written(self) -> bool:
        """Whether the variable is rendered for this field, now or once the vault has the value."""
        return self.is_ours and (self.is_set or self.field.declared is not None)


def variables_in(
    model: type, state: Mapping[str, Any], *, vault: Collection[str] | None
) -> list[Variable]:
    """Return the variables that would give *state* to the settings class *model*.

    Fields that share an alias share a variable, with the same text in each.

    Args:
        model: The settings class.
        state: Its input, by the names that pydantic knows.
        vault: The dotted names of what the vault filled, to leave all else out; what an
            annotation leaves to the vault counts too. None is for everything that is set.

    Raises:
        ConfigurationError: Two fields need the same variable, or a null that no variable can
            stand for.
    """
    lookups = lookups_in(model, state, vault)
    problems = list(clashes_among(lookups))
    if problems:
        raise ConfigurationError("; ".join(problems))
    ours = [lookup for lookup in lookups if lookup.is_ours]
    for lookup in ours:
        _reject_null(lookup)
    return [Variable(item.key, item.name, text_of(item)) for item in ours if item.is_set]


def lookups_in(
    model: type, state: Mapping[str, Any], vault: Collection[str] | None
) -> list[Lookup]:
    """Return every field that a variable may give, set or not; the arguments are as above.

    A model whose fields have variables of their own stands before them.
    """
    walk = _Walk(model.model_config, vault)  # type: ignore[attr-defined]  # a settings class
    return [lookup for field in fields_of(model) for lookup in walk.field(field, state)]


def clashes_among(lookups: Iterable[Lookup]) -> Iterator[str]:
    """Yield which fields need the same variable for different values.

    A field that is not set counts as well: the variable of the other would set it.
    """
    groups: dict[str, list[Lookup]] = {}
    for lookup in lookups:
        groups.setdefault(lookup.key, []).append(lookup)
    for key, group in groups.items():
        pairs = ((one, two) for one in group if one.is_written for two in group if two is not one)
        pair = next((pair for pair in pairs if _clash(*pair)), None)
        if pair is not None:
            yield (
                f"{pair[0].name} and {pair[1].name} are both read from the variable {key}, which "
                "can give them one value only: rename one of them, or give it another "
                "validation_alias"
            )


def _clash(written: Lookup, other: Lookup) -> bool:
    """Whether *other*, which is read from the same variable, is meant to have another value."""
    references = written.field.declared, other.field.declared
    is_promised = None not in references
    if written.entry == other.entry:  # one alias: pydantic gives both what stands there
        return is_promised and written.place == other.place and references[0] != references[1]
    if is_promised:  # not their texts, which may be equal today
        return references[0] != references[1]
    return not (written.is_set and other.is_set and text_of(written) == text_of(other))


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
        field: ModelField,
        data: Mapping[str, Any],
        *,
        parents: tuple[Lookup, ...] = (),
        parts: tuple[str, ...] = (),
        ours: bool = False,
    ) -> Iterator[Lookup]:
        """Yield what one field of the model that *data* is the input of is read from.

        Args:
            parents: What it is nested in.
            parts: The parts of the key that stand before its own.
            ours: Whether all of that is from the vault.
        """
        place, value = _found(field, data)
        head = str(place[0])
        parts = (*parts, head) if parts else (self._prefix_of(field, head) + head,)
        above = parents[-1] if parents else None
        names = [f"{above.name}.{name}" if above else name for name in (field.name, head)]
        ours = ours or self._is_ours(field, names)
        is_spread = len(place) == 1 and self._is_spread(field, value, level=len(parents))
        entry = (*(above.entry if above else ()), head)
        lookup = Lookup(
            key=self._key(parts),
            name=names[0],
            field=field,
            entry=entry,
            place=(*entry, *place[1:]),
            value=ABSENT if is_spread else _whole(field, data, place, value),
            is_ours=not is_spread and (ours or self._holds_ours(field, names[0])),
        )
        yield lookup
        # A model that is not set is entered once, since it may hold itself.
        is_inside = any(field.models == parent.field.models for parent in parents)
        if is_spread and (value is not ABSENT or not is_inside):
            parents = (*parents, lookup)
            for inner in fields_of(field.models[0]):
                data = {} if value is ABSENT else value
                yield from self.field(inner, data, parents=parents, parts=parts, ours=ours)

    def _is_ours(self, field: ModelField, labels: Collection[str]) -> bool:
        if self._vault is None or field.declared is not None:
            return True
        return any(label in self._vault for label in labels)

    def _holds_ours(self, field: ModelField, label: str) -> bool:
        inside = any(name.startswith(f"{label}.") for name in self._vault or ())
        return inside or field.bears_references

    def _is_spread(self, field: ModelField, value: object, *, level: int) -> bool:
        """Whether each field inside has a variable of its own."""
        return (
            bool(self._delimiter)
            and level < self._levels
            and (value is ABSENT or isinstance(value, dict))
            and not field.many
            and len(field.models) == 1
            and not _takes_extra(field.models[0])
        )

    def _prefix_of(self, field: ModelField, head: str) -> str:
        is_alias = self._takes_aliases and head in _aliases(field)
        return self._prefix if ("alias" if is_alias else "variable") in self._prefixed else ""

    def _key(self, parts: Collection[str]) -> str:
        key = (self._delimiter or "").join(parts)
        return key if self._keeps_case else key.upper()


def _found(field: ModelField, data: Mapping[str, Any]) -> tuple[Place, Any]:
    """Return where a field's variable stands in *data*, preferably a name alone, and its value."""
    found = [(place, get_at(data, place)) for place in field.places]
    place, value = next((item for item in found if item[1] is not ABSENT), found[0])
    return next((simple for simple in field.places if len(simple) == 1), place), value


def _whole(field: ModelField, data: Mapping[str, Any], place: Place, value: Any) -> Any:
    """Return what the field's variable holds: more than *value*, if that stands inside of it."""
    if len(place) > 1 and value is not ABSENT:
        return data[str(place[0])]
    return _kept(field, value)


def _reject_null(lookup: Lookup) -> None:
    """Reject a null that would load back as something else: no variable stands for it."""
    if lookup.value is None and lookup.field.info.default is not None:
        raise ConfigurationError(
            f"{lookup.name}: there is no text for null: give the field the default None, or "
            "another value"
        )


def _aliases(field: ModelField) -> list[str | int]:
    """Return the names in the field's aliases, of a path the first step."""
    alias = field.info.validation_alias or field.info.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [item.path[0] if isinstance(item, AliasPath) else item for item in choices if item]


def _takes_extra(model: type) -> bool:
    return getattr(model, "model_config", {}).get("extra") == "allow"


def _kept(field: ModelField, value: Any) -> Any:
    """Return *value* without what the models in it would ignore."""
    if field.many and isinstance(value, dict):
        return {key: _kept_by(field.models, item) for key, item in value.items()}
    if field.many and isinstance(value, list):
        return [_kept_by(field.models, item) for item in value]
    return _kept_by(field.models, value)


def _kept_by(models: Collection[type], value: Any) -> Any:
    if not isinstance(value, dict) or not models or any(map(_takes_extra, models)):
        return value
    fields = {
        place[0]: field for model in models for field in fields_of(model) for place in field.places
    }
    kept = {key: item for key, item in value.items() if key in fields}
    if len(models) > 1:
        return kept
    return {key: _kept(fields[key], item) for key, item in kept.items()}


def text_of(lookup: Lookup) -> str:
    """Return the text that pydantic-settings reads as a value: scalars plain, all else as JSON.

    Raises:
        ConfigurationError: There is none, as for bytes that are not UTF-8.
    """
    plain = as_text(lookup.value)
    if plain is None:
        with suppress(ValueError):  # raised out here, since it holds the value
            data = to_jsonable_python(lookup.value, fallback=_revealed)
            plain = as_text(data) or json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if plain is None:
        raise ConfigurationError(
            f"{lookup.name}: a variable is text, which its value is not, such as bytes that are"
            " not UTF-8: use base64 (pydantic's Base64Bytes)"
        )
    text: str = mask(plain)
    return text


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, (SecretStr, SecretBytes)) else str(value)
