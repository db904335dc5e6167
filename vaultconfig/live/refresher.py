"""Keeps a snapshot of settings fresh, a step at a time; has no thread of its own.

Steps exclude one another; whoever reads the snapshot takes part in no lock.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import random as any_random
from typing import Generic, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from vaultconfig.errors import (
    SecretError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
)
from vaultconfig.live.change import Change, changed_fields
from vaultconfig.live.loader import Loader, Reading, Snapshot, path_of
from vaultconfig.live.schedule import Schedule, State
from vaultconfig.resolver import Vault
from vaultconfig.secret import Secret, SecretKey

T = TypeVar("T", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests replace.

    Attributes:
        clock: Seconds that only grow; that of the cache of secrets.
        random: Gives a number in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = any_random


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of one step."""

    change: Change[T] | None = None
    error: Exception | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Health:
    """How fresh the settings are; holds no value.

    Attributes:
        state: For the worst of the secrets: ``fresh``, ``stale`` (the last refresh failed),
            ``denied`` (the vault's own answer was 401, 403 or 404) or ``expired``.
        age: Of the oldest secret, in seconds since it was read.
        versions: Of the secrets in use, by path.
        last_error: What went wrong last; None when nothing is amiss.
        next_refresh: Seconds until the vault is asked again; None if it is not going to be.
    """

    state: State
    age: float
    versions: Mapping[str, int]
    last_error: str | None
    next_refresh: float | None


