"""Keeps a snapshot of settings fresh, a step at a time; has no thread of its own.

Steps exclude one another; reading the snapshot takes no lock.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import random as any_random
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.errors import NOT_FOUND, SecretError, VaultConfigError, VaultUnavailableError
from vaultconfig.live.change import Change, changed_fields
from vaultconfig.live.following import Following, Taken
from vaultconfig.live.health import Health
from vaultconfig.live.loader import Snapshot
from vaultconfig.live.outcome import Outcome
from vaultconfig.live.schedule import FIRST_BACKOFF, LONGEST_BACKOFF, OVERDUE, Schedule
from vaultconfig.live.worker import in_our_thread
from vaultconfig.loading.descriptions import described
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults import cache
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.sharing import is_newer
from vaultconfig.vaults.vault import Vault

if TYPE_CHECKING:
    from vaultconfig.store.store import Store

T = TypeVar("T", bound=BaseSettings)
Read: TypeAlias = Callable[[Collection[SecretKey]], Mapping[SecretKey, Reading]]

_SPREAD = "the store can't be used, so a refresh may take up to 3 ttls"
_MOST_ROUNDS = 3  # of one refresh that signal handlers ask to read once more


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests replace.

    Attributes:
        clock: Seconds that only grow; that of the cache of secrets.
        random: Gives a number in [0, 1).
    """

    clock: Callable[[], float] = cache.now
    random: Callable[[], float] = any_random


