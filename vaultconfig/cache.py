"""Secrets with a lifetime, in memory only. Knows no vault: it is told what was read and when."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import RLock

from cachetools import TLRUCache

from vaultconfig.secret import Secret, SecretKey

now: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)
"""Seconds that only grow, also while the machine sleeps, where the system can tell."""


@dataclass(frozen=True, slots=True)
class CachedSecret:
    """A secret and when it was read, in seconds of the cache's clock."""

    secret: Secret
    read_at: float
    keep: float


class SecretCache:
    """What was read from one vault with one credential. Thread-safe; `repr` shows its size only."""

    def __init__(self, *, clock: Callable[[], float] = now) -> None:
        self.clock = clock
        self._lock = RLock()  # a signal handler may load while its thread holds it
        self._entries: MutableMapping[SecretKey, CachedSecret] = TLRUCache(
            maxsize=math.inf, ttu=_end_of_life, timer=clock
        )

    def __repr__(self) -> str:
        return f"<SecretCache of {len(self._entries)} secrets>"

    def put(self, key: SecretKey, secret: Secret, *, read_at: float, keep: float) -> None:
        """Remember *secret*, asked for at *read_at*, for *keep* seconds at the most."""
        with self._entered() as entries:
            entries[key] = CachedSecret(secret, read_at, keep)

    def get(self, key: SecretKey, *, max_age: float) -> CachedSecret | None:
        """Return what was read under *key* less than *max_age* seconds ago, if anything was."""
        with self._entered() as entries:
            entry = entries.get(key)
        if entry is None or self.clock() - entry.read_at >= max_age:
            return None
        return entry

    def forget(self, key: SecretKey) -> None:
        """Drop what was read under *key*, if anything was."""
        with self._entered() as entries:
            entries.pop(key, None)

    @contextmanager
    def _entered(self) -> Iterator[MutableMapping[SecretKey, CachedSecret]]:
        """Give the entries to one thread. A signal handler that interrupts it finds none."""
        with self._lock:
            entries = self._entries
            try:
                self._entries = {}  # cachetools' own are not to be used twice at once
                yield entries
            finally:
                self._entries = entries


def _end_of_life(_key: SecretKey, entry: CachedSecret, _now: float) -> float:
    return entry.read_at + entry.keep
