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
from random import random as any_random
from typing import Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.connection.environment import NOT_FOUND
from vaultconfig.errors import (
    SecretError,
    SettingFailure,
    UnresolvedSettingsError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.live.change import Change, changed_fields
from vaultconfig.live.health import Health, Outcome
from vaultconfig.live.loader import Loader, Reading, Snapshot
from vaultconfig.live.schedule import FIRST_BACKOFF, LONGEST_BACKOFF, OVERDUE, Schedule
from vaultconfig.live.worker import in_our_thread
from vaultconfig.loading.mistakes import described
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults import cache
from vaultconfig.vaults.vault import Vault

T = TypeVar("T", bound=BaseSettings)

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
    """The snapshot of one settings object, and what becomes of it.

    Attributes:
        snapshot: The newest; replaced in one step, never changed.
        is_loaded: Whether there is one.
        is_ended: Whether failures count no more, since our own end is behind them.
        expires_at: When it is too old to be served, in seconds of the clock.
        attempts: How often the vault has been asked, and has answered or failed.
        outcomes: Of the refreshes that no listener has been told of, in their order.
    """

    snapshot: Snapshot[T]

    def __init__(self, loader: Loader[T], seams: Seams) -> None:
        self.is_loaded = self.is_ended = False
        self.expires_at = -math.inf
        self.attempts = 0
        self.outcomes: deque[Outcome[T]] = deque()
        self._loader = loader
        self._seams = seams
        self._one_at_a_time = threading.RLock()  # a signal handler may come back in
        self._refreshing_thread: int | None = None
        self._is_asked_again = False
        self._schedule = Schedule(seams.random)
        self._hastened: deque[tuple[Mapping[str, int | None] | None, float]] = deque()
        self._announced: dict[SecretKey, int] = {}
        self._begun = 0
        self._last: tuple[int, Exception | None] = (0, None)

    @property
    def vault(self) -> Vault | None:
        """Whom the secrets are read from; None where none are."""
        return self.snapshot.vault if self.is_loaded else None

    @property
    def is_refreshing_here(self) -> bool:
        """Whether a refresh of this very thread is under way, which a signal has interrupted."""
        return self._refreshing_thread == threading.get_ident()

    def in_child(self) -> Refresher[T]:
        """Return what goes on from here in a forked child: same snapshot, locks of its own."""
        child = Refresher(self._loader, self._seams)
        child.is_ended, child.outcomes = self.is_ended, self.outcomes.copy()
        if self.is_loaded:
            child._begin(self.snapshot.in_child())
            child._schedule.failed(self._schedule.errors(), self._seams.clock())
            child._announced = self._announced.copy()
        return child

    def load(self) -> None:
        """Build the first snapshot.

        Raises:
            VaultConfigError: It can't be had.
            pydantic.ValidationError: The values do not fit.
        """
        self._begin(self._loader.build({}))

    def step(self) -> None:
        """Read what is due, if anything is."""
        with self._one_at_a_time:
            while self._hastened:
                news, at = self._hastened.popleft()
                followed = self._schedule.keys
                told = {SecretKey(path): version for path, version in (news or {}).items()}
                self._announced |= {k: v for k, v in told.items() if v and k in followed}
                self._schedule.hasten(self._keys_at(news), at)
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
        seen = self._begun
        with self._turn() as is_ours:
            if not is_ours:
                return VaultUnavailableError("another refresh of these settings has not ended")
            if self._last[0] > seen:
                return self._last[1]
            self._begun += 1
            error = self._refresh(self._schedule.keys)
            self._last = (self._begun, error)
            return error

    def catch_up(self, before: T) -> None:
        """Read everything now, unless there are newer settings than *before* already.

        In an outage, and while it has brought nothing lately, nothing is read.
        """
        if self._is_nested():
            return
        with self._turn() as is_ours:
            is_sensible = is_ours and self._schedule.may_ask(self._seams.clock())
            if self.snapshot.settings is not before or not is_sensible:
                return
            self._refresh(self._schedule.keys)
            if self.snapshot.settings is before:
                self._schedule.asked_in_vain(self._seams.clock())

    def paths(self) -> frozenset[str]:
        """Return the paths of the secrets that can change: all but those of a pinned version."""
        return frozenset(key.path for key in self.snapshot.readings if key.version is None)

    def shortest_ttl(self) -> float:
        """Return the shortest ttl of all secrets, in seconds; infinity without any."""
        lifetimes = self.snapshot.lifetimes.values()
        return min((lifetime.ttl for lifetime in lifetimes), default=math.inf)

    def hasten(self, news: Mapping[str, int | None] | None, at: float) -> None:
        """Have the next step read paths at *at*.

        Args:
            news: The paths, each with the version that the vault has announced, where it said
                so; None is every path.
            at: In seconds of the clock.
        """
        self._hastened.append((news, at))

    def next_at(self) -> float:
        """Return when something is due, in seconds of the clock; infinity if nothing ever is."""
        hastened = min((at for _, at in tuple(self._hastened)), default=math.inf)
        return min(self._schedule.next_at(), hastened)

    def overdue_at(self) -> float:
        """Return when a refresh that is due by then should be over."""
        return self.next_at() + OVERDUE

    def is_outdated(self) -> bool:
        """Whether a secret is older than its ttl."""
        return self._schedule.is_outdated(self._seams.clock())

    def health(self) -> Health:
        """Return how fresh the snapshot is."""
        now = self._seams.clock()
        error, next_at = self._schedule.error(), self.next_at()
        idle = self.is_ended or math.isinf(next_at)
        is_overdue = now >= self.overdue_at()
        overdue = f"the refresh is {now - next_at:.0f} s overdue" if is_overdue else None
        return Health(
            state=self._schedule.state(now, is_overdue=is_overdue),
            age=self._schedule.age(now),
            versions=self.snapshot.versions(),
            last_error=overdue if error is None else described(error),
            next_refresh=None if idle else max(0.0, next_at - now),
        )

    def _begin(self, snapshot: Snapshot[T]) -> None:
        """Take a first snapshot, in which `.env` may stand for what could not be had."""
        self._take(snapshot)
        answers = {key: reading.answer for key, reading in snapshot.readings.items()}
        # What is denied or does not exist was settled while it was built.
        lost = {
            key: answer
            for key, answer in answers.items()
            if not isinstance(answer, (Secret, SecretError))
        }
        self._schedule.failed(lost, self._seams.clock())

    def _take(self, snapshot: Snapshot[T]) -> None:
        self.snapshot = snapshot
        read_at = {key: reading.read_at for key, reading in snapshot.readings.items()}
        self._schedule.track(snapshot.lifetimes, read_at, self._seams.clock())
        self.expires_at = self._schedule.expires_at()
        self.is_loaded = True

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Wait for the refreshes of other threads to end, and yield whether they have.

        Not for ever: a signal handler may have interrupted what another thread's refresh waits
        for, such as the lock of a log handler.
        """
        lock = self._one_at_a_time
        try:
            yield lock.acquire(timeout=min(self.snapshot.deadline, LONGEST_BACKOFF))
        finally:  # also where a signal's exception comes right after the lock was taken
            if lock._is_owned():  # type: ignore[attr-defined]  # what Condition asks, too
                lock.release()

    def _is_nested(self) -> bool:
        """Whether this is inside a refresh of its own thread, which then reads once more."""
        self._is_asked_again |= self.is_refreshing_here
        return self.is_refreshing_here

    def _refresh(self, keys: Collection[SecretKey]) -> Exception | None:
        for _ in range(_MOST_ROUNDS):
            self._refreshing_thread, self._is_asked_again = threading.get_ident(), False
            try:
                error = self._attempt(keys)
            finally:
                self._refreshing_thread = None
            if not self._is_asked_again:
                return error
            keys = self._schedule.keys  # what the signal announced may be newer than our answer
        self.hasten(None, self._seams.clock() + FIRST_BACKOFF)
        return error

    def _attempt(self, keys: Collection[SecretKey]) -> Exception | None:
        vault, asked_at = self.snapshot.vault, self._seams.clock()
        if not keys or vault is None:
            return None
        old = self.snapshot.settings
        change: Change[T] | None = None
        error: Exception | None = None
        try:
            lifetimes = {key: self.snapshot.lifetimes[key] for key in keys}
            answers = vault.reread(
                lifetimes, deadline=self.snapshot.deadline, newest=self._newest(keys)
            )
            versions, error = self._settle(answers, asked_at)
            change = self._change_since(old, versions)
        except BaseException as caught:  # whatever it is, there has to be a next time
            if not isinstance(caught, Exception) and not in_our_thread():
                raise
            error = _without_frames(caught)
            if self.is_ended:
                return error
            self._schedule.unavailable(keys, error, self._seams.clock())
        self.attempts += 1
        self.outcomes.append(Outcome(change, error, self.health()))
        return error

    def _newest(self, keys: Collection[SecretKey]) -> dict[SecretKey, int]:
        """Return the newest version of each secret that we have had, or that was announced."""
        newest: dict[SecretKey, int] = {}
        for key in keys:
            held = self.snapshot.readings[key].answer
            # What was deleted meanwhile begins again with version 1.
            if isinstance(held, Secret) and not isinstance(self._schedule.error_of(key), NOT_FOUND):
                newest[key] = held.version
            newest[key] = max(newest.get(key, 0), self._announced.get(key, 0))
        return newest

    def _settle(
        self, answers: Mapping[SecretKey, SecretOrError], now: float
    ) -> tuple[Mapping[str, int], Exception | None]:
        """Take what the vault gave; what it did not give stays as it was.

        Returns:
            The versions of what has changed, and what went wrong.
        """
        known = self.snapshot.readings
        same = {key for key, answer in answers.items() if not _differs(known[key].answer, answer)}
        news = {
            key: answer for key, answer in answers.items() if key not in same and _is_news(answer)
        }
        lost: dict[SecretKey, Exception] = {
            key: answer
            for key, answer in answers.items()
            if isinstance(answer, VaultConfigError) and key not in same and key not in news
        }
        lost |= self._take_in({key: _reading(news[key], now) for key in news})
        taken = answers.keys() - lost.keys()
        for key in taken:
            self._announced.pop(key, None)
        self.snapshot = self.snapshot.renewed({key: _reading(answers[key], now) for key in taken})
        absent = {key for key in taken if not isinstance(answers[key], Secret)}
        self._schedule.succeeded(taken, now, absent=absent)
        self._schedule.failed(lost, self._seams.clock())
        self.expires_at = self._schedule.expires_at()
        changed = {key.path for key in news.keys() - lost.keys()}
        versions = {p: v for p, v in self.snapshot.versions().items() if p in changed}
        return versions, _summary(lost)

    def _take_in(self, news: Mapping[SecretKey, Reading]) -> dict[SecretKey, Exception]:
        """Swap the snapshot for one with *news* in it; return those that could not be taken."""
        lost: dict[SecretKey, Exception] = {}
        while news:
            try:
                snapshot = self._loader.build({**self.snapshot.readings, **news})
            except Exception as error:
                bad = _blamed(error.with_traceback(None), news)
            else:
                self._take(snapshot)
                break
            lost |= bad
            news = {key: reading for key, reading in news.items() if key not in bad}
        return lost

    def _change_since(self, old: T, versions: Mapping[str, int]) -> Change[T] | None:
        new = self.snapshot.settings
        fields = changed_fields(old, new) if new is not old else frozenset()
        if not fields:
            return None
        self._schedule.changed()
        return Change(fields, old, new, versions)

    def _keys_at(self, wanted: Collection[str] | None) -> list[SecretKey]:
        return [key for key in self._schedule.keys if wanted is None or key.path in wanted]


def _without_frames(caught: BaseException) -> Exception:
    """Return *caught* without its traceback; what ends programs is told of by its name."""
    if isinstance(caught, Exception):
        return caught.with_traceback(None)
    return VaultConfigError(f"{type(caught).__name__} was raised while the settings were refreshed")


def _reading(answer: SecretOrError, now: float) -> Reading:
    return Reading(answer, now if isinstance(answer, Secret) else None)


def _is_news(answer: SecretOrError) -> bool:
    """Whether settings can be built with it: a secret, or that an optional one has gone."""
    return isinstance(answer, (Secret, *NOT_FOUND))


def _differs(old: SecretOrError, new: SecretOrError) -> bool:
    if isinstance(old, Secret) and isinstance(new, Secret):
        return old.version != new.version or old.data != new.data
    # As little there as before is no news, but unreachable as before is still a failure.
    return type(old) is not type(new) or not isinstance(new, SecretError)


def _blamed(error: Exception, news: Mapping[SecretKey, Reading]) -> Mapping[SecretKey, Exception]:
    """Return what of *news* made *error*, with its own part of it; all, where nothing says."""
    failures = error.failures if isinstance(error, UnresolvedSettingsError) else ()
    errors = {f.error.path: f.error for f in failures if isinstance(f.error, SecretError)}
    blamed = {key: errors[key.path] for key in news if key.path in errors}
    return blamed or dict.fromkeys(news, error)


def _summary(problems: Mapping[SecretKey, Exception]) -> Exception | None:
    """Return the one exception that says everything."""
    errors = list({id(error): error for error in problems.values()}.values())
    failures = [
        SettingFailure(key.path, None, error)
        for key, error in problems.items()
        if isinstance(error, VaultConfigError)
    ]
    if len(errors) > 1 and len(failures) == len(problems):
        return UnresolvedSettingsError(failures)
    return errors[0] if errors else None
