"""What a store is kept on: names with sealed bytes, in a directory or on a Redis server.

A shelf knows neither keys nor secrets. It has one way to change something, compare and swap, which
entries, leases, notes and marks are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Final, NamedTuple, Protocol

PATIENCE: Final = 0.5
"""Seconds that any use of a shelf may take."""

FUTURE: Final = 5.0
"""Seconds that the clock of another host may be ahead of ours."""

LARGEST: Final = 1 << 20
"""Bytes of the largest value that is kept."""


class ShelfError(Exception):
    """A shelf could not be read or written; its message says why, without a password."""


class UnusableError(Exception):
    """What stands under a name can't be used; the message says why not."""


class Swap(NamedTuple):
    """A change of one name.

    Attributes:
        before: What has to stand there, as it was read; None for nothing, `...` for whatever.
        after: What is to stand there; None removes it.
    """

    before: bytes | EllipsisType | None
    after: bytes | None


class Shelf(Protocol):
    """Bytes under names, each until it ends. Thread-safe; a forked child makes its own.

    A name is ``scope/name``, both of them hexadecimal. The caller gives up on a call after
    `PATIENCE`; whatever is still running then has to end by itself soon.
    """

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what stands under each of *names*; None where nothing does, or it has ended.

        Of one that is longer than `LARGEST` only `LARGEST` + 1 bytes are returned.

        Raises:
            ShelfError: It can't be read.
        """

    def swap(self, swaps: Mapping[str, Swap], *, keep: float) -> bool:
        """Make all *swaps* of one scope, or none if a name does not hold what it has to.

        Args:
            swaps: By name.
            keep: Seconds after which what is written ends.

        Returns:
            Whether they were made.

        Raises:
            ShelfError: It can't be written.
        """

    def clear(self, scope: str) -> int:
        """Remove everything in *scope*, and return how many names that were.

        Raises:
            ShelfError: It can't be written.
        """

    def close(self) -> None:
        """Close connections, if there are any; a later call opens new ones."""
