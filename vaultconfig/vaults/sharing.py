"""One request to the vault for all processes that share a store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from random import random
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from vaultconfig.errors import AuthenticationError, RateLimitedError, VaultUnavailableError
from vaultconfig.secret import SecretKey
from vaultconfig.store import entries
from vaultconfig.store.entries import News, Verdict
from vaultconfig.vaults.cache import Reading, SecretCache
from vaultconfig.vaults.lifetime import Lifetime

if TYPE_CHECKING:
    from vaultconfig.store.store import Note, Store

IsEnough: TypeAlias = Callable[[SecretKey, Reading], bool]

SHORT: Final = 2.0
"""Seconds that the vault gets where the store can serve everything."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.03, 0.3  # seconds between two looks at whose turn it is


class Ask(Protocol):
    """Asks the vault."""

    def __call__(
        self, keys: Collection[SecretKey], *, seconds: float, retry: bool
    ) -> Mapping[SecretKey, Reading]:
        """Ask for *keys*, within *seconds*.

        Raises:
            VaultConfigError: It gave nothing at all.
        """


class Sharing:
    """What the vaults of several processes give to one another by a store.

    Args:
        store: The store.
        cache: Of this process; what is found in the store goes there, too.
        older_since: When the vault first answered with an older version than before, by the cache's
            clock; what is found of that goes there, too.
    """

    def __init__(
        self, store: Store, cache: SecretCache, older_since: dict[SecretKey, float]
    ) -> None:
        self.store = store
        self._cache = cache
        self._older_since = older_since

    def bring(
        self,
        lifetimes: Mapping[SecretKey, Lifetime],
        *,
        is_enough: IsEnough,
        ask: Ask,
        deadline: float,
        is_refresh: bool = False,
        insists: bool = False,
    ) -> dict[SecretKey, Reading]:
        """Return readings that the store has, or another process brings meanwhile; else ask.

        Args:
            lifetimes: How long each may be served.
            is_enough: Whether a reading is new enough.
            ask: Asks the vault.
            deadline: Seconds for all of it.
            is_refresh: Whether the caller goes on with what it has if this fails.
            insists: Whether to ask although the vault was away a moment ago.

        Raises:
            VaultConfigError: The vault gave nothing at all, or can't be reached by others: then
                what may still be served is in the cache.
        """
        began = time.monotonic()
        readings: dict[SecretKey, Reading] = {}
        pause = _FIRST_PAUSE
        mark: bytes | None = None

        def due() -> list[SecretKey]:
            missing = [key for key in lifetimes if key not in readings]
            found = self.find({key: lifetimes[key] for key in missing})
            readings.update({k: reading for k, reading in found.items() if is_enough(k, reading)})
            return [key for key in missing if key not in readings]

        keys = due()
        try:
            while keys:
                look = self.store.look(keys)
                if mark is not None and look.mark != mark and not (keys := due()):
                    break
                mark = look.mark
                if look.note and not insists:
                    self._heed(look.note, keys, lifetimes)
                is_served = not is_refresh and self._can_serve(keys, lifetimes)
                seconds = min(SHORT, deadline) if is_served else deadline
                left = seconds - (time.monotonic() - began)
                # Where the store can't serve, half of the time is kept to ask for oneself.
                patience = left if is_served else left - seconds / 2
                with self.store.turn(keys, look) as is_ours:
                    if is_ours and not (keys := due()):  # the turn before has just ended
                        break
                    if is_ours or patience <= 0:
                        left = seconds - (time.monotonic() - began)
                        retry = not (is_served or is_refresh)
                        readings.update(self._asked(ask, keys, left, retry=retry))
                        break
                time.sleep(min(pause * (0.5 + random()), max(patience, 0.0)))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE)
        except VaultUnavailableError as error:
            # The process whose turn it was may have got an answer by now.
            missing, failure = due(), error.with_traceback(None)
            if missing and not (is_refresh and readings):
                raise
            now = self._cache.clock()  # a refresh takes what it got
            readings.update({key: Reading(failure, now) for key in missing})
        return readings

    def find(self, lifetimes: Mapping[SecretKey, Lifetime]) -> dict[SecretKey, Reading]:
        """Return what the store has; the newest of it and of what is known goes into the cache."""
        longest = {key: life.longest for key, life in lifetimes.items()}
        stored = self.store.read(longest)
        now = self._cache.clock()
        behind = now - self.store.clock()
        found: dict[SecretKey, Reading] = {}
        for key, entry in stored.items():
            read_at = min(entry.read_at + behind, now)  # by a clock that is ahead, it may be later
            reading = found[key] = Reading(entry.answer, read_at, is_stored=True)
            if entry.older_since is not None:
                self._older_since.setdefault(key, entry.older_since + behind)
            elif read_at > self._older_since.get(key, math.inf):
                self._older_since.pop(key, None)
            held = self._cache.get(key, max_age=math.inf)
            if held is None or is_newer(reading, held):
                self._cache.put(key, reading, keep=longest[key])
        return found

    def _heed(
        self, note: Note, keys: Collection[SecretKey], lifetimes: Mapping[SecretKey, Lifetime]
    ) -> None:
        """Raise, if what is known may be served for as long as *note* stands.

        Raises:
            VaultUnavailableError: It may, so the vault need not be asked.
        """
        if self._can_serve(keys, lifetimes, seconds=note.left):
            raise VaultUnavailableError(
                f"{note.reason} ({note.age:.0f} s ago, for all that share the store)"
            )

    def _can_serve(
        self,
        keys: Collection[SecretKey],
        lifetimes: Mapping[SecretKey, Lifetime],
        *,
        seconds: float = 0.0,
    ) -> bool:
        """Whether what is known may be served in *seconds*, too."""
        longest = {key: lifetimes[key].longest - seconds for key in keys}
        return all(self._cache.get(key, max_age=age) for key, age in longest.items())

    def tell(
        self,
        readings: Mapping[SecretKey, Reading],
        lifetimes: Mapping[SecretKey, Lifetime],
        *,
        max_stale: float,
    ) -> None:
        """Store what the vault has answered, which ends a bar, too.

        Args:
            readings: What it said.
            lifetimes: How long each may be served here.
            max_stale: Seconds for which another process may serve it.
        """
        self.store.is_barred = False
        behind = self._cache.clock() - self.store.clock()
        news: dict[SecretKey, News] = {}
        for key, reading in readings.items():
            answer, life = reading.answer, lifetimes[key]
            if isinstance(answer, Verdict) or (
                isinstance(answer, VaultUnavailableError) and key in self._older_since
            ):
                keep = max(life.longest, max_stale)
                news[key] = News(answer, reading.read_at - behind, ttl=life.ttl, keep=keep)
        if news:
            self.store.write(news)

    def _asked(
        self, ask: Ask, keys: Collection[SecretKey], seconds: float, *, retry: bool
    ) -> Mapping[SecretKey, Reading]:
        """Ask the vault; where it can't be reached, leave a note."""
        if seconds <= 0:
            raise VaultUnavailableError("the vault has not answered another process in time")
        try:
            return ask(keys, seconds=seconds, retry=retry)
        except VaultUnavailableError as error:
            pause = error.retry_after if isinstance(error, RateLimitedError) else None
            self.store.leave_note(str(error), seconds=pause or 0.0)
            raise
        except AuthenticationError:
            self.store.is_barred = True
            raise


def is_newer(reading: Reading, held: Reading) -> bool:
    """Whether *reading* replaces *held*."""
    return entries.is_newer(reading.answer, reading.read_at, than=held.answer, at=held.read_at)
