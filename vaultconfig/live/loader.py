"""Builds settings objects, and keeps what they are made of, so that they can be built again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from vaultconfig.connection.connection import Connection
from vaultconfig.errors import SecretError, UnresolvedSettingsError, VaultConfigError
from vaultconfig.loading.filling import Answers
from vaultconfig.references import VaultRef, picked
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.source import Done, Loads
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.shared import vault_for
from vaultconfig.vaults.vault import Lifetime, Vault

T = TypeVar("T", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A settings object, and all that it was made of.

    Attributes:
        settings: As the application sees it; never changed.
        readings: What the vault said of each secret in it.
        lifetimes: How long each of those may be served.
        vault: The vault that said so; None where nothing was asked.
        deadline: Seconds that a load may take.
        loads: What the other sources gave, and what came of it.
    """

    settings: T = field(repr=False)
    readings: Mapping[SecretKey, Reading] = field(repr=False)
    lifetimes: Mapping[SecretKey, Lifetime]
    vault: Vault | None
    deadline: float
    loads: Mapping[type, Sequence[Done]] = field(repr=False)

    def renewed(self, fresh: Mapping[SecretKey, Reading]) -> Snapshot[T]:
        """Return the same settings, with newer readings of what has not changed."""
        readings = {key: fresh.get(key, reading) for key, reading in self.readings.items()}
        return replace(self, readings=readings)

    def in_child(self) -> Snapshot[T]:
        """Return the same in a forked child, which has connections of its own."""
        vault = self.vault and vault_for(self.vault.connection, clock=self.vault.cache.clock)
        return replace(self, vault=vault)

    def versions(self) -> dict[str, int]:
        """Return the versions of the secrets in use, by path."""
        # Last those that aren't pinned: where a path is read both ways, it is they that change.
        keys = sorted(self.readings, key=lambda key: key.version is None)
        secrets = (self.readings[key].answer for key in keys)
        return {secret.path: secret.version for secret in secrets if isinstance(secret, Secret)}

    def blamed(
        self, error: Exception, news: Mapping[SecretKey, Reading]
    ) -> Mapping[SecretKey, Exception]:
        """Return what of *news* made *error*, with its own part of it; all, where nothing says."""
        found: Mapping[SecretKey, Exception] = {}
        if isinstance(error, UnresolvedSettingsError):
            failed = (failure.error for failure in error.failures)
            errors = {e.path: e for e in failed if isinstance(e, SecretError)}
            found = {key: errors[key.path] for key in news if key.path in errors}
        elif isinstance(error, ValidationError):
            done = (done for loads in self.loads.values() for done in loads)
            reports = [report for _, report in done if error.title == _title_of(report.model)]
            lines = error.errors(include_input=False, include_context=False, include_url=False)
            keys = {key for r in reports for line in lines for key in r.secrets_at(line["loc"])}
            found = dict.fromkeys(keys & news.keys(), error)
        return found or dict.fromkeys(news, error)


def build(
    settings_cls: type[T],
    arguments: Mapping[str, Any],
    *,
    clock: Callable[[], float],
    before: Snapshot[T] | None = None,
    news: Mapping[SecretKey, Reading] | None = None,
) -> Snapshot[T]:
    """Build settings; the vault is asked only for what is not known.

    Args:
        settings_cls: Their class.
        arguments: Of the class.
        clock: That of the cache.
        before: The same settings before, whose class is called again and whose sources are not.
        news: What the vault has said of its secrets since.

    Raises:
        VaultConfigError: What is not known could not be had.
        pydantic.ValidationError: The values do not fit.
    """
    made = _Build(clock, before, news or {})
    settings = made.build(settings_cls, arguments)
    if before is not None and made.is_patched:
        return replace(before, settings=settings, readings=made.known, loads=made.done)
    if made.vault is None:
        return Snapshot(settings, {}, {}, None, math.inf, made.done)
    asked = (reference for loads in made.done.values() for _, r in loads for reference in r.answers)
    lifetimes = {k: life for k, life in made.vault.lifetimes(asked).items() if k in made.known}
    readings = {key: made.known[key] for key in lifetimes}
    return Snapshot(settings, readings, lifetimes, made.vault, made.deadline, made.done)


def _title_of(model: type) -> str:
    """Return what a ValidationError of *model* is called."""
    return getattr(model, "model_config", {}).get("title") or model.__name__


class _Build(Loads):
    """One build, with all that is known of its secrets."""

    def __init__(
        self,
        clock: Callable[[], float],
        before: Snapshot[Any] | None,
        news: Mapping[SecretKey, Reading],
    ) -> None:
        self.known = {**before.readings, **news} if before else {}
        self.vault = before.vault if before else None
        self.deadline = before.deadline if before else math.inf
        self._clock = clock
        connection = self.vault.connection if self.vault else None
        super().__init__(before.loads if before else {}, news.keys(), connection)

    def resolve(
        self, connection: Connection, references: Sequence[VaultRef], deadline: float
    ) -> Answers:
        vault = vault_for(connection, clock=self._clock)
        self.vault, self.deadline = vault, deadline
        lifetimes = vault.lifetimes(references)
        unknown = {key: life for key, life in lifetimes.items() if key not in self.known}
        try:
            if unknown:
                self.known |= vault.read(unknown, deadline=deadline)
        except VaultConfigError as error:
            # In development the settings may be built all the same, without these.
            self.known |= dict.fromkeys(unknown, Reading(error, self._clock()))
            raise
        return {ref: picked(self.known[ref.key].answer, ref) for ref in references}
