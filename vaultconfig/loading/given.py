"""What the sources other than the vault gave to one load, above and below the vault. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vaultconfig.connection.fallback import FallbackRule
from vaultconfig.loading.needs import REFERENCE_KEY
from vaultconfig.loading.places import ABSENT, Place, get_at, keys_only, merged, own_copy, remove_at
from vaultconfig.loading.report import ABOVE_THE_VAULT
from vaultconfig.references import is_reference

DOTENV: Final = ".env"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source gave: its name for `provenance`, and the values."""

    source: str
    data: Mapping[str, Any] = field(repr=False)


class Layers:
    """The layers of one load.

    Args:
        layers: Highest first.
        rule: When `.env` may stand in.

    Attributes:
        given: What stands above the vault, merged.
        shapes: The keys that each layer has, lowest first: see `inputs.keys_only`.
    """

    def __init__(self, layers: Sequence[Layer], rule: FallbackRule) -> None:
        above = [layer for layer in layers if layer.source in ABOVE_THE_VAULT]
        below = [layer for layer in layers if layer.source not in ABOVE_THE_VAULT]
        self._lower = [layer for layer in below if layer.source != DOTENV or rule.is_possible]
        self._shut_out = [layer.source for layer in below if layer not in self._lower]
        self.given: Mapping[str, Any] = merged([{}, *(layer.data for layer in reversed(above))])
        self.shapes = [(layer.source, keys_only(layer.data)) for layer in reversed(layers)]

    def alternative(self, place: Place) -> tuple[str, Any] | None:
        """Return what stands below the vault at *place*, and the highest source that has it."""
        found = [(layer.source, get_at(layer.data, place)) for layer in self._lower]
        plain = [(source, value) for source, value in found if _is_plain(value)]
        return (plain[0][0], merged(value for _, value in reversed(plain))) if plain else None

    def around(self, place: Place, value: dict[str, Any]) -> Any:
        """Lay what stands above the vault over its object, and what stands below it under."""
        for source, shape in self.shapes:
            if source in self._shut_out:
                remove_at(shape, place)
        below = [get_at(layer.data, place) for layer in reversed(self._lower)]
        return merged([*map(own_copy, below), value, own_copy(get_at(self.given, place))])


def _is_plain(value: Any) -> bool:
    """Whether *value* is there and needs no vault."""
    if value is ABSENT or (isinstance(value, dict) and REFERENCE_KEY in value):
        return False
    return not (isinstance(value, str) and is_reference(value))
