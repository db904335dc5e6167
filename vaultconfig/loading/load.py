"""One load of a settings class: what it needs, what the vault says, what goes where.

It knows the values of all other sources and the rules of precedence and fallback. It does not
know pydantic-settings (see `source`) nor the vault (see `resolver`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from vaultconfig.connection.fallback import FallbackRule
from vaultconfig.errors import (
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
)
from vaultconfig.loading.fields import fields_of
from vaultconfig.loading.filling import Claim, Filled, Settled, Settling, by_place
from vaultconfig.loading.given import Layer, Layers
from vaultconfig.loading.needs import (
    REFERENCE_KEY,
    Default,
    Eclipsed,
    Slot,
    annotated_slots,
    describe,
    references_of,
    value_slots,
)
from vaultconfig.loading.placeholders import Placeholders
from vaultconfig.loading.places import (
    ABSENT,
    get_at,
    keys_only,
    leaves_of,
    masked_in,
    merged,
    own_copy,
    remove_at,
    set_at,
)
from vaultconfig.loading.report import VAULT, LoadRecord, Provenance
from vaultconfig.loading.values import Answers
from vaultconfig.masking.values import is_masked
from vaultconfig.references import Resolved, Template, VaultRef

logger = logging.getLogger("vaultconfig")

Ask: TypeAlias = Callable[[Sequence[VaultRef]], Answers]


class Load:
    """One load of *model* over what the other sources gave.

    Args:
        model: The settings class.
        layers: The other sources, highest first.
        rule: When `.env` may stand in.
        variable_of: The environment variable that holds a text, if one does.
        written: How a text stands in `.env` where variables were expanded in it, else None.

    Attributes:
        given: What stands above the vault.
        record: Where everything came from.
        values: What the vault gave, masked.
        claims: What the vault was to fill, for callers that want to know about all of it.
        answers: What the vault said to the references in that.
    """

    def __init__(
        self,
        model: type,
        layers: Sequence[Layer],
        *,
        rule: FallbackRule,
        variable_of: Callable[[str], str | None],
        written: Callable[[str], str | None],
    ) -> None:
        self._written = written
        self._model = model
        self._rule = rule
        self._variable_of = variable_of
        self._layers = Layers(layers, rule)
        self.given = self._layers.given
        self.record = LoadRecord(self._layers.shapes)
        self.values: list[Any] = []
        self.claims: Sequence[Claim] = ()
        self.answers: Answers = {}
        for place, value in masked_in(self.given):  # what an outer settings class hands on
            self.values.append(value)
            self.record.filled[describe(model, place)[0]] = Provenance(VAULT)

    def run(
        self,
        state: dict[str, Any],
        ask: Ask,
        *,
        variables: Mapping[str, str],
        resolve_values: bool,
        extra: bool,
    ) -> None:
        """Replace the top-level entries of *state* that the vault has a part in.

        Args:
            state: What all other sources gave, merged.
            ask: Reads references from the vault; not called when nothing is needed.
            variables: ``vault_variables`` of the class.
            resolve_values: Whether references that stand as values count.
            extra: Whether they do under keys that are no field's, too.

        Raises:
            UnresolvedSettingsError: Settings that could not be resolved, all of them.
            VaultConfigError: Whatever *ask* raises.
        """
        found = list(annotated_slots(self._model, state, self.given))
        for item in found:
            if isinstance(item, Eclipsed) and get_at(state, item.place) is not ABSENT:
                state[str(item.place[0])] = own_copy(state[str(item.place[0])])
                remove_at(state, item.place)
        slots = [item for item in found if isinstance(item, Slot)]
        defaults = [item for item in found if isinstance(item, Default)]
        if resolve_values:
            values = value_slots(self._model, state, extra=extra, written=self._written)
            slots += self._allowed(slots, values)
        placeholders = Placeholders(
            self._model,
            state,
            variables=variables,
            environment=self._rule.environment,
            written=self._written,
        )
        self.claims = [(slot, _filled(slot, placeholders)) for slot in slots]
        references = {ref: None for _, declared in self.claims for ref in references_of(declared)}
        self.answers = ask(list(references)) if references else {}
        self.values += [a.value for a in self.answers.values() if isinstance(a, Resolved)]
        settling = Settling(
            self.answers,
            self._layers,
            rule=self._rule,
            defaults=defaults,
            variable_of=self._variable_of,
        )
        for claims in by_place(self.claims):
            settling.settle(claims)
        self._apply(settling.settled, defaults, state)
        if settling.failures:
            raise UnresolvedSettingsError(self._in_order(settling.failures))
        if settling.replaced:
            told = "; ".join(map(str, settling.replaced))
            logger.warning("taken from .env or the default, not from the vault: %s", told)

    def _allowed(self, annotated: Sequence[Slot], values: Iterable[Slot]) -> Iterator[Slot]:
        """Leave out references of a `.env` that may not provide the field."""
        reserved = set() if self._rule.is_possible else {slot.place for slot in annotated}
        for slot in values:
            inside = any(slot.place[:end] in reserved for end in range(1, len(slot.place) + 1))
            if not inside or get_at(self.given, slot.place) is not ABSENT:
                yield slot

    def _apply(
        self, settled: Iterable[Settled], defaults: Iterable[Default], state: dict[str, Any]
    ) -> None:
        given = dict(state)
        for key in {str(item.slot.place[0]) for item in settled} & state.keys():
            state[key] = own_copy(state[key])
        for item in settled:
            place = item.slot.place
            self._note(item, self.given if item.slot.annotated else given)
            default = next((default for default in defaults if default.holds(place)), None)
            if item.value is ABSENT:
                if default is None:
                    remove_at(state, place)
                continue
            if default is not None and get_at(state, default.place) is ABSENT:
                set_at(state, default.place, default.values())
            set_at(state, place, self._completed(item, state))

    def _note(self, item: Settled, over: Mapping[str, Any]) -> None:
        """Record where the field that *item* fills came from, and the parts missing from *over*."""
        if item.origin is None:
            return
        self.record.filled[item.slot.name] = item.origin
        if item.origin.source == VAULT:
            self.values.append(item.value)
        if isinstance(item.value, dict):
            for place in leaves_of(keys_only(item.value), item.slot.place):
                if get_at(over, place) is ABSENT and not any(map(is_masked, place)):
                    self.record.filled[describe(self._model, place)[0]] = item.origin

    def _completed(self, item: Settled, state: Mapping[str, Any]) -> Any:
        """Merge the object that a whole secret is with what other sources say inside it."""
        if not isinstance(item.value, dict):
            return item.value
        if item.slot.annotated:
            return self._layers.around(item.slot.place, item.value)
        present = get_at(state, item.slot.place)
        present = present if isinstance(present, dict) else {}
        siblings = {key: inner for key, inner in present.items() if key != REFERENCE_KEY}
        return merged([item.value, siblings])

    def _in_order(self, failures: Iterable[SettingFailure]) -> list[SettingFailure]:
        """Sort *failures* as the class declares its fields."""
        order = {field.name: position for position, field in enumerate(fields_of(self._model))}
        return sorted(failures, key=lambda f: order.get(f.field.partition(".")[0], len(order)))


def _filled(slot: Slot, placeholders: Placeholders) -> Filled:
    if not isinstance(slot.declared, (VaultRef, Template)):
        return slot.declared
    try:
        return placeholders.fill(slot.declared)
    except VaultConfigError as error:
        return error.with_traceback(None)
