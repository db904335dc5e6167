"""What a layer gave for a model or mapping, and what is in it for a field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from vaultconfig.loading.fields import ModelField
from vaultconfig.loading.layers import Layer, Provenance, Rank
from vaultconfig.loading.places import ABSENT, Place


class Piece(NamedTuple):
    """What one layer gave for a model or mapping.

    Attributes:
        rank: Of the layer.
        layer: None is the vault's, or the default's.
        place: Where in the layer it stands.
        data: What stands there.
        origin: Where that came from, which a reference in the layer makes the vault.
    """

    rank: Rank
    layer: Layer | None
    place: Place
    data: Any
    origin: Provenance


def piece_of(layer: Layer) -> Piece:
    """Return all that *layer* gave."""
    return Piece(layer.rank, layer, (), layer.data, Provenance(layer.source))


Found: TypeAlias = tuple[Piece, Place, Any]
"""What a piece has for a field, and where."""


def found_for(field: ModelField, pieces: Sequence[Piece]) -> list[Found]:
    """Return what *pieces* have for *field*, in their order."""
    if field.key is not None:
        key, place = field.key, field.places[0]
        return [(piece, place, piece.data[key]) for piece in pieces if key in piece.data]
    found = ((piece, *field.find(piece.data)) for piece in pieces)
    return [item for item in found if item[2] is not ABSENT]
