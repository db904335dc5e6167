"""When each secret is read again, how fresh all are, and when they expire. Pure.

A vault that does not answer holds back every request, so that an outage costs one request for each
step of the backoff; a secret that is denied or missing holds back only itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    RateLimitedError,
    SecretNotFoundError,
    VersionNotFoundError,
)
from vaultconfig.secret import SecretKey
from vaultconfig.vaults.lifetime import Lifetime

State: TypeAlias = Literal["fresh", "stale", "invalid", "denied", "expired"]
"""The states, from good to bad."""

STATES: Final[tuple[State, ...]] = get_args(State)

EARLIEST, LATEST = 0.75, 0.95
"""The part of its ttl after which a secret is read again: at random, to spread a fleet."""

FIRST_EARLIEST: Final = 0.05
"""The same the first time, so that hosts that start together drift apart at once."""

SPREAD_LATEST: Final = 3.0
"""The same while a store is away, which had the whole fleet read at the same times."""

SHORTEST_TTL: Final = 0.1
"""Seconds between two reads of a secret, however short the ttl that it is given."""

FIRST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 120.0

OVERDUE: Final = 5.0
"""Seconds after which a refresh that was due, and is not over, makes the settings stale."""

_FIRST_PATIENCE: Final = 0.1
_LAST_CHANCE: Final = 10.0  # seconds before the end, or a tenth of a shorter life

_DENIALS: Final = (
    AccessDeniedError,
    AuthenticationError,
    SecretNotFoundError,
    VersionNotFoundError,
)


@dataclass(slots=True)
class _Entry:
    """A secret's times, in seconds of the clock.

    Attributes:
        is_absent: Whether there is no value that could age.
        since: From when on it has to be read for the next reading to count; None is any newer one.
    """

    lifetime: Lifetime
    read_at: float
    due_at: float
    is_absent: bool
    since: float | None = None
    failures: int = 0
    error: Exception | None = None
    is_invalid: bool = False

    @property
    def expires_at(self) -> float:
        """When it is too old to be served: never within its ttl, even with ``max_stale=0``."""
        return math.inf if self.is_absent else self.read_at + self.lifetime.longest

    def answered(self, read_at: float, now: float, part: float) -> None:
        """Note what was read at *read_at*, maybe elsewhere; it is due after *part* of its ttl."""
        self.read_at = read_at
        self.failures, self.error, self.is_invalid = 0, None, False
        if self.since is None or read_at >= self.since:
            self.since, self.due_at = None, self.planned_at(part)
        # Else it stays due: the news that it waits for is newer.
        self.due_at = max(self.due_at, now + SHORTEST_TTL)

    def planned_at(self, part: float) -> float:
        """Return when *part* of its ttl is over, but a time before it expires."""
        return min(self.read_at + self.lifetime.ttl * part, self._last_chance)

    def retry_at(self, now: float, wait: float) -> float:
        """Return when to ask again after *wait*, but at least once before it expires."""
        chance = self._last_chance
        return min(now + wait, chance) if chance > now else now + wait

    @property
    def _last_chance(self) -> float:
        return self.expires_at - min(_LAST_CHANCE, self.lifetime.longest / 10)


class Schedule:
    """The times of all secrets of one settings object.

    Args:
        random: Gives a number in [0, 1).

    Attributes:
        is_spread: Whether reads are spread over a longer time, because the store is away.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self.is_spread = False
        self._random = random
        self._entries: dict[SecretKey, _Entry] = {}
        self._failures = 0
        self._retry_at = -math.inf
        self._error: Exception | None = None
        self._fruitless = 0
        self._patient_until = -math.inf

    def track(
        self,
        lifetimes: Mapping[SecretKey, Lifetime],
        read_at: Mapping[SecretKey, float],
        now: float,
        *,
        absent: Collection[SecretKey],
    ) -> None:
        """Follow these secrets from now on, and no others; those known keep their times."""
        part = FIRST_EARLIEST + (LATEST - FIRST_EARLIEST) * self._random()
        entries: dict[SecretKey, _Entry] = {}
        for key, lifetime in lifetimes.items():
            when = read_at[key]
            # Of what is left of it: many may start at once from what one has read long before.
            left = max(0.0, when + lifetime.ttl - now)
            due_at = max(now + left * part, when + SHORTEST_TTL)
            new = _Entry(lifetime, when, due_at, key in absent)
            entries[key] = self._entries.get(key, new)
            entries[key].lifetime = lifetime
        self._entries = entries

    def due(self, now: float) -> list[SecretKey]:
        """Return what is to be read now, all in one request."""
        if now < self._retry_at:
            return []
        return [key for key, entry in self._entries.items() if entry.due_at <= now]

    def next_at(self) -> float:
        """Return when something is due next; infinity if nothing ever is."""
        earliest = min((entry.due_at for entry in self._entries.values()), default=math.inf)
        return max(earliest, self._retry_at)

    def succeeded(
        self,
        read_at: Mapping[SecretKey, float],
        now: float,
        *,
        absent: Collection[SecretKey],
        has_answered: bool = True,
    ) -> None:
        """Note when secrets were read; those that are *absent* still do not exist.

        Unless the vault *has_answered*, they were read by other processes. That ends an outage
        only where they have brought all that is due.
        """
        part = self._part()
        for key, entry in self._followed(read_at):
            entry.is_absent = key in absent
            entry.answered(read_at[key], now, part)
        if has_answered or all(entry.due_at > now for entry in self._entries.values()):
            self._failures, self._retry_at, self._error = 0, -math.inf, None

    def failed(self, errors: Mapping[SecretKey, Exception], now: float) -> None:
        """Note that some secrets could not be read, though the vault answered."""
        part = self._random()
        for key, entry in self._followed(errors):
            entry.failures, entry.error, entry.is_invalid = entry.failures + 1, errors[key], False
            wait = max(backoff(entry.failures, part), asked_pause(errors[key]))
            entry.due_at = entry.retry_at(now, wait)

    def rejected(
        self, errors: Mapping[SecretKey, Exception], read_at: Mapping[SecretKey, float], now: float
    ) -> None:
        """Note that the values of some secrets do not fit.

        The vault has answered, so those in use do not age; they are read again when due anyway.
        """
        part = self._part()
        for key, entry in self._followed(errors):
            entry.answered(read_at[key], now, part)
            entry.error, entry.is_invalid = errors[key], True

    def inherit(self, parent: Schedule, now: float) -> None:
        """Note what *parent* has noted of the same secrets, which are read again all the same."""
        self.failed(parent.errors(), now)
        for key, entry in self._entries.items():
            entry.is_invalid = parent._entries[key].is_invalid
        if parent.is_spread:
            self.spread(now)

    def unavailable(self, keys: Iterable[SecretKey], error: Exception, now: float) -> None:
        """Note that the vault did not answer; *keys*, which were asked for, stay due."""
        self._failures, self._error = self._failures + 1, error
        wait = max(backoff(self._failures, self._random()), asked_pause(error))
        chances = (entry.retry_at(now, wait) for entry in self._entries.values())
        self._retry_at = min(chances, default=now + wait)
        self.hasten(keys, now)

    def may_ask(self, now: float) -> bool:
        """Whether a refresh out of turn makes sense: not in an outage or soon after a vain one."""
        return now >= max(self._retry_at, self._patient_until)

    def asked_in_vain(self, now: float) -> None:
        """Note that a refresh out of turn has changed nothing."""
        is_quiet = now - self._patient_until > LONGEST_BACKOFF
        self._fruitless = 1 if is_quiet else self._fruitless + 1
        wait = backoff(self._fruitless, self._random(), first=_FIRST_PATIENCE)
        self._patient_until = now + wait

    def changed(self) -> None:
        """Note that a refresh has changed something."""
        self._patient_until = -math.inf  # so that the next vain one counts as the first

    def hasten(self, keys: Iterable[SecretKey], at: float, *, since: float | None = None) -> None:
        """Have those of *keys* that are followed read at *at*, if not sooner anyway.

        Args:
            keys: The secrets.
            at: Infinity where they are going to be read at once.
            since: What was read before that, by whichever process, does not count.
        """
        for _, entry in self._followed(keys):
            entry.due_at = min(entry.due_at, at)
            if since is not None:
                entry.since = max(since, entry.since or since)

    def since(self, keys: Iterable[SecretKey]) -> dict[SecretKey, float]:
        """Return when those of *keys* have to be read to count; for others any newer one does."""
        since = {key: entry.since for key, entry in self._followed(keys)}
        return {key: when for key, when in since.items() if when is not None}

    def spread(self, now: float, *, is_needed: bool = True) -> None:
        """Put off what waits for its ttl, each process to another time, for as long as *is_needed*.

        Then it is read as usual again; what should have been read meanwhile is due at once.
        """
        if self.is_spread == is_needed:
            return
        self.is_spread = is_needed
        part = self._part()
        for entry in self._entries.values():
            if not entry.failures and entry.since is None:
                entry.due_at = max(entry.planned_at(part), now)

    @property
    def is_away(self) -> bool:
        """Whether the vault did not answer when it was asked last."""
        return self._error is not None

    @property
    def keys(self) -> list[SecretKey]:
        """The secrets that are followed."""
        return list(self._entries)

    def expires_at(self) -> float:
        """Return when the first secret becomes too old to be served."""
        return min((entry.expires_at for entry in self._entries.values()), default=math.inf)

    def is_outdated(self, now: float) -> bool:
        """Whether a secret is older than its ttl."""
        entries = self._entries.values()
        return any(not e.is_absent and now - e.read_at >= e.lifetime.ttl for e in entries)

    def age(self, now: float) -> float:
        """Return the age of the oldest secret, in seconds."""
        known = (e.read_at for e in self._entries.values() if not e.is_absent)
        return now - min(known, default=now)

    def state(self, now: float, *, is_overdue: bool = False) -> State:
        """Return the state of the worst secret."""
        if now >= self.expires_at():
            return "expired"
        is_late = is_overdue or (self.is_spread and self.is_outdated(now))
        found: list[State] = ["stale" if is_late else "fresh"]
        found += ["invalid" for entry in self._entries.values() if entry.is_invalid]
        errors = [self._error, *(entry.error for entry in self._entries.values())]
        found += [
            "denied" if isinstance(error, _DENIALS) else "stale"
            for error in errors
            if error is not None
        ]
        return max(found, key=STATES.index)

    def error_of(self, key: SecretKey) -> Exception | None:
        """Return the error of one secret, if it has one."""
        entry = self._entries.get(key)
        return None if entry is None else entry.error

    def errors(self) -> dict[SecretKey, Exception]:
        """Return the error of each secret that has one; that of the vault itself counts for all."""
        found = {key: entry.error or self._error for key, entry in self._entries.items()}
        return {key: error for key, error in found.items() if error is not None}

    def error(self) -> Exception | None:
        """Return an error if there is one, that of the vault before that of a single secret."""
        found = [self._error, *(entry.error for entry in self._entries.values())]
        return next(filter(None, found), None)

    def _followed(self, keys: Iterable[SecretKey]) -> Iterator[tuple[SecretKey, _Entry]]:
        return ((key, entry) for key in keys if (entry := self._entries.get(key)))

    def _part(self) -> float:
        latest = SPREAD_LATEST if self.is_spread else LATEST
        return EARLIEST + (latest - EARLIEST) * self._random()


def backoff(failures: int, part: float, *, first: float = FIRST_BACKOFF) -> float:
    """Return the seconds to wait after so many failures; *part*, in [0, 1), is the jitter."""
    whole = min(first * 2.0 ** min(failures - 1, 30), LONGEST_BACKOFF)
    return whole / 2 + part * whole / 2


def asked_pause(error: Exception) -> float:
    """Return the seconds that the vault itself asks us to wait."""
    return (error.retry_after or 0.0) if isinstance(error, RateLimitedError) else 0.0
