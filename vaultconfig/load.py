"""One load of a settings class: what it needs, what the vault says, what goes where.

It knows the values of all other sources and the rules of precedence and fallback. It does not
know pydantic-settings (see `source`) nor the vault (see `resolver`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vaultconfig.annotations import ANYTHING, Declared
from vaultconfig.errors import (
    InvalidReferenceError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
)
from vaultconfig.fallback import NOT_FOUND, FallbackRule, NoCredentialsError
from vaultconfig.inputs import (
    ABSENT,
    Place,
    get_at,
    keys_only,
    leaves_of,
    masked_in,
    merged,
    own_copy,
    remove_at,
    set_at,
)
from vaultconfig.layers import Layer, Layers
from vaultconfig.masking import is_masked
from vaultconfig.origins import DEFAULT, VAULT, LoadRecord, Provenance
from vaultconfig.placeholders import Placeholders
from vaultconfig.plan import fields_of
from vaultconfig.references import Template, VaultRef
from vaultconfig.resolver import Resolved
from vaultconfig.slots import (
    REFERENCE_KEY,
    Default,
    Slot,
    annotated_slots,
    describe,
    value_slots,
)
from vaultconfig.values import Answers, fill

logger = logging.getLogger("vaultconfig")

Ask: TypeAlias = Callable[[Sequence[VaultRef]], Answers]
Filled: TypeAlias = Declared | VaultConfigError | str
"""A slot's reference without placeholders, what is wrong with it, or a literal text."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """What becomes of a slot: its value, or `ABSENT` for the default."""

    slot: Slot
    value: Any = field(repr=False)
    origin: Provenance | None


