"""What the sources of a class gave to one load, a layer a source, and who gave it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from vaultconfig.loading.places import Place

ARGUMENT, COMMAND_LINE, ENVIRONMENT, DOTENV = "argument", "command line", "environment", ".env"
VAULT, SECRETS_DIRECTORY, DEFAULT = "vault", "secrets directory", "default"


class Rank(IntEnum):
    """Where a layer stands, seen from a field that the vault is to fill."""

    ABOVE = 0
    VAULT = 1
    BELOW = 2


_RANKS: Final = {ARGUMENT: Rank.ABOVE, COMMAND_LINE: Rank.ABOVE, ENVIRONMENT: Rank.ABOVE}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the value of a field came from.

    Attributes:
        source: ``argument``, ``command line``, ``environment``, ``vault``, ``.env``,
            ``secrets directory``, ``default``, or the class name of another source.
        secrets: Path and version of each secret in it; several in a template, mostly none.
    """

    source: str
    secrets: tuple[tuple[str, int], ...] = ()

    @property
    def path(self) -> str | None:
        """The path of the (first) secret."""
        return self.secrets[0][0] if self.secrets else None

    @property
    def version(self) -> int | None:
        """The version of the (first) secret."""
        return self.secrets[0][1] if self.secrets else None


class Variables(Protocol):
    """The variables that a source has read."""

    def name_at(self, place: Place) -> str | None:
        """Return the variable that gave what stands at *place*, and nothing else, if one did."""

    def read(self, place: Place, text: str) -> Any:
        """Return what the source gives for *place* where *text* stands in that variable.

        Raises:
            ValueError: It cannot be read.
        """


class Layer(NamedTuple):
    """What one source gave.

    Attributes:
        source: Its name for `provenance`.
        data: By the keys that pydantic knows.
        variables: What it has read; None where it reads no variables.
        as_written: Returns how a text stands in a `.env` that has expanded variables in it, else
            None.
    """

    source: str
    data: Mapping[str, Any]
    variables: Variables | None = None
    as_written: Callable[[str], str | None] = lambda _: None

    def __repr__(self) -> str:
        return f"<Layer {self.source}>"

    @property
    def rank(self) -> Rank:
        """Where it stands, seen from the vault."""
        return _RANKS.get(self.source, Rank.BELOW)

    @property
    def is_above(self) -> bool:
        """Whether it counts more than the vault."""
        return self.rank is Rank.ABOVE

    def gives_whole(self, place: Place) -> bool:
        """Whether what stands at *place* was given in one go, not key by key."""
        return self.variables is None or self.variables.name_at(place) is not None

    def variable_around(self, place: Place) -> str | None:
        """Return the variable whose value holds what stands at *place*, if one does."""
        if self.variables is None or self.source == COMMAND_LINE:  # whose keys are no variables
            return None
        ends = range(len(place), 0, -1)
        return next(filter(None, (self.variables.name_at(place[:end]) for end in ends)), None)
