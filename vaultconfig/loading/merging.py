"""Lays what the sources gave over each other, field by field, with the vault among them. Pure.

One walk down the fields of a class; `precedence` says what counts for each of them. What is left to
the vault is filled at once where its answer is there already. Else the field is left open, and is
filled by `finish`, the usual case; or by a second walk, where an object from the vault may bring in
more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from pydantic.fields import FieldInfo

from vaultconfig.errors import ConfigurationError, SettingFailure, VaultConfigError
from vaultconfig.loading.annotations import (
    NOT_OF_ITS_CLASS,
    REFERENCE_MADE,
    TAG_MISSING,
    WITHOUT_TAG,
    is_model,
)
from vaultconfig.loading.defaults import as_input, default_of
from vaultconfig.loading.fields import ModelField, ModelFields, model_fields
from vaultconfig.loading.filling import fill
from vaultconfig.loading.layers import VAULT, Layer, Provenance, Rank
from vaultconfig.loading.needs import Need, of_annotation, reference_in
from vaultconfig.loading.objects import references_in
from vaultconfig.loading.pieces import Found, Piece, found_for, piece_of
from vaultconfig.loading.places import ABSENT, Place, get_at, merged, own_copy, remove_at, set_at
from vaultconfig.loading.precedence import FROM_DEFAULT, Precedence
from vaultconfig.loading.report import Report
from vaultconfig.loading.unions import (
    carry_references,
    has_tag_to_ask,
    model_among,
    model_without_tag,
    tags_made,
)
from vaultconfig.masking.values import is_masked
from vaultconfig.references import VaultRef, parse

_HOLDER: Final = ModelField("", FieldInfo.from_annotation(dict[str, Any]), {})
"""What holds the fields of an `AliasPath`: the text there is JSON."""


class Merge:
    """One walk over the layers of a load.

    Args:
        report: Takes what becomes of each field.
        precedence: Says what counts.
    """

    def __init__(self, report: Report, precedence: Precedence) -> None:
        self._report = report
        self._precedence = precedence
        self._unmentioned_models: list[type] = []  # that the walk is inside of
        self._open: list[tuple[Need, dict[Any, Any], str | int]] = []

    def settings(self, model: type, layers: Sequence[Layer], *, extra: bool) -> dict[str, Any]:
        """Return the input of the settings class *model*.

        Args:
            layers: Highest first.
            extra: Whether references count under keys of no field, too.
        """
        pieces = [piece_of(layer) for layer in layers if layer.data]
        return self._model(model, pieces, "", extra=extra)

    def _model(
        self, model: type, pieces: Sequence[Piece], prefix: str, *, extra: bool = True
    ) -> dict[Any, Any]:
        fields = model_fields(model)
        for key in fields.holders:
            pieces = [self._with_holder(piece, key, prefix) for piece in pieces]
        data = self._others(fields, pieces, prefix, extra=extra)
        inside: list[tuple[Place, Any]] = []
        for field in fields.all:
            found = found_for(field, pieces)
            name = prefix + field.name
            if not found and (not field.bears_references or self._is_left_open(field, name, data)):
                continue
            place, value = self._value(field, found, name, partial(default_of, model, field, data))
            if value is not ABSENT and len(place) == 1:
                data[place[0]] = value
            if field.key is None:
                inside += [(spelled, value) for spelled in _places_inside(field, place, data)]
                _leave_spelled_twice(field, found, place, data)
        for place, value in inside:  # once all that they stand in is there
            if value is ABSENT:
                remove_at(data, place)
            elif get_at(data, place) is not value:
                set_at(data, place, value)
        return data

    def _is_left_open(self, field: ModelField, name: str, data: dict[Any, Any]) -> bool:
        """Whether `finish` puts the value of *field* into *data*.

        The usual case, by a short way: nothing but the vault gives it, and that has to be asked.
        """
        if field.declared is None or field.key is None or field.models or self._unmentioned_models:
            return False
        need = of_annotation(name, field, self._precedence.fill_placeholders)
        if isinstance(need.wanted, VaultConfigError) or not self._precedence.waits(need):
            return False
        self._open.append((need, data, field.key))
        return True

    def finish(self) -> None:
        """Put what the vault has answered where it was left open."""
        report = self._report
        for need, data, key in self._open:
            value = fill(need, report.answers, self._precedence.read_text)
            if is_masked(value):  # a text or a number, which is all of the value
                report.origins[need.name] = report.take(need, value)
            else:
                _, value = self._value(need.field, (), need.name)
            if value is not ABSENT:
                data[key] = value

    def _with_holder(self, piece: Piece, key: Any, prefix: str) -> Piece:
        """Return *piece* with what a reference under *key*, which has fields inside, stands for."""
        if reference_in(piece.data.get(key)) is None:
            return piece
        _, value = self._value(_HOLDER, [(piece, (key,), piece.data[key])], f"{prefix}{key}")
        data = {k: item for k, item in piece.data.items() if k != key}
        return piece._replace(data=data if value is ABSENT else {**data, key: value})

    def _others(
        self, fields: ModelFields, pieces: Sequence[Piece], prefix: str, *, extra: bool
    ) -> dict[Any, Any]:
        """Return what is under keys of no field, and what holds fields further inside."""
        data: dict[Any, Any] = {}
        for key in dict.fromkeys(key for piece in pieces for key in piece.data):
            if key in fields.holders or (key not in fields.by_key and not extra):
                data[key] = merged(own_copy(p.data.get(key, ABSENT)) for p in reversed(pieces))
            elif key not in fields.by_key:
                found = [(p, (key,), p.data[key]) for p in pieces if key in p.data]
                _, value = self._value(None, found, _below(prefix, key))
                if value is not ABSENT:
                    data[key] = value
        return data

    def _value(
        self,
        field: ModelField | None,
        found: Sequence[Found],
        name: str,
        default: Callable[[], Any] = lambda: None,
    ) -> tuple[Place, Any]:
        """Return where the value of a field, or of a part of a mapping, goes, and the value.

        That is `ABSENT` where nothing gives it, or only the default does.
        """
        taken = self._precedence.take(field, found, name)
        value: Any = ABSENT
        if taken.mappings:
            value = self._mapping(field, taken.mappings, name)
        elif taken.leaf is not None:
            value = self._leaf(field, taken.leaf, name)
        elif field is not None and field.models and not taken.is_stopped:
            self._report.has_called_factories |= field.info.default_factory is not None
            value = self._unmentioned(field, name, default)
        if taken.failure is None:
            return taken.place, value
        has_default = field is not None and not field.info.is_required()
        if taken.is_stopped or (value is ABSENT and not has_default):
            self._report.failures.append(taken.failure)
        elif not taken.is_expected:
            self._report.fell_back.append(taken.failure)
        if value is ABSENT and has_default:
            self._report.origins[name] = FROM_DEFAULT
        return taken.place, value

    def _leaf(self, field: ModelField | None, piece: Piece, name: str) -> Any:
        value, origin = piece.data, piece.origin
        if type(value) is not str and origin.source != VAULT and is_masked(value):
            origin = Provenance(VAULT)  # an outer settings class hands it on, or a holder has it
            self._report.handed_on.append(value)
        if origin is not FROM_DEFAULT:
            self._report.origins[name] = origin
        if value is None and origin.source == VAULT:
            self._report.nulls.add(name)
        if type(value) is not list and type(value) is not tuple:
            if origin.source != VAULT:
                self._report.given[name] = value
                self._reject_references(piece, name)
            return value
        item = _item_of(field)
        if origin.source == VAULT:  # what the vault says of an item counts more than its class
            piece = piece._replace(rank=Rank.ABOVE)
        items = [
            self._value(item, [(piece, (index,), inner)], f"{name}.{index}")[1]
            for index, inner in enumerate(value)
        ]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(items)

    def _mapping(
        self, field: ModelField | None, mappings: Sequence[Piece], name: str
    ) -> dict[Any, Any]:
        for piece in mappings:
            if piece.origin.source == VAULT:
                self._report.origins.setdefault(name, piece.origin)
        if field is not None and field.models and not field.many:
            model = self._chosen(field, mappings, None, name)
            if model is not None:
                return self._model(model, mappings, f"{name}.")
        item = _item_of(field)
        if item is not None:  # what the vault says of an item counts more than its class
            mappings = [
                p._replace(rank=Rank.ABOVE) if p.origin.source == VAULT else p for p in mappings
            ]
        # Pydantic decides which one it is: the vault fills its part of any of them.
        members = field.models if field is not None and not field.many else ()
        data: dict[Any, Any] = {}
        for key in dict.fromkeys(key for piece in mappings for key in piece.data):
            found: list[Found] = [(p, (key,), p.data[key]) for p in mappings if key in p.data]
            inner = [f for m in members for f in model_fields(m).by_key.get(key, ())]
            if any(f.bears_references for f in inner):
                found = self._precedence.allowed(found, _below(f"{name}.", key))
            if found:
                _, value = self._value(item, found, _below(f"{name}.", key))
                data |= {} if value is ABSENT else {key: value}
        first = mappings[0].data
        if data.keys() == first.keys() and all(data[k] is first[k] for k in first):
            return first  # type: ignore[no-any-return]
        return data

    def _unmentioned(self, field: ModelField, name: str, make_default: Callable[[], Any]) -> Any:
        """Return what the vault gives inside a nested model that no source mentions."""
        if field.many:
            return self._unmentioned_items(field, name, make_default)
        default: Any = None
        if self._precedence.unanswered and field.factory_takes_data:
            self._precedence.needs_another_walk = True  # it may take what the vault has yet to say
        else:
            default = make_default()
        makes_model = is_model(field.info.default_factory)
        has_instance = is_model(type(default))
        has_input = has_instance or isinstance(default, dict)
        is_something_else = field.nullable if default is None else not has_input
        if is_something_else and field.declared is None and not makes_model:
            return ABSENT  # such as None, or "off"
        strangers: list[type] = []
        if has_input:
            values = as_input(default, field, strangers)
        else:
            values = tags_made(field) if makes_model else {}
        pieces = [Piece(Rank.BELOW, None, (), values, FROM_DEFAULT)] if values else []
        model = self._chosen(field, pieces, default, name)
        if model is None and carry_references(field) and (has_input or field.info.is_required()):
            self._fail(name, WITHOUT_TAG if field.untagged else TAG_MISSING)
        # One that contains itself, and has no default to end with, would have no end.
        if model is None or (not has_instance and model in self._unmentioned_models):
            return ABSENT
        before = self._precedence.landed
        self._unmentioned_models.append(model)
        data = self._model(model, pieces, f"{name}.")
        self._unmentioned_models.pop()
        if self._precedence.landed > before:
            self._reject(strangers, name)
        # Its defaults do where the vault has nothing for it; they are not complete by themselves.
        return data if self._precedence.landed > before or field.info.is_required() else ABSENT

    def _unmentioned_items(
        self, field: ModelField, name: str, make_default: Callable[[], Any]
    ) -> Any:
        """Return the default of a list or mapping of models with what the vault gives inside."""
        inside = field.models_inside
        if any(model in self._unmentioned_models for model in inside):
            return ABSENT  # it would have no end
        if self._precedence.unanswered and field.factory_takes_data:
            self._precedence.needs_another_walk = True
            return ABSENT
        strangers: list[type] = []
        default = as_input(make_default(), field, strangers)
        piece = Piece(Rank.BELOW, None, (), default, FROM_DEFAULT)
        before = self._precedence.landed
        self._unmentioned_models += inside
        if isinstance(default, dict):
            value: Any = self._mapping(field, [piece], name)
        else:
            value = self._leaf(field, piece, name)
        del self._unmentioned_models[-len(inside) :]
        if self._precedence.landed == before:
            return ABSENT
        self._reject(strangers, name)
        return value

    def _reject(self, strangers: Sequence[type], name: str) -> None:
        if strangers:
            self._fail(name, NOT_OF_ITS_CLASS.format(strangers[0].__name__))

    def _chosen(
        self, field: ModelField, mappings: Sequence[Piece], default: object, name: str
    ) -> type | None:
        """Return the model that *mappings* are going to be, as far as their tags tell."""
        known = [piece for piece in mappings if piece.origin.source != VAULT]
        model = model_among(field, known, default)
        if model is not None:
            return model
        is_to_ask = self._precedence.resolves_values and has_tag_to_ask(field, known)
        if len(known) == len(mappings) and not is_to_ask:
            return model_without_tag(field, mappings, default)
        if field.tags and carry_references(field):
            self._fail(
                name,
                "which model it is stands in the vault, and the models carry references of their"
                " own: give its tag elsewhere, or take the references out of the models",
            )
        return model_among(field, mappings, default)

    def _reject_references(self, piece: Piece, name: str) -> None:
        """Note a failure if a default, or an object that a source gave, holds a reference."""
        value, is_default = piece.data, piece.layer is None
        if not is_default and (type(value) is str or not self._precedence.resolves_values):
            return
        found = next(references_in(value), None)
        if found is None:
            return
        if is_default:
            self._fail(name, REFERENCE_MADE)
            return
        reference = parse(found)
        shown = str(reference) if isinstance(reference, VaultRef) else None
        problem = (
            f"a reference inside {type(value).__name__} is not resolved: give it as text, or in"
            " a list or dict"
        )
        self._report.failures.append(SettingFailure(name, shown, ConfigurationError(problem)))

    def _fail(self, name: str, problem: str) -> None:
        self._report.failures.append(SettingFailure(name, None, ConfigurationError(problem)))


def _places_inside(field: ModelField, place: Place, data: dict[Any, Any]) -> Iterator[Place]:
    """Yield where the value of *field* stands inside of others (`AliasPath`).

    That is *place*, and where a lower layer has its own value, which pydantic might prefer.
    """
    for spelled in field.places:
        if len(spelled) > 1 and (spelled == place or get_at(data, spelled) is not ABSENT):
            yield spelled


def _leave_spelled_twice(
    field: ModelField, found: Sequence[Found], place: Place, data: dict[Any, Any]
) -> None:
    """Where one layer spells one field twice, leave it to pydantic what to make of that."""
    if found and field.declared is None:
        others = (p for p in field.places if len(p) == 1 and p != place)
        given = found[0][0].data
        data.update((key, given[key]) for (key,) in others if key in given)


def _below(prefix: str, key: object) -> str:
    """Return the name of a part; the keys of a text that turned out to be JSON are secret."""
    return prefix.removesuffix(".") if is_masked(key) else f"{prefix}{key}"


def _item_of(field: ModelField | None) -> ModelField | None:
    return field.item if field is not None and field.models_inside else None
