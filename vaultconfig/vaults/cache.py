"""Secrets with a lifetime, in memory only. Knows no vault: it is told what was read and when."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import NamedTuple

from cachetools import TLRUCache

from vaultconfig.errors import VaultConfigError
from vaultconfig.secret import Secret, SecretKey, SecretOrError

now: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)
"""Seconds that only grow, also while the machine sleeps, where the system can tell."""


class Reading(NamedTuple):
    """What the vault said of a secret, and when.

    Attributes:
        answer: The secret, or an error.
        read_at: When the vault was asked, in seconds of `now`.
        is_stored: Whether another process asked, and this comes from the store.
        outage: Why there is nothing newer, where it was served past its ttl.
    """

    answer: SecretOrError
    read_at: float
    is_stored: bool = False
    outage: VaultConfigError | None = None

    @property
    def version(self) -> int:
        """The version of the secret; 0 where there is none."""
        return self.answer.version if isinstance(self.answer, Secret) else 0

    def goes_back(self, newest: int) -> bool:
        """Whether it is a secret of an older version than *newest*."""
        return isinstance(self.answer, Secret) and self.answer.version < newest


class _Entry(NamedTuple):
    reading: Reading
    keep: float


class SecretCache:
    """What was read from one vault with one credential. Thread-safe; `repr` shows its size only.

    Nothing in here waits. A signal handler may come in wherever its thread is, and another thread
    may be waiting for what that thread has: a lock that both take would end in a deadlock.
    """

    def __init__(self, *, clock: Callable[[], float] = now) -> None:
        self.clock = clock
        self._entries: dict[SecretKey, _Entry] = {}
        self._ends: TLRUCache[SecretKey, _Entry] = TLRUCache(
            maxsize=math.inf, ttu=_end_of_life, timer=clock
        )
        self._tidying = Lock()

    def __repr__(self) -> str:
        return f"<SecretCache of {len(self._entries)} secrets>"

    def put(self, key: SecretKey, reading: Reading, *, keep: float) -> None:
        """Remember *reading* for *keep* seconds at most."""
        entry = self._entries[key] = _Entry(reading, keep)
        # Else another thread is tidying, or this one, and a signal has interrupted it.
        if self._tidying.acquire(blocking=False):
            try:
                self._tidy(key, entry)
            finally:
                self._tidying.release()

    def get(self, key: SecretKey, *, max_age: float) -> Reading | None:
        """Return what was read under *key* less than *max_age* seconds ago, if anything was."""
        entry = self._entries.get(key)
        if entry is None or self.clock() - entry.reading.read_at >= min(max_age, entry.keep):
            return None
        return entry.reading

    def forget(self, key: SecretKey) -> None:
        """Drop what was read under *key*, if anything was."""
        self._entries.pop(key, None)

    def _tidy(self, key: SecretKey, entry: _Entry) -> None:
        """Drop what is not to be served any more, and note when *entry* will not be."""
        for old, ended in self._ends.expire():
            if self._entries.get(old) is ended:
                self._entries.pop(old, None)
        self._ends[key] = entry


def _end_of_life(_key: SecretKey, entry: _Entry, _now: float) -> float:
    return entry.reading.read_at + entry.keep
