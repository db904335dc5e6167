"""Builds settings objects, and keeps what they are made of, so that they can be built again."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from vaultconfig.connection.connection import Connection
from vaultconfig.errors import (
    SecretError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.loading.descriptions import described
from vaultconfig.loading.fields import title_of
from vaultconfig.loading.filling import Answers
from vaultconfig.loading.patching import patched
from vaultconfig.loading.places import own_containers
from vaultconfig.loading.report import Report
from vaultconfig.masking.redactor import Redactor
from vaultconfig.masking.texts import secret_values
from vaultconfig.references import VaultRef, picked
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.source.meeting import Given, Loads
from vaultconfig.source.upstream import made_of
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.shared import vault_for
from vaultconfig.vaults.vault import Vault

T = TypeVar("T", bound=BaseSettings)

_OF_A_SETTING = (SecretError, VaultUnavailableError)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A settings object, and all that it was made of.

    Attributes:
        settings: As the application sees it; never changed.
        readings: What the vault said of each secret in it.
        lifetimes: How long each of those may be served.
        vault: The vault that was asked; None where no source left anything to it.
        deadline: Seconds that a load may take.
        loads: What the other sources gave, and the reports of what came of it, by class.
    """

    settings: T = field(repr=False)
    readings: Mapping[SecretKey, Reading] = field(repr=False)
    lifetimes: Mapping[SecretKey, Lifetime]
    vault: Vault | None
    deadline: float
    loads: Mapping[type, Sequence[Done]] = field(repr=False)

    @property
    def reports(self) -> list[Report]:
        """What came of all loads."""
        return [done.report for loads in self.loads.values() for done in loads]

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
        # Those that aren't pinned are last: where a path is read both ways, only they change.
        keys = sorted(self.readings, key=lambda key: key.version is None)
        secrets = (self.readings[key].answer for key in keys)
        return {secret.path: secret.version for secret in secrets if isinstance(secret, Secret)}

    def source(self, now: float) -> Literal["vault", "store"] | None:
        """Return where the secrets in use are from: ``store`` only for what is past its ttl."""
        secrets = {key: r for key, r in self.readings.items() if isinstance(r.answer, Secret)}
        old = (r for key, r in secrets.items() if now - r.read_at >= self.lifetimes[key].ttl)
        if any(reading.is_stored for reading in old):
            return "store"
        return "vault" if secrets else None

    def values(self) -> Iterator[Any]:
        """Yield what came from the vault: as it was answered, and as the settings have it."""
        for report in self.reports:
            yield from report.values
            if report.model is type(self.settings):
                secret = report.kept().from_vault()
                yield from secret_values(vars(self.settings).items(), secret)

    def blamed(
        self, error: Exception, news: Mapping[SecretKey, Reading]
    ) -> Mapping[SecretKey, Exception]:
        """Return the secrets of *news* that *error* names, each with its part; else all of them."""
        found: Mapping[SecretKey, Exception] = {}
        if isinstance(error, UnresolvedSettingsError):
            failed: dict[str, list[SettingFailure]] = {}
            for failure in error.failures:
                if isinstance(failure.error, SecretError):
                    failed.setdefault(failure.error.path, []).append(failure)
            found = {k: UnresolvedSettingsError(failed[k.path]) for k in news if k.path in failed}
        elif isinstance(error, ValidationError):
            reports = [report for report in self.reports if error.title == title_of(report.model)]
            lines = error.errors(include_input=False, include_context=False, include_url=False)
            keys = {key for r in reports for line in lines for key in r.secrets_at(line["loc"])}
            found = dict.fromkeys(keys & news.keys(), error)
        return found or dict.fromkeys(news, error)

    def summary(self, problems: Mapping[SecretKey, Exception]) -> Exception | None:
        """Return what a load would raise for *problems*: what fails settings, in one group.

        Beside such a group the others, such as a ValidationError, are its hint.
        """
        failures = [
            need.failed(problem)
            for report in self.reports
            for need, _ in report.outcomes
            for reference in need.references
            if isinstance(problem := problems.get(reference.key), _OF_A_SETTING)
        ]
        for problem in problems.values():
            if isinstance(problem, UnresolvedSettingsError):
                failures += problem.failures
        if not failures:
            return next(iter(problems.values()), None)
        grouped = (*_OF_A_SETTING, UnresolvedSettingsError)
        others = [described(p) for p in problems.values() if not isinstance(p, grouped)]
        hint = f"beside these: {'; '.join(dict.fromkeys(others))}" if others else None
        return UnresolvedSettingsError(dict.fromkeys(failures), hint=hint)