class Refresher(Generic[T]):
    """Refreshes the snapshot of one settings object.

    Args:
        following: Holds the snapshot.
        seams: Clock and randomness.

    Attributes:
        is_ended: Whether it has been closed, which may be why a request failed.
        attempts: How often the vault has been asked, and has answered or failed.
        outcomes: Of the refreshes that the listeners do not know yet, in their order.
    """

    def __init__(self, following: Following[T], seams: Seams) -> None:
        self.is_ended = False
        self.attempts = 0
        self.outcomes: deque[Outcome[T]] = deque()
        self._following = following
        self._seams = seams
        self._one_at_a_time = threading.RLock()  # a signal handler may come back in
        self._refreshing_thread: int | None = None
        self._is_asked_again = False
        self._schedule = Schedule(seams.random)
        # News, when to read them, and when they were heard.
        self._hastened: deque[tuple[Mapping[str, int | None] | None, float, float]] = deque()
        self._announced: dict[SecretKey, int] = {}
        self._begun = 0
        self._last: tuple[int, Exception | None] = (0, None)
        self._lost_at: dict[SecretKey, float] = {}  # when those were read that could not be had
        self._mark: bytes | None = None  # of the store, when it was looked at last

    @property
    def snapshot(self) -> Snapshot[T]:
        """The newest; replaced in one step, never changed."""
        return self._following.snapshot

    @property
    def is_loaded(self) -> bool:
        """Whether there is one."""
        return self._following.is_loaded

    @property
    def vault(self) -> Vault | None:
        """The vault that the secrets are read from; None where there are no secrets."""
        return self.snapshot.vault if self.is_loaded else None

    @property
    def store(self) -> Store | None:
        """What other processes read and write, too; None where there is none."""
        return None if self.vault is None else self.vault.store

    @property
    def is_refreshing_here(self) -> bool:
        """Whether a refresh of this very thread is under way, which a signal has interrupted."""
        return self._refreshing_thread == threading.get_ident()

    def in_child(self) -> Refresher[T]:
        """Return the same for a forked child, with locks of its own."""
        child = Refresher(self._following.in_child(), self._seams)
        child.is_ended, child.outcomes = self.is_ended, self.outcomes.copy()
        if self.is_loaded:
            child._follow_snapshot()
            child._schedule.inherit(self._schedule, self._seams.clock())
            child._announced = self._announced.copy()
            child._lost_at = self._lost_at.copy()
        return child

    def load(self) -> None:
        """Build the first snapshot.

        Raises:
            VaultConfigError: The settings can't be loaded.
            pydantic.ValidationError: The values do not fit.
        """
        self._following.load()
        self._follow_snapshot()

    def step(self) -> None:
        """Read what is due, if anything is."""
        with self._one_at_a_time:
            while self._hastened:
                news, at, since = self._hastened.popleft()
                followed = self._schedule.keys
                told = {SecretKey(path): version for path, version in (news or {}).items()}
                self._announced |= {k: v for k, v in told.items() if v and k in followed}
                keys = followed if news is None else [k for k in followed if k.path in news]
                self._schedule.hasten(keys, at, since=since)
            self._refresh(self._schedule.due(self._seams.clock()))

    def refresh(self) -> Exception | None:
        """Read everything now, or share in a refresh that another thread begins meanwhile.

        In a signal handler that has interrupted a refresh of its own thread it returns at once,
        and has that one read once more.

        Returns:
            What went wrong, if anything did.
        """
        if self._is_nested():
            return None
        seen, asked_at = self._begun, self._seams.clock()
        with self._turn() as is_ours:
            if not is_ours:
                return VaultUnavailableError("another refresh of these settings has not ended")
            if self._last[0] > seen:
                return self._last[1]
            self._begun += 1
            read = partial(self._reread, insists=True)
            error = self._refresh(self._all_since(asked_at), read)
            self._last = (self._begun, error)
            return error

    def catch_up(self, before: T) -> None:
        """Read everything now, unless there are newer settings than *before* already.

        In an outage, and while it has brought nothing lately, nothing is read; nor once closed.
        """

        def makes_sense() -> bool:
            is_newest = self.snapshot.settings is before
            return is_newest and self._schedule.may_ask(self._seams.clock())

        asked_at = self._seams.clock()
        # Before it waits for another refresh, too, which in an outage may take the whole deadline.
        if self._is_nested() or self.is_ended or not makes_sense():
            return
        with self._turn(0.0 if self._schedule.is_away else LONGEST_BACKOFF) as is_ours:
            if not is_ours or not makes_sense():
                return
            self._refresh(self._all_since(asked_at))
            if self.snapshot.settings is before:
                self._schedule.asked_in_vain(self._seams.clock())

    def take(self, readings: Mapping[SecretKey, Reading]) -> None:
        """Use what other processes have read, as if it had been read here.

        Only what is newer than what is held counts, and no version that is older than one that was
        read or announced here.
        """

        def newer(_: object) -> dict[SecretKey, Reading]:
            # In the refresh itself: a signal handler may have made one of its own before.
            held = self.snapshot.readings
            found = {
                key: reading
                for key, reading in readings.items()
                if key in held and is_newer(reading, held[key])
                if reading.read_at > self._lost_at.get(key, -math.inf)
            }
            newest = self._newest(found)
            return {k: reading for k, reading in found.items() if not reading.goes_back(newest[k])}

        with self._one_at_a_time:
            if not self.is_ended:
                self._refresh(readings.keys(), newer)

    def look(self) -> None:
        """Take what other processes have stored; while there is no store, put off what is due.

        It costs one small read of the store, if nothing is new.
        """
        vault, store, snapshot = self.vault, self.store, self.snapshot
        if vault is None or store is None:
            return
        self._mark, news = vault.news(snapshot.readings, snapshot.lifetimes, self._mark)
        self._schedule.spread(self._seams.clock(), is_needed=store.is_away)
        if news:
            self.take(news)

    def paths(self) -> frozenset[str]:
        """Return the paths of the secrets that can change: all but those of a pinned version."""
        return frozenset(key.path for key in self.snapshot.readings if key.version is None)

    def versions_read(self) -> dict[str, int]:
        """Return the versions in use, by path, of the secrets that could be read the last time."""
        failed = {key.path for key in self._schedule.keys if self._schedule.error_of(key)}
        return {p: v for p, v in self.snapshot.versions().items() if p not in failed}

    def shortest_ttl(self) -> float:
        """Return the shortest ttl of all secrets, in seconds; infinity without any."""
        lifetimes = self.snapshot.lifetimes.values()
        return min((lifetime.ttl for lifetime in lifetimes), default=math.inf)

    def hasten(
        self, news: Mapping[str, int | None] | None, at: float, *, since: float | None = None
    ) -> None:
        """Have the next step read paths at *at*.

        Args:
            news: The paths, each with the version that the vault has announced, where it said
                so; None is every path.
            at: In seconds of the clock.
            since: When they were announced, likewise: what another process has read after that
                will do. By default now.
        """
        self._hastened.append((news, at, self._seams.clock() if since is None else since))

    def next_at(self) -> float:
        """Return when something is due, in seconds of the clock; infinity if nothing ever is."""
        hastened = min((at for _, at, _ in tuple(self._hastened)), default=math.inf)
        return min(self._schedule.next_at(), hastened)

    def expires_at(self) -> float:
        """Return when the snapshot is too old to be served, in seconds of the clock."""
        return self._schedule.expires_at()

    def overdue_at(self) -> float:
        """Return when a refresh that is due by then should be over."""
        return self.next_at() + OVERDUE

    def is_due(self) -> bool:
        """Whether the next step is going to read something."""
        return self.next_at() <= self._seams.clock()

    @property
    def is_away(self) -> bool:
        """Whether the vault did not answer when it was asked last."""
        return self._schedule.is_away

    def is_outdated(self) -> bool:
        """Whether a secret is older than its ttl."""
        return self._schedule.is_outdated(self._seams.clock())

    def health(self) -> Health:
        """Return how fresh the snapshot is."""
        now, snapshot = self._seams.clock(), self.snapshot
        error, next_at, expires_at = self._schedule.error(), self.next_at(), self.expires_at()
        idle = self.is_ended or math.isinf(next_at)
        is_overdue = now >= self.overdue_at()
        overdue = f"the refresh is {now - next_at:.0f} s overdue" if is_overdue else None
        if self._schedule.is_spread and self.is_outdated():
            overdue = overdue or _SPREAD
        return Health(
            state=self._schedule.state(now, is_overdue=is_overdue),
            age=self._schedule.age(now),
            versions=snapshot.versions(),
            last_error=overdue if error is None else described(error),
            next_refresh=None if idle else max(0.0, next_at - now),
            expires_in=None if math.isinf(expires_at) else expires_at - now,
            source=snapshot.source(now),
        )

    def _follow_snapshot(self) -> None:
        """Follow the secrets of the snapshot, and note which of the new ones could not be read.

        Something stands in for those: `.env`, or what was read before an outage.
        """
        readings, now = self.snapshot.readings, self._seams.clock()
        new = readings.keys() - set(self._schedule.keys)
        read_at = {key: reading.read_at for key, reading in readings.items()}
        self._schedule.track(self.snapshot.lifetimes, read_at, now, absent=_absent(readings))
        # What is denied or does not exist was settled while the snapshot was built.
        problems = {
            key: reading.outage
            if isinstance(reading.answer, Secret | SecretError)
            else reading.answer
            for key, reading in readings.items()
        }
        lost = {key: problem for key, problem in problems.items() if problem and key in new}
        self._schedule.failed(lost, now)

    @contextmanager
    def _turn(self, longest: float = LONGEST_BACKOFF) -> Iterator[bool]:
        """Wait for the refreshes of other threads to end, and yield whether they have.

        Not for ever: a signal handler may have interrupted what another thread's refresh waits
        for, such as the lock of a log handler.
        """
        lock = self._one_at_a_time
        try:
            yield lock.acquire(timeout=min(self.snapshot.deadline, longest))
        finally:  # also where a signal's exception comes right after the lock was taken
            if lock._is_owned():  # type: ignore[attr-defined]  # what Condition asks, too
                lock.release()

    def _is_nested(self) -> bool:
        """Whether this is inside a refresh of its own thread, which then reads once more."""
        self._is_asked_again |= self.is_refreshing_here
        return self.is_refreshing_here

    def _all_since(self, asked_at: float) -> list[SecretKey]:
        """Return all secrets; from now on no reading counts that is from before *asked_at*."""
        self._schedule.hasten(self._schedule.keys, math.inf, since=asked_at)
        return self._schedule.keys

    def _refresh(self, keys: Collection[SecretKey], read: Read | None = None) -> Exception | None:
        for _ in range(_MOST_ROUNDS):
            self._refreshing_thread, self._is_asked_again = threading.get_ident(), False
            try:
                error = self._attempt(keys, read or self._reread)
            finally:
                self._refreshing_thread = None
            if not self._is_asked_again:
                return error
            # What the signal announced may be newer than our answer.
            keys, read = self._all_since(self._seams.clock()), None
        self.hasten(None, self._seams.clock() + FIRST_BACKOFF)
        return error

    def _reread(
        self, keys: Collection[SecretKey], *, insists: bool = False
    ) -> Mapping[SecretKey, Reading]:
        """Read *keys* in one attempt: from the vault, or what another process has since read."""
        snapshot = self.snapshot
        if snapshot.vault is None or not keys:
            return {}
        held = {key: snapshot.readings[key] for key in keys}
        # What was lost is not news, however much newer it is than what is held.
        since = {k: max(r.read_at, self._lost_at.get(k, -math.inf)) for k, r in held.items()}
        return snapshot.vault.reread(
            {key: snapshot.lifetimes[key] for key in keys},
            deadline=snapshot.deadline,
            newest=self._newest(keys),
            held=held,
            since=since | self._schedule.since(keys),
            insists=insists,
        )

    def _attempt(self, keys: Collection[SecretKey], read: Read) -> Exception | None:
        old = self.snapshot.settings
        change: Change[T] | None = None
        told: Exception | None
        try:
            readings = read(keys)
            if not readings:
                return None
            taken = self._settle(readings)
            problems = {**taken.lost, **taken.held_back}
            error = self.snapshot.summary(problems)
            told = self.snapshot.summary({key: problems[key] for key in taken.news})
            change = self._change_since(old, taken.changed)
        except BaseException as caught:  # whatever it is, there has to be a next time
            if isinstance(caught, Exception):
                error = caught.with_traceback(None)
            elif in_our_thread():
                name = type(caught).__name__
                error = VaultConfigError(f"{name} was raised while the settings were refreshed")
            else:
                raise
            told = error
            if self.is_ended:
                return error
            self._schedule.unavailable(keys, error, self._seams.clock())
        self.attempts += 1
        self.outcomes.append(Outcome(change, told, error is not None, self.health()))
        return error

    def _newest(self, keys: Collection[SecretKey]) -> dict[SecretKey, int]:
        """Return the newest version of each secret that was read or announced."""
        newest: dict[SecretKey, int] = {}
        for key in keys:
            # What was deleted meanwhile begins again with version 1.
            is_gone = isinstance(self._schedule.error_of(key), NOT_FOUND)
            held = 0 if is_gone else self.snapshot.readings[key].version
            newest[key] = max(held, self._announced.get(key, 0))
        return newest

    def _settle(self, readings: Mapping[SecretKey, Reading]) -> Taken:
        now = self._seams.clock()
        taken = self._following.take(readings, now)
        for key in taken.fresh.keys() | taken.held_back.keys():
            self._announced.pop(key, None)
            self._lost_at.pop(key, None)
        self._lost_at |= {key: readings[key].read_at for key in taken.lost}
        self._follow_snapshot()
        read_at = {key: reading.read_at for key, reading in readings.items()}
        fresh = {key: read_at[key] for key in taken.fresh}
        has_answered = not all(reading.is_stored for reading in readings.values())
        self._schedule.succeeded(fresh, now, absent=_absent(taken.fresh), has_answered=has_answered)
        self._schedule.rejected(taken.held_back, read_at, now)
        self._schedule.failed(taken.lost, now)
        return taken

    def _change_since(self, old: T, changed: Collection[SecretKey]) -> Change[T] | None:
        new, paths = self.snapshot.settings, {key.path for key in changed}
        fields = changed_fields(old, new) if new is not old else frozenset()
        if not fields:
            return None
        self._schedule.changed()
        versions = {p: v for p, v in self.snapshot.versions().items() if p in paths}
        return Change(fields, old, new, versions)


def _absent(readings: Mapping[SecretKey, Reading]) -> set[SecretKey]:
    """Return the secrets that do not exist, or have not been read yet."""
    return {key for key, reading in readings.items() if not isinstance(reading.answer, Secret)}