class Load:
    """One load of *model* over what the other sources gave.

    Args:
        model: The settings class.
        layers: The other sources, highest first.
        rule: When `.env` may stand in.
        variable_of: The environment variable that holds a text, if one does.

    Attributes:
        given: What stands above the vault.
        record: Where everything came from.
        values: What the vault gave, masked.
        filled: What the vault was to fill, for who wants to know about all of it.
        answers: What the vault said to the references in that.
    """

    def __init__(
        self,
        model: type,
        layers: Sequence[Layer],
        *,
        rule: FallbackRule,
        variable_of: Callable[[str], str | None],
    ) -> None:
        self._model = model
        self._rule = rule
        self._variable_of = variable_of
        self._layers = Layers(layers, rule)
        self.given = self._layers.given
        self.record = LoadRecord(self._layers.shapes)
        self.values: list[Any] = []
        self.filled: Sequence[tuple[Slot, Filled]] = ()
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
        slots = [item for item in found if isinstance(item, Slot)]
        if resolve_values:
            slots += self._allowed(slots, value_slots(self._model, state, extra=extra))
        if not slots:
            return
        # Outer values first, then what goes inside them; annotations over `.env`'s references.
        slots.sort(key=lambda slot: (len(slot.place), slot.annotated))
        placeholders = Placeholders(
            self._model, state, variables=variables, environment=self._rule.environment
        )
        defaults = [item for item in found if isinstance(item, Default)]
        self.filled = [(slot, _filled(slot, placeholders)) for slot in slots]
        settled, failures = self._settle(defaults, ask)
        self._apply(settled, defaults, state)
        if failures:
            raise UnresolvedSettingsError(failures)

    def _allowed(self, annotated: Sequence[Slot], values: Iterable[Slot]) -> Iterator[Slot]:
        """Leave out references of a `.env` that may not provide the field."""
        reserved = set() if self._rule.is_possible else {slot.place for slot in annotated}
        for slot in values:
            inside = any(slot.place[:end] in reserved for end in range(1, len(slot.place) + 1))
            if not inside or get_at(self.given, slot.place) is not ABSENT:
                yield slot

    def _settle(
        self, defaults: Sequence[Default], ask: Ask
    ) -> tuple[list[_Settled], list[SettingFailure]]:
        needed = (ref for _, declared in self.filled for ref in references_of(declared))
        references = dict.fromkeys(needed)
        self.answers = answers = ask(list(references)) if references else {}
        settled: dict[Place, _Settled] = {}
        failures: dict[Place, SettingFailure] = {}
        replaced: dict[Place, SettingFailure] = {}
        for slot, declared in self.filled:
            outcome = self._outcome(slot, declared, answers)
            if isinstance(outcome, _Settled):
                settled[slot.place] = outcome
                failures.pop(slot.place, None)
                replaced.pop(slot.place, None)
                continue
            failure = self._failure(slot, declared, outcome)
            missing = _may_be_missing(declared, answers)
            # What `.env` refers to is settled before the annotation that it may stand in for.
            lower = settled.pop(slot.place, None)
            serves = missing or self._covers(slot, outcome)
            alternative = (lower or self._alternative(slot, defaults)) if serves else None
            if alternative is None:
                failures[slot.place] = failure
                continue
            settled[slot.place] = alternative
            if not missing and not isinstance(outcome, NoCredentialsError):
                replaced[slot.place] = failure
        if failures:
            order = _order(self._model)
            places = sorted(failures, key=lambda place: order.get(place[0], len(order)))
            return list(settled.values()), [failures[place] for place in places]
        if replaced:
            told = "; ".join(map(str, replaced.values()))
            logger.warning("taken from .env or the default, not from the vault: %s", told)
        return list(settled.values()), []

    def _outcome(
        self, slot: Slot, declared: Filled, answers: Answers
    ) -> _Settled | VaultConfigError:
        if isinstance(declared, str):
            return _Settled(slot, declared, None)
        if isinstance(declared, VaultConfigError):
            return declared
        value = fill(declared, answers, slot.plan.target if slot.plan else ANYTHING)
        if isinstance(value, VaultConfigError):
            return value
        self.values.append(value)
        return _Settled(slot, value, Provenance(VAULT, _secrets(declared, answers)))

    def _failure(self, slot: Slot, declared: Filled, error: VaultConfigError) -> SettingFailure:
        # The texts around the references of a template may be secret themselves.
        readable = slot.declared if isinstance(declared, VaultConfigError) else declared
        shown = ", ".join(map(str, references_of(readable))) or None
        variable = self._variable_of(slot.text) if slot.text is not None else None
        return SettingFailure(slot.name, shown, error, variable)

    def _covers(self, slot: Slot, error: VaultConfigError) -> bool:
        # A malformed value is a mistake in what was given, not something the vault lacks.
        is_mistake = not slot.annotated and isinstance(error, InvalidReferenceError)
        return self._rule.covers(error) and not is_mistake

    def _alternative(self, slot: Slot, defaults: Iterable[Default]) -> _Settled | None:
        """Return what a source below the vault says, else the default, else nothing."""
        lower = self._layers.alternative(slot.place)
        if lower is not None:
            source, value = lower
            return _Settled(slot, value, Provenance(source))
        has_default = slot.plan is not None and not slot.plan.info.is_required()
        if has_default or any(default.holds(slot.place) for default in defaults):
            return _Settled(slot, ABSENT, Provenance(DEFAULT))
        return None

    def _apply(
        self, settled: Iterable[_Settled], defaults: Iterable[Default], state: dict[str, Any]
    ) -> None:
        entries = {str(item.slot.place[0]) for item in settled}
        changed = {key: own_copy(state[key]) for key in entries if key in state}
        for item in settled:
            place = item.slot.place
            if item.origin is not None:
                over = self.given if item.slot.annotated else state
                self.record.filled |= dict.fromkeys(self._names(item, over), item.origin)
            default = next((default for default in defaults if default.holds(place)), None)
            if item.value is not ABSENT:
                if default is not None and get_at(changed, default.place) is ABSENT:
                    set_at(changed, default.place, default.values())
                set_at(changed, place, self._completed(item, get_at(changed, place)))
            elif default is None:
                remove_at(changed, place)
        for key in entries:
            state.pop(key, None)
        state.update(changed)

    def _completed(self, item: _Settled, present: Any) -> Any:
        """Merge the object that a whole secret is with what other sources say inside it."""
        if not isinstance(item.value, dict):
            return item.value
        if item.slot.annotated:
            return self._layers.around(item.slot.place, item.value)
        present = present if isinstance(present, dict) else {}
        siblings = {key: inner for key, inner in present.items() if key != REFERENCE_KEY}
        return merged([item.value, siblings])

    def _names(self, item: _Settled, over: Any) -> Iterator[str]:
        """Name the field that *item* fills and, of an object, the parts that *over* lacks."""
        yield item.slot.name
        parts = keys_only(item.value) if isinstance(item.value, dict) else {}
        for place in leaves_of(parts, item.slot.place):
            if get_at(over, place) is ABSENT and not any(map(is_masked, place)):
                yield describe(self._model, place)[0]


def _order(model: type) -> dict[str | int, int]:
    """Return where in *model* each key of its input is declared."""
    fields = enumerate(fields_of(model))
    return {place[0]: position for position, field in fields for place in field.places}


def _filled(slot: Slot, placeholders: Placeholders) -> Filled:
    if not isinstance(slot.declared, (VaultRef, Template)):
        return slot.declared
    try:
        return placeholders.fill(slot.declared)
    except VaultConfigError as error:
        return error.with_traceback(None)


def references_of(declared: Filled) -> Sequence[VaultRef]:
    """Return the references in what fills a slot."""
    if isinstance(declared, VaultRef):
        return (declared,)
    return declared.references if isinstance(declared, Template) else ()


def _may_be_missing(declared: Filled, answers: Answers) -> bool:
    """Whether all that is amiss is that optional secrets do not exist."""
    failed = [ref for ref in references_of(declared) if isinstance(answers[ref], VaultConfigError)]
    return bool(failed) and all(
        ref.optional and isinstance(answers[ref], NOT_FOUND) for ref in failed
    )


def _secrets(declared: Declared, answers: Answers) -> tuple[tuple[str, int], ...]:
    resolved = [answers[reference] for reference in references_of(declared)]
    secrets = [item.secret for item in resolved if isinstance(item, Resolved)]
    return tuple(dict.fromkeys((secret.path, secret.version) for secret in secrets))
