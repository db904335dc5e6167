"""Builds settings objects, and sees what they ask of the vault while they are built."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.errors import VaultConfigError, VaultUnavailableError
from vaultconfig.references import Resolved, VaultRef, picked
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults.shared import standing_in, vault_for
from vaultconfig.vaults.vault import Lifetime, Vault

T = TypeVar("T", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the vault last said of a secret; *read_at* is None where it has never given it."""

    answer: SecretOrError = field(repr=False)
    read_at: float | None


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A settings object, and all that it was made of.

    Attributes:
        settings: As the application sees it; never changed.
        readings: What the vault said of each secret in it.
        lifetimes: How long each of those may be served.
        vault: Who said so; None where nothing was asked.
        deadline: Seconds that a load may take.
    """

    settings: T = field(repr=False)
    readings: Mapping[SecretKey, Reading] = field(repr=False)
    lifetimes: Mapping[SecretKey, Lifetime]
    vault: Vault | None
    deadline: float

    def renewed(self, fresh: Mapping[SecretKey, Reading]) -> Snapshot[T]:
        """Return the same settings, with newer readings of what has not changed."""
        readings = {key: fresh.get(key, reading) for key, reading in self.readings.items()}
        return replace(self, readings=readings)

    def in_child(self) -> Snapshot[T]:
        """Return the same in a forked child, which has connections of its own."""
        vault = self.vault and vault_for(self.vault.connection)
        return replace(self, vault=vault)

    def versions(self) -> dict[str, int]:
        """Return the versions of the secrets in use, by path."""
        # Last those that aren't pinned: where a path is read both ways, it is they that change.
        keys = sorted(self.readings, key=lambda key: key.version is None)
        secrets = (self.readings[key].answer for key in keys)
        return {secret.path: secret.version for secret in secrets if isinstance(secret, Secret)}


class Loader(Generic[T]):
    """Builds the settings of one class, always with the same arguments."""

    def __init__(
        self, settings_cls: type[T], arguments: Mapping[str, Any], *, clock: Callable[[], float]
    ) -> None:
        self._settings_cls = settings_cls
        self._arguments = arguments
        self._clock = clock

    def build(self, known: Mapping[SecretKey, Reading]) -> Snapshot[T]:
        """Build the settings from what is *known*; the vault is asked only for the rest.

        Raises:
            VaultConfigError: What is not known could not be had.
            pydantic.ValidationError: The values do not fit.
        """
        asked = _Asked(known, self._clock)
        with standing_in(asked.resolve):
            settings = self._settings_cls(**self._arguments)
        return Snapshot(settings, asked.readings, asked.lifetimes, asked.vault, asked.deadline)


class _Asked:
    """What one build has asked for, and was answered."""

    def __init__(self, known: Mapping[SecretKey, Reading], clock: Callable[[], float]) -> None:
        self._known = known
        self._clock = clock
        self.readings: dict[SecretKey, Reading] = {}
        self.lifetimes: dict[SecretKey, Lifetime] = {}
        self.vault: Vault | None = None
        self.deadline = math.inf

    def resolve(
        self, vault: Vault, references: Collection[VaultRef], deadline: float
    ) -> Mapping[VaultRef, Resolved | VaultConfigError]:
        self.vault, self.deadline = vault, deadline
        self.lifetimes |= vault.lifetimes(references)
        unknown = [ref for ref in references if ref.key not in self._known]
        for reference in references:
            if reference.key in self._known:
                self.readings[reference.key] = self._known[reference.key]
        if unknown:
            self._ask(vault, unknown, deadline)
        return {ref: picked(self.readings[ref.key].answer, ref) for ref in references}

    def _ask(self, vault: Vault, references: Collection[VaultRef], deadline: float) -> None:
        try:
            answers = vault.resolve(references, deadline=deadline)
        except VaultConfigError as error:
            # In development the settings may be built all the same, without these.
            self.readings |= {ref.key: Reading(error, None) for ref in references}
            raise
        for reference, answer in answers.items():
            entry = vault.cache.get(reference.key, max_age=math.inf)
            # It may be there and yet too old to be served.
            if entry is not None and not isinstance(answer, VaultUnavailableError):
                age = vault.cache.clock() - entry.read_at
                self.readings[reference.key] = Reading(entry.secret, self._clock() - age)
            elif isinstance(answer, Resolved):  # kept for no time at all
                self.readings[reference.key] = Reading(answer.secret, self._clock())
            else:
                self.readings[reference.key] = Reading(answer, None)
