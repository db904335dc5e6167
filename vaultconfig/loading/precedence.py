"""Which of what the sources gave is the value of one field, with the vault among them. Pure.

The highest source counts, and mappings are laid over each other. For a reference, that of an
annotation in its turn, the vault's answer counts; where there is none, `FallbackRule` says whether
something else may stand in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vaultconfig.connection.environment import FallbackRule, NoCredentialsError
from vaultconfig.errors import NOT_FOUND, InvalidReferenceError, SettingFailure, VaultConfigError
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.filling import ReadText, as_wanted, fill
from vaultconfig.loading.layers import DEFAULT, DOTENV, VAULT, Layer, Provenance, Rank
from vaultconfig.loading.needs import (
    REFERENCE_KEY,
    FillPlaceholders,
    Need,
    expands_reference,
    of_annotation,
    of_value,
    reference_in,
    template_in,
)
from vaultconfig.loading.pieces import Found, Piece, found_for
from vaultconfig.loading.places import Place
from vaultconfig.loading.report import Report
from vaultconfig.loading.unions import model_among
from vaultconfig.references import Resolved, VaultRef

FROM_DEFAULT: Final = Provenance(DEFAULT)

_ANNOTATION: Final = Piece(Rank.VAULT, None, (), None, FROM_DEFAULT)


class Taken:
    """What gives a value: mappings to be laid over each other, the highest first, or a leaf.

    Attributes:
        place: Where the value goes.
        failure: What stood in the way of the vault, if anything did.
        is_expected: Whether that is normal, such as missing credentials in development.
        is_stopped: Whether nothing may stand in.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.mappings: list[Piece] = []
        self.leaf: Piece | None = None
        self.failure: SettingFailure | None = None
        self.is_expected = True
        self.is_stopped = False


