"""How long a secret may be served. Pure."""

from __future__ import annotations

from typing import NamedTuple

from vaultconfig.references import VaultRef
from vaultconfig.secret import Secret
from vaultconfig.vaults.cache import Reading


class Lifetime(NamedTuple):
    """How long a secret may be served, in seconds since it was read.

    Attributes:
        ttl: Without asking the vault again.
        max_stale: While the vault is unreachable.
        is_optional: Whether there may be none; then that is an answer for as long as a secret.
    """

    ttl: float
    max_stale: float
    is_optional: bool = False

    @property
    def longest(self) -> float:
        """How long it may be served at all."""
        return max(self.ttl, self.max_stale)

    def with_options_of(self, reference: VaultRef) -> Lifetime:
        """Return what *reference* asks for, and this where it asks for nothing."""
        ttl, max_stale, is_optional = reference.ttl, reference.max_stale, reference.optional
        if ttl is None and max_stale is None and not is_optional:
            return self
        return Lifetime(
            self.ttl if ttl is None else ttl,
            self.max_stale if max_stale is None else max_stale,
            is_optional,
        )

    def shorter(self, other: Lifetime) -> Lifetime:
        """Return the shorter of both, each time for itself."""
        if self is other:
            return self
        return Lifetime(
            min(self.ttl, other.ttl),
            min(self.max_stale, other.max_stale),
            self.is_optional and other.is_optional,
        )

    def is_kept_by(self, reading: Reading, now: float) -> bool:
        """Whether *reading* may be served at *now* without asking the vault again.

        That there is no secret where one is required may have been fixed by now.
        """
        is_answer = self.is_optional or isinstance(reading.answer, Secret)
        return is_answer and now - reading.read_at < self.ttl
