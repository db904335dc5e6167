"""Lays new answers of the vault into the input of a load before: a merge without the merging. Pure.

A rotation mostly changes some texts and nothing else. Walking over all layers for that takes a
hundred times as long as pydantic's validation of the outcome.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from vaultconfig.loading.filling import Answers, ReadText, fill
from vaultconfig.loading.places import Place, parts_of, with_value_at
from vaultconfig.loading.report import Report, Spot, Spots
from vaultconfig.masking.values import is_masked
from vaultconfig.references import VaultRef
from vaultconfig.secret import SecretKey

_NOWHERE: Final = Spot(-1, ())


def patched(
    before: Report,
    changed: Collection[SecretKey],
    ask: Callable[[Sequence[VaultRef]], Answers],
    read_text: ReadText,
) -> Report | None:
    """Return *before* with other answers, as a load would; None where only a load can tell.

    Args:
        before: To the same answers but for those that have changed.
        changed: What they are from.
        ask: See `load.Load.run`.
        read_text: See `ReadText`.

    Raises:
        VaultConfigError: Whatever *ask* raises.
    """
    if before.has_called_factories:  # another value may make another default
        return None
    if before.spots is None:
        before.spots = _spots_in(before)
    spots = dict.fromkeys(spot for key in changed for spot in before.spots.get(key, ()))
    if not all(spot.places for spot in spots):
        return None
    needs = [before.filled[spot.number][0] for spot in spots]
    report = copy.copy(before)
    report.answers = {**before.answers, **ask([ref for need in needs for ref in need.references])}
    report.filled, report.origins = before.filled.copy(), before.origins.copy()
    laid: dict[Place, Any] = {}
    for spot, need in zip(spots, needs, strict=True):
        value = fill(need, report.answers, read_text)
        if not is_masked(value):
            return None  # an error, which something else may stand in for, or an object
        report.filled[spot.number] = need, value
        if need.name in report.origins:
            report.origins[need.name] = report.origin_of(need)
        for place in spot.places:
            if laid.setdefault(place, value) is not value:
                return None  # two fields had the same text, and make different things of this one
            report.state = with_value_at(report.state, place, value)
    return report


def _spots_in(report: Report) -> Spots:
    """Find the value of each need in the input: each is an object of its own, or a secret's."""
    places: dict[int, list[Place]] = {}
    waiting: list[tuple[Place, Any]] = [((), report.state)]
    for place, data in waiting:
        if is_masked(data):
            places.setdefault(id(data), []).append(place)
        else:
            waiting += [((*place, step), item) for step, item in parts_of(data)]
    spots: dict[SecretKey, list[Spot]] = {}
    for index, (need, value) in enumerate(report.filled):
        spot = Spot(index, tuple(places.get(id(value), ())))
        for reference in need.references:
            spots.setdefault(reference.key, []).append(spot)
    for need, error in report.outcomes:
        if error is not None:  # a new answer may fill what has been filled by something else
            for reference in need.references:
                spots.setdefault(reference.key, []).append(_NOWHERE)
    return spots