class Precedence:
    """What counts in one walk over the layers of a load.

    Args:
        report: Has what the vault has said so far, and takes what becomes of each field.
        rule: When `.env` may stand in.
        fill_placeholders: See `FillPlaceholders`.
        read_text: See `ReadText`.
        resolves_values: Whether values that are references are resolved.

    Attributes:
        unanswered: The references that were met and have no answer.
        needed: The names of all fields that are left to the vault.
        landed: How many values the vault gave.
        needs_another_walk: Whether the answers may bring in more than values for open needs.
    """

    def __init__(
        self,
        report: Report,
        *,
        rule: FallbackRule,
        fill_placeholders: FillPlaceholders,
        read_text: ReadText,
        resolves_values: bool,
    ) -> None:
        self._report = report
        self.resolves_values = resolves_values
        self._rule = rule
        self.fill_placeholders = fill_placeholders
        self.read_text = read_text
        self.unanswered: dict[VaultRef, None] = {}
        self.needed: list[str] = []
        self.landed = 0
        self.needs_another_walk = False

    def waits(self, need: Need) -> bool:
        """Whether an answer to *need* is missing; note so."""
        answers, waits = self._report.answers, False
        for reference in need.references:
            if reference not in answers:
                self.unanswered[reference], waits = None, True
        if waits:
            self.needed.append(need.name)
        return waits

    def take(self, field: ModelField | None, found: Sequence[Found], name: str) -> Taken:
        """Go through what may give the value of a field, or of a part of a mapping.

        Args:
            field: None is a part without a field.
            found: What the sources gave, highest first.
            name: Dotted.
        """
        if field is not None and field.declared is not None:
            found = sorted(self.allowed(found, name), key=lambda item: item[0].rank)
        taken = Taken(found[0][1] if found else field.places[0] if field else ())
        for candidate, need in self._candidates(field, found, name, taken.mappings):
            filled = candidate
            if need is not None:
                answered = self._answered(need, candidate)
                if answered is None:  # the vault has not been asked
                    if self._hides_the_rest(need):
                        break
                    continue
                if isinstance(answered, VaultConfigError):
                    if not self._lets_others_in(need, answered, taken):
                        break
                    continue
                filled = answered
            if isinstance(filled.data, dict):
                taken.mappings.append(filled)
                continue
            taken.leaf = filled
            above = taken.mappings[-1] if need is not None and taken.mappings else None
            if above is not None and above.layer is filled.layer and filled.data is not None:
                taken.mappings.pop()  # over what is not a mapping: pydantic reports that
            break
        return taken

    def _candidates(
        self, field: ModelField | None, found: Sequence[Found], name: str, mappings: Sequence[Piece]
    ) -> Iterator[tuple[Piece, Need | None]]:
        """Yield what may give a value, the highest first: pieces, with the need of a reference.

        Args:
            mappings: What has been taken so far.
        """
        due = field if field is not None and field.declared is not None else None
        for piece, place, given in found:
            value = given
            if due is not None and piece.rank is not Rank.ABOVE:
                yield from self._annotated(due, name, mappings)
                due = None
            if field is not None and piece.origin.source == VAULT:
                value = as_wanted(field, value)
            here = piece._replace(place=piece.place + place, data=value)
            text = self._reference_in(value, field, piece.layer)
            if text is None:
                if due and piece.origin.source != VAULT and not isinstance(value, dict):
                    self._report.overridden.append(name)
                yield here, None
                continue
            if isinstance(value, dict):  # others are merged over it
                siblings = {k: v for k, v in value.items() if k != REFERENCE_KEY}
                yield from [(here._replace(data=siblings), None)] if siblings else ()
            fill_placeholders = self.fill_placeholders
            yield here, of_value(text, here, name=name, field=field, fill=fill_placeholders)
        if due is not None:
            yield from self._annotated(due, name, mappings)

    def _reference_in(
        self, value: object, field: ModelField | None, layer: Layer | None
    ) -> str | None:
        """Return the reference or template that *value* is, in a layer that may have one."""
        if not self.resolves_values or layer is None:
            return None
        if expands_reference(value, layer):
            return str(value)
        return template_in(value, field) or reference_in(value)

    def _annotated(
        self, field: ModelField, name: str, mappings: Sequence[Piece]
    ) -> Iterator[tuple[Piece, Need]]:
        if mappings and not self._leaves_something(field, mappings):
            self._report.overridden.append(name)
        else:
            yield _ANNOTATION, of_annotation(name, field, self.fill_placeholders)

    def _leaves_something(self, field: ModelField, mappings: Sequence[Piece]) -> bool:
        """Whether *mappings*, which stand above the vault, leave something of *field* to it."""
        if not field.models or field.many:
            return not any(p.layer is not None and p.layer.gives_whole(p.place) for p in mappings)
        model = model_among(field, mappings, None)
        if model is None:
            return True
        for inner in fields_of(model):
            found = found_for(inner, mappings)
            below = [p._replace(data=v) for p, _, v in found if type(v) is dict]
            if not found or (
                below and inner.models and not inner.many and self._leaves_something(inner, below)
            ):
                return True
        return False

    def allowed(self, found: Sequence[Found], name: str) -> list[Found]:
        """Leave out what `.env` says of a field that the vault is to fill, unless it stands in."""
        if self._rule.is_possible:
            return list(found)
        allowed = [f for f in found if f[0].layer is None or f[0].layer.source != DOTENV]
        if len(allowed) < len(found):
            self._report.shut_out.append(name)
        return allowed

    def _answered(self, need: Need, piece: Piece) -> Piece | VaultConfigError | None:
        """Return *piece* with what fills *need*, or what stands in its way, or None until asked."""
        if isinstance(need.wanted, str):
            return piece._replace(data=need.wanted)
        if isinstance(need.wanted, VaultConfigError):
            self._report.outcomes.append((need, need.wanted))
            self.needed.append(need.name)
            return need.wanted
        if self.waits(need):
            self.needs_another_walk = True
            return None
        value = fill(need, self._report.answers, self.read_text)
        if isinstance(value, VaultConfigError):
            self._report.outcomes.append((need, value))
            return value
        self.landed += 1
        return piece._replace(data=value, origin=self._report.take(need, value))

    def _hides_the_rest(self, need: Need) -> bool:
        """Whether nothing below *need* matters, whatever the vault is going to say."""
        merges = need.field is None or need.field.takes_objects
        return not (merges or self._rule.is_possible or any(r.optional for r in need.references))

    def _lets_others_in(self, need: Need, error: VaultConfigError, taken: Taken) -> bool:
        """Note *error* in *taken*, and return whether something else may stand in."""
        answers = self._report.answers
        failed = [ref for ref in need.references if not isinstance(answers.get(ref), Resolved)]
        is_absent = bool(failed) and all(
            ref.optional and isinstance(answers.get(ref), NOT_FOUND) for ref in failed
        )
        # A malformed value is a mistake in what was given, not a secret that is missing.
        is_mistake = need.layer is not None and isinstance(error, InvalidReferenceError)
        if not is_absent and (is_mistake or not self._rule.covers(error)):
            taken.failure, taken.is_stopped = need.failed(error), True
            return False
        taken.failure = taken.failure or need.failed(error)
        taken.is_expected &= is_absent or isinstance(error, NoCredentialsError)
        return True
