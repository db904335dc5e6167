"""What became of each field in a load: values, origins and failures. Pure.

Provenance, the warnings in the log, ``check``, ``refs`` and the errors read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pydantic import BaseModel

from vaultconfig.errors import SettingFailure, VaultConfigError
from vaultconfig.forks import import_undisturbed
from vaultconfig.loading.fields import describe, fields_of, overlap
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.layers import DEFAULT, VAULT, Provenance
from vaultconfig.loading.needs import Need
from vaultconfig.loading.places import Place
from vaultconfig.masking.values import MaskedStr
from vaultconfig.references import Resolved
from vaultconfig.secret import SecretKey

if TYPE_CHECKING:
    from vaultconfig.masking.known import Known
    from vaultconfig.masking.printing import Printer

# What prints settings, which many programs never do.
_LATE: Final = ("vaultconfig.masking.printing",)


class Spot(NamedTuple):
    """Where the value of a need stands.

    Attributes:
        number: Of the need among those that the vault has filled.
        places: In the input of the settings; none where the value went into something else.
    """

    number: int
    places: Sequence[Place]


Spots: TypeAlias = Mapping[SecretKey, Sequence[Spot]]
"""Where the values of each secret stand."""


class Report:
    """What became of the settings class *model* in one load.

    Attributes:
        state: Its input, as far as there is any; the vault's values are masked.
        answers: What the vault said to each reference.
        outcomes: What was left to the vault, and what stood in the way; None is a value.
        failures: The settings that nothing fills, in the order of the class.
        fell_back: Those that something else fills, though the vault should have.
        origins: Where each value came from, by dotted name.
        given: What sources other than the vault gave, but for collections, by dotted name.
        filled: What the vault has filled, with the value.
        handed_on: Values from the vault that came by another settings class, masked.
        nulls: The names of those that are null there.
        has_called_factories: Whether default factories had a part in the input.
        spots: Where the vault's values stand in the input, once that has been looked up.
        overridden: The annotated fields that a higher source gives, which never rotate.
        shut_out: The annotated fields that a `.env` has, and may not provide.
    """

    def __init__(self, model: type[Any], answers: Answers) -> None:
        self.model = model
        self.answers = answers
        self.state: dict[str, Any] = {}
        self.outcomes: list[tuple[Need, VaultConfigError | None]] = []
        self.failures: list[SettingFailure] = []
        self.fell_back: list[SettingFailure] = []
        self.origins: dict[str, Provenance] = {}
        self.given: dict[str, Any] = {}
        self.filled: list[tuple[Need, Any]] = []
        self.handed_on: list[Any] = []
        self.nulls: set[str] = set()
        self.has_called_factories = False
        self.spots: Spots | None = None
        self.overridden: list[str] = []
        self.shut_out: list[str] = []

    @property
    def values(self) -> list[Any]:
        """What came from the vault, masked: as it went into the input, and as it was answered."""
        references = dict.fromkeys(ref for need, _ in self.filled for ref in need.references)
        answers = (self.answers[reference] for reference in references)
        answered = [answer.value for answer in answers if isinstance(answer, Resolved)]
        return [*self.handed_on, *(value for _, value in self.filled), *answered]

    def take(self, need: Need, value: Any) -> Provenance:
        """Note *value*, which the vault has filled *need* with, and return where it came from."""
        self.outcomes.append((need, None))
        self.filled.append((need, value))
        return self.origin_of(need)

    def origin_of(self, need: Need) -> Provenance:
        """Return where the value of *need*, which has been answered, came from."""
        secrets: dict[tuple[str, int], None] = {}
        for reference in need.references:
            answer = self.answers[reference]
            if isinstance(answer, Resolved):
                secrets[answer.secret.path, answer.secret.version] = None
        return Provenance(VAULT, tuple(secrets))

    def secrets_at(self, place: Place) -> set[SecretKey]:
        """Return what the value at *place*, or else around it, is made of; an error may name it."""
        name, _ = describe(self.model, place)
        while name:
            needs = [need for need, _ in self.outcomes if overlap(need.name, name)]
            if needs:
                return {ref.key for need in needs for ref in need.references}
            name = name.rpartition(".")[0]
        return set()

    def kept(self) -> Origins:
        """Return what settings keep of it."""
        return Origins(self.origins, tuple(self.overridden), self)


class Origins:
    """Where the values of one settings object came from.

    All are equal, because settings with the same values are, wherever those came from.

    Attributes:
        by_name: By dotted name.
        overridden: The annotated fields that a higher source gave.
        set_fields: The fields that are set; None until the settings are loaded.
    """

    set_fields: Collection[str] | None = None

    def __init__(
        self,
        by_name: Mapping[str, Provenance],
        overridden: Sequence[str],
        report: Report | None = None,
        kept: tuple[Collection[str], Collection[tuple[str, str]]] = ((), ()),
    ) -> None:
        self.by_name = by_name
        self.overridden = overridden
        self._report = report
        self._kept = kept
        self._known: Known | None = None

    def __deepcopy__(self, memo: object) -> Origins:
        return self  # which holds what the vault gave, and changes no more

    def __reduce__(self) -> tuple[Any, ...]:
        return Origins, (self.by_name, self.overridden, None, self._kept)

    def for_pickle(self, printer: Printer) -> Origins:
        """Return what a pickle keeps, which is names, and what is shown.

        Args:
            printer: Has printed all fields.
        """
        shown = frozenset((place, repr(part)) for place, part in printer.shown)
        return Origins(self.by_name, self.overridden, None, (tuple(printer.known.given), shown))

    def printer(self) -> Printer:
        """Return what prints the settings whose record this is."""
        import_undisturbed(_LATE)
        from vaultconfig.masking.known import Known
        from vaultconfig.masking.printing import Printer

        if self._known is None:
            names, shown = self._kept
            self._known = (
                Known(self.from_vault(), dict.fromkeys(names), (), shown)
                if self._report is None  # after a pickle
                else Known(self.from_vault(), self._report.given, self._report.values)
            )
        return Printer(self._known, self.set_fields, [], [])

    def values(self, settings: BaseModel, others: Iterable[Any]) -> list[Any]:
        """Return what of *settings*, whose record this is, came from the vault, masked.

        Args:
            others: Values that may have to do with it.
        """
        from vaultconfig.masking.texts import TELLING, secret_values, texts_in

        found = [*secret_values(vars(settings).items(), self.from_vault()), *others]
        given = [] if self._report is None else self._report.values
        return [*given, *map(MaskedStr, texts_in(found, shortest=TELLING))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origins)

    def __hash__(self) -> int:
        return hash(Origins)

    def from_vault(self) -> frozenset[str]:
        """Return the dotted names of the fields that hold something from the vault."""
        return frozenset(n for n, origin in self.by_name.items() if origin.source == VAULT)

    def provenance(self, model: type) -> dict[str, Provenance]:
        """Return where each field of a settings class came from, by dotted name."""
        roots = {name.partition(".")[0] for name in self.by_name}
        defaults = {f.name: Provenance(DEFAULT) for f in fields_of(model) if f.name not in roots}
        return dict(sorted({**self.by_name, **defaults}.items()))