def build(
    settings_cls: type[T],
    arguments: Mapping[str, Any],
    *,
    clock: Callable[[], float],
    redactor: Redactor,
    before: Snapshot[T] | None = None,
    news: Mapping[SecretKey, Reading] | None = None,
) -> Snapshot[T]:
    """Build settings; the vault is asked only for what is not known.

    Args:
        settings_cls: Their class.
        arguments: Of the class.
        clock: That of the cache.
        redactor: Learns the values before anything of the application sees them.
        before: The same settings before, whose class is called again and whose sources are not.
        news: Newer readings of its secrets.

    Raises:
        VaultConfigError: A secret that is not known could not be read.
        pydantic.ValidationError: The values do not fit.
    """
    made = _Build(clock, redactor, before, news or {})
    settings = made.build(settings_cls, arguments)
    if before is not None and made.is_patched:
        snapshot = replace(before, settings=settings, readings=made.known, loads=made.done)
    elif made.vault is None:
        snapshot = Snapshot(settings, {}, {}, None, math.inf, made.done)
    else:
        asked = (ref for loads in made.done.values() for _, r in loads for ref in r.answers)
        lifetimes = {k: life for k, life in made.vault.lifetimes(asked).items() if k in made.known}
        readings = {key: made.known[key] for key in lifetimes}
        snapshot = Snapshot(settings, readings, lifetimes, made.vault, made.deadline, made.done)
    redactor.learn(snapshot.values(), are_all=True)
    return snapshot


class Done(NamedTuple):
    """A load, and what came of it."""

    given: Given
    report: Report


class _Build(Loads):
    """One build, in which the class and those inside it load.

    Built again, settings follow the vault and nothing else: what the sources gave is that of the
    build before. The loads of a class are matched in the order in which they are made; where there
    are more than before, or they have other options, they are made anew.

    Attributes:
        done: Its loads, by class.
        known: The newest reading of each secret.
        is_patched: Whether all loads are as before, but for values of the vault.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        redactor: Redactor,
        before: Snapshot[Any] | None,
        news: Mapping[SecretKey, Reading],
    ) -> None:
        self.done: dict[type, list[Done]] = {}
        self.known = {**before.readings, **news} if before else {}
        self.vault = before.vault if before else None
        self.deadline = before.deadline if before else math.inf
        self.connection = self.vault.connection if self.vault else None
        self.is_patched = before is not None
        self._before = before.loads if before else {}
        self._changed = news.keys()
        self._clock = clock
        self._redactor = redactor

    def build(self, settings_cls: type[T], arguments: Mapping[str, Any]) -> T:
        """Return ``settings_cls(**arguments)``."""
        done = next(iter(self._before.get(settings_cls, ())), None)
        with self.around():
            # An `__init__` of its own may not pass this argument on.
            if done is not None and vars(BaseSettings)["__init__"] is settings_cls.__init__:

                def kept() -> dict[str, Any]:
                    return self._again(done).state

                return made_of(settings_cls, kept, arguments)
            return settings_cls(**arguments)

    def load(
        self,
        settings_cls: type[BaseSettings],
        init_kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
        give: Callable[[], Given],
    ) -> Report:
        before, index = self._before.get(settings_cls, ()), len(self.done.get(settings_cls, ()))
        if index >= len(before) or before[index].given.options != options:
            return self.first(give())
        return self._again(before[index], init_kwargs)

    def first(self, given: Given) -> Report:
        self.is_patched = False
        return self._noted(given, given.run())

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
            # In development the settings may still be built, without these.
            self.known |= dict.fromkeys(unknown, Reading(error, self._clock()))
            raise
        return {ref: picked(self.known[ref.key].answer, ref) for ref in references}

    def _again(self, done: Done, init_kwargs: Mapping[str, Any] | None = None) -> Report:
        given = done.given if init_kwargs is None else done.given.with_arguments(init_kwargs)
        report: Report | None = None
        if given is done.given and not given.has_defaults:
            report = patched(done.report, self._changed, given.ask, given.read_text)
        self.is_patched &= report is not None
        return self._noted(given, report or given.run(done.report))

    def _noted(self, given: Given, report: Report) -> Report:
        self.done.setdefault(given.settings_cls, []).append(Done(given, report))
        if self._redactor.is_used:  # a validator may log what it is given
            self._redactor.learn(report.values)
        report = copy.copy(report)  # a validator may change what it is given, which is needed again
        report.state = own_containers(report.state)
        return report
