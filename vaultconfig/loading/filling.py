"""What becomes of each place that the vault is to fill: a value, a stand-in or a failure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from vaultconfig.connection.fallback import NOT_FOUND, FallbackRule, NoCredentialsError
from vaultconfig.errors import InvalidReferenceError, SettingFailure, VaultConfigError
from vaultconfig.loading.annotations import ANYTHING, Declared
from vaultconfig.loading.given import Layers
from vaultconfig.loading.needs import Default, Slot, references_of
from vaultconfig.loading.places import ABSENT, Place
from vaultconfig.loading.report import DEFAULT, VAULT, Provenance
from vaultconfig.loading.values import Answers, fill
from vaultconfig.references import Resolved

Filled: TypeAlias = Declared | VaultConfigError | str
"""A slot's reference without placeholders, what is wrong with it, or a literal text."""

Claim: TypeAlias = tuple[Slot, Filled]


@dataclass(frozen=True, slots=True)
class Settled:
    """What goes to the place of a slot.

    Attributes:
        slot: Whose place it is.
        value: `ABSENT` leaves it to the default.
        origin: Where it came from; None where another source gave it as it is.
    """

    slot: Slot
    value: Any = field(repr=False)
    origin: Provenance | None


class Settling:
    """Settles the places of one load, one after the other.

    Args:
        answers: What the vault said to every reference.
        layers: What the other sources gave.
        rule: When `.env` may stand in.
        defaults: The nested models that are there anyway.
        variable_of: The environment variable that holds a text, if one does.

    Attributes:
        settled: What goes where.
        failures: The places that nothing fills.
        replaced: Those that something else fills, though the vault should have.
    """

    def __init__(
        self,
        answers: Answers,
        layers: Layers,
        *,
        rule: FallbackRule,
        defaults: Sequence[Default],
        variable_of: Callable[[str], str | None],
    ) -> None:
        self._answers = answers
        self._layers = layers
        self._rule = rule
        self._defaults = defaults
        self._variable_of = variable_of
        self.settled: list[Settled] = []
        self.failures: list[SettingFailure] = []
        self.replaced: list[SettingFailure] = []

    def settle(self, claims: Iterable[Claim]) -> None:
        """Settle one place.

        Args:
            claims: What may fill it, the first before the others.
        """
        failure: SettingFailure | None = None
        is_expected = True
        for slot, declared in claims:
            outcome = self._outcome(slot, declared)
            if isinstance(outcome, Settled):
                self._take(outcome, failure, is_expected=is_expected)
                return
            problem = self._failure(slot, declared, outcome)
            may_be_missing = self._may_be_missing(declared)
            if not may_be_missing and not self._covers(slot, outcome):
                self.failures.append(problem)  # what has stopped it, not what came before
                return
            failure = failure or problem
            is_expected &= may_be_missing or isinstance(outcome, NoCredentialsError)
        self._take(self._alternative(slot), failure, is_expected=is_expected)

    def _take(
        self, settled: Settled | None, failure: SettingFailure | None, *, is_expected: bool
    ) -> None:
        if settled is not None:
            self.settled.append(settled)
        if failure is not None and settled is None:
            self.failures.append(failure)
        elif failure is not None and not is_expected:
            self.replaced.append(failure)

    def _outcome(self, slot: Slot, declared: Filled) -> Settled | VaultConfigError:
        if isinstance(declared, str):
            return Settled(slot, declared, None)
        if isinstance(declared, VaultConfigError):
            return declared
        value = fill(declared, self._answers, slot.plan.target if slot.plan else ANYTHING)
        if isinstance(value, VaultConfigError):
            return value
        return Settled(slot, value, Provenance(VAULT, self._secrets(declared)))

    def _secrets(self, declared: Declared) -> tuple[tuple[str, int], ...]:
        resolved = [self._answers[reference] for reference in references_of(declared)]
        secrets = [item.secret for item in resolved if isinstance(item, Resolved)]
        return tuple(dict.fromkeys((secret.path, secret.version) for secret in secrets))

    def _failure(self, slot: Slot, declared: Filled, error: VaultConfigError) -> SettingFailure:
        # The texts around the references of a template may be secret themselves.
        readable = slot.declared if isinstance(declared, VaultConfigError) else declared
        shown = ", ".join(map(str, references_of(readable))) or None
        variable = self._variable_of(slot.text) if slot.text is not None else None
        return SettingFailure(slot.name, shown, error, variable)

    def _may_be_missing(self, declared: Filled) -> bool:
        """Whether the only problem is that optional secrets do not exist."""
        answers = [(ref, self._answers[ref]) for ref in references_of(declared)]
        failed = [(ref, answer) for ref, answer in answers if not isinstance(answer, Resolved)]
        return bool(failed) and all(
            ref.optional and isinstance(answer, NOT_FOUND) for ref, answer in failed
        )

    def _covers(self, slot: Slot, error: VaultConfigError) -> bool:
        # A malformed value is a mistake in what was given, not a secret that is missing.
        is_mistake = not slot.annotated and isinstance(error, InvalidReferenceError)
        return self._rule.covers(error) and not is_mistake

    def _alternative(self, slot: Slot) -> Settled | None:
        """Return what a source below the vault says, else the default, else nothing."""
        lower = self._layers.alternative(slot.place)
        if lower is not None:
            source, value = lower
            return Settled(slot, value, Provenance(source))
        has_default = slot.plan is not None and not slot.plan.info.is_required()
        if has_default or any(default.holds(slot.place) for default in self._defaults):
            return Settled(slot, ABSENT, Provenance(DEFAULT))
        return None


def by_place(claims: Iterable[Claim]) -> Iterable[list[Claim]]:
    """Group *claims*, in their order; places before what is inside them, which goes over them."""
    grouped: dict[Place, list[Claim]] = {}
    for claim in claims:
        grouped.setdefault(claim[0].place, []).append(claim)
    return [grouped[place] for place in sorted(grouped, key=len)]