class Refresher(Generic[T]):
    """The snapshot of one settings object, and what becomes of it.

    Attributes:
        snapshot: The newest; replaced in one step, never changed.
        is_loaded: Whether there is one.
        expires_at: When it is too old to be served, in seconds of the clock.
    """

    snapshot: Snapshot[T]

    def __init__(self, loader: Loader[T], seams: Seams) -> None:
        self.is_loaded = False
        self.expires_at = -math.inf
        self._loader = loader
        self._seams = seams
        self._one_at_a_time = threading.Lock()
        self._schedule = Schedule(seams.random)
        self._hastened: deque[tuple[Collection[str] | None, float]] = deque()
        self._begun = 0
        self._last: tuple[int, Outcome[T]] | None = None

    @property
    def vault(self) -> Vault | None:
        """Whom the secrets are read from; None where none are."""
        return self.snapshot.vault if self.is_loaded else None

    def in_child(self) -> Refresher[T]:
        """Return what goes on from here in a forked child: same snapshot, locks of its own."""
        child = Refresher(self._loader, self._seams)
        if self.is_loaded:
            child._take(self.snapshot.in_child())
        return child

    def load(self) -> None:
        """Build the first snapshot.

        Raises:
            VaultConfigError: It can't be had.
            pydantic.ValidationError: The values do not fit.
        """
        self._take(self._loader.build({}))

    def step(self) -> Outcome[T]:
        """Read what is due, if anything is."""
        with self._one_at_a_time:
            while self._hastened:
                paths, at = self._hastened.popleft()
                self._schedule.hasten(self._keys_at(paths), at)
            return self._refresh(self._schedule.due(self._seams.clock()))

    def refresh(self) -> Outcome[T]:
        """Read everything now, or share in a refresh that another thread begins meanwhile."""
        seen = self._begun
        with self._one_at_a_time:
            if self._last is not None and self._last[0] > seen:
                return self._last[1]
            self._begun += 1
            outcome = self._refresh(self._schedule.keys)
            self._last = (self._begun, outcome)
            return outcome

    def paths(self) -> frozenset[str]:
        """Return the paths of the secrets that can change: all but those of a pinned version."""
        return frozenset(key for key in self.snapshot.readings if isinstance(key, str))

    def shortest_ttl(self) -> float:
        """Return the shortest ttl of all secrets, in seconds; infinity without any."""
        lifetimes = self.snapshot.lifetimes.values()
        return min((lifetime.ttl for lifetime in lifetimes), default=math.inf)

    def hasten(self, paths: Collection[str] | None, at: float) -> None:
        """Have the next step read what is at *paths* (None is everything) at *at*."""
        self._hastened.append((paths, at))

    def next_at(self) -> float:
        """Return when something is due, in seconds of the clock; infinity if nothing ever is."""
        hastened = min((at for _, at in tuple(self._hastened)), default=math.inf)
        return min(self._schedule.next_at(), hastened)

    def health(self) -> Health:
        """Return how fresh the snapshot is."""
        now = self._seams.clock()
        error, next_at = self._schedule.error(), self.next_at()
        return Health(
            state=self._schedule.state(now),
            age=self._schedule.age(now),
            versions=self.snapshot.versions(),
            last_error=None if error is None else describe(error),
            next_refresh=None if math.isinf(next_at) else max(0.0, next_at - now),
        )

    def _take(self, snapshot: Snapshot[T]) -> None:
        self.snapshot = snapshot
        read_at = {key: reading.read_at for key, reading in snapshot.readings.items()}
        self._schedule.track(snapshot.lifetimes, read_at)
        self.expires_at = self._schedule.expires_at()
        self.is_loaded = True

    def _refresh(self, keys: Collection[SecretKey]) -> Outcome[T]:
        vault, now = self.snapshot.vault, self._seams.clock()
        if not keys or vault is None:
            return Outcome()
        lifetimes = {key: self.snapshot.lifetimes[key] for key in keys}
        try:
            answers = vault.reread(lifetimes, deadline=self.snapshot.deadline)
        except VaultConfigError as error:
            failure = error.with_traceback(None)
            self._schedule.unavailable(failure, self._seams.clock())
            return Outcome(error=failure)
        return self._settle(answers, now)

    def _settle(
        self, answers: Mapping[SecretKey, Secret | VaultConfigError], now: float
    ) -> Outcome[T]:
        """Take what the vault gave; what it did not give stays as it was."""
        known = self.snapshot.readings
        fresh: dict[SecretKey, Reading] = {}
        lost: dict[SecretKey, Exception] = {}
        absent: set[SecretKey] = set()
        for key, answer in answers.items():
            if isinstance(answer, Secret):
                fresh[key] = Reading(answer, now)
            elif isinstance(known[key].answer, SecretError) and isinstance(answer, SecretError):
                absent.add(key)  # optional, and as little there as before
            else:
                lost[key] = answer
        change: Change[T] | None = None
        changed = {key for key in fresh if _differs(known[key].answer, fresh[key].answer)}
        if changed:
            outcome = self._rebuild(fresh, changed)
            if isinstance(outcome, Exception):
                lost |= dict.fromkeys(changed, outcome)
                fresh = {key: fresh[key] for key in fresh.keys() - changed}
            else:
                change = outcome
        self.snapshot = self.snapshot.renewed(fresh)
        self._schedule.succeeded(fresh.keys() | absent, now, absent=absent)
        self._schedule.failed(lost, self._seams.clock())
        self.expires_at = self._schedule.expires_at()
        return Outcome(change, _summary(lost))

    def _rebuild(
        self, fresh: Mapping[SecretKey, Reading], changed: Collection[SecretKey]
    ) -> Change[T] | Exception | None:
        """Swap the snapshot for one with *fresh* in it, and return what the swap has changed."""
        old = self.snapshot.settings
        try:
            self._take(self._loader.build({**self.snapshot.readings, **fresh}))
        except Exception as error:
            return error.with_traceback(None)
        fields = changed_fields(old, self.snapshot.settings)
        versions = {
            path: v
            for path, v in self.snapshot.versions().items()
            if path in set(map(path_of, changed))
        }
        return Change(fields, old, self.snapshot.settings, versions) if fields else None

    def _keys_at(self, wanted: Collection[str] | None) -> list[SecretKey]:
        return [key for key in self._schedule.keys if wanted is None or path_of(key) in wanted]


def describe(error: Exception) -> str:
    """Return what may be told of *error*: an application's own words may quote a value."""
    if isinstance(error, VaultConfigError):
        return str(error)
    if isinstance(error, ValidationError):
        mistakes = error.errors(include_input=False, include_context=False, include_url=False)
        places = (f"{'.'.join(map(str, line['loc']))} ({line['type']})" for line in mistakes)
        return f"the new values do not fit: {', '.join(places)}"
    return f"{type(error).__name__} while the settings were built"


def _summary(problems: Mapping[SecretKey, Exception]) -> Exception | None:
    """Return the one exception that says everything."""
    errors = list({id(error): error for error in problems.values()}.values())
    failures = [
        SettingFailure(path_of(key), None, error)
        for key, error in problems.items()
        if isinstance(error, VaultConfigError)
    ]
    if len(errors) > 1 and len(failures) == len(problems):
        return UnresolvedSettingsError(failures)
    return errors[0] if errors else None


def _differs(old: Secret | VaultConfigError, new: Secret | VaultConfigError) -> bool:
    if isinstance(old, Secret) and isinstance(new, Secret):
        return old.version != new.version or old.data != new.data
    return True
