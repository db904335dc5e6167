"""Follows the vault: takes into a snapshot what fits, and holds back what does not. No clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from vaultconfig.connection.environment import NOT_FOUND
from vaultconfig.errors import SecretError, VaultConfigError
from vaultconfig.live.loader import Snapshot, build
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults.cache import Reading

T = TypeVar("T", bound=BaseSettings)

TELL_AGAIN: Final = 3600.0
"""Seconds after which it is told once more that a value does not fit."""

# Whatever else a class raises may be no fault of the value, and may not come again.
_OF_VALUES: Final = (ValidationError, VaultConfigError)


class _HeldBack(NamedTuple):
    """An answer that settings could not be built with.

    Attributes:
        answer: What the vault said.
        error: What was wrong with it.
        build: The number of the snapshot beside which it was tried.
        told_at: When that was told, in seconds of the clock.
    """

    answer: SecretOrError
    error: Exception
    build: int
    told_at: float


class Taken(NamedTuple):
    """What became of the answers to one refresh.

    Attributes:
        fresh: Those that the settings now have, with what has not changed among them.
        changed: Those that have.
        held_back: Secrets whose new values do not fit.
        lost: What could not be had.
        news: What of the latter two has not been told before.
    """

    fresh: Mapping[SecretKey, Reading]
    changed: Collection[SecretKey]
    held_back: Mapping[SecretKey, Exception]
    lost: Mapping[SecretKey, Exception]
    news: Collection[SecretKey]


class Following(Generic[T]):
    """The newest snapshot of the settings of one class.

    Attributes:
        snapshot: Replaced in one step, never changed.
        is_loaded: Whether there is one.
    """

    snapshot: Snapshot[T]

    def __init__(
        self, settings_cls: type[T], arguments: Mapping[str, Any], *, clock: Callable[[], float]
    ) -> None:
        self.is_loaded = False
        self._settings_cls = settings_cls
        self._arguments = arguments
        self._clock = clock
        self._builds = 0
        self._held_back: dict[SecretKey, _HeldBack] = {}

    def load(self) -> None:
        """Build the first snapshot.

        Raises:
            VaultConfigError: It can't be had.
            pydantic.ValidationError: The values do not fit.
        """
        self.snapshot = build(self._settings_cls, self._arguments, clock=self._clock)
        self.is_loaded = True

    def in_child(self) -> Following[T]:
        """Return the same in a forked child."""
        child = Following(self._settings_cls, self._arguments, clock=self._clock)
        child._builds, child._held_back = self._builds, self._held_back.copy()
        if self.is_loaded:
            child.snapshot, child.is_loaded = self.snapshot.in_child(), True
        return child

    def take(self, readings: Mapping[SecretKey, Reading], now: float) -> Taken:
        """Take what the vault gave; what it did not give, or does not fit, stays as it was."""
        known = self.snapshot.readings
        fresh: dict[SecretKey, Reading] = {}
        changed: dict[SecretKey, Reading] = {}
        lost: dict[SecretKey, Exception] = {}
        for key, reading in readings.items():
            if not _differs(known[key].answer, reading.answer):
                fresh[key] = reading
                self._held_back.pop(key, None)
            elif isinstance(reading.answer, (Secret, *NOT_FOUND)):
                changed[key] = reading
            else:
                lost[key] = reading.answer
        problems = self._take_in(changed)
        held_back: dict[SecretKey, Exception] = {}
        news: set[SecretKey] = set()
        for key, reading in changed.items():
            before, answer = self._held_back.pop(key, None), reading.answer
            if key not in problems:
                fresh[key] = reading
                continue
            error = problems[key]
            if not isinstance(answer, Secret) or not isinstance(error, _OF_VALUES):
                lost[key] = error if isinstance(answer, Secret) else answer
                continue
            told_at = -math.inf
            if before is not None and not _differs(before.answer, answer):
                told_at = before.told_at
            if now - told_at >= TELL_AGAIN:
                news.add(key)
                told_at = now
            held_back[key] = error
            self._held_back[key] = _HeldBack(answer, error, self._builds, told_at)
        # The vault has answered: what is in use instead of a value that does not fit does not age.
        kept = {key: known[key]._replace(read_at=now) for key in held_back}
        self.snapshot = self.snapshot.renewed(fresh | kept)
        return Taken(fresh, changed.keys() & fresh.keys(), held_back, lost, news | lost.keys())

    def _take_in(self, news: Mapping[SecretKey, Reading]) -> Mapping[SecretKey, Exception]:
        """Swap the snapshot for one with *news* in it; return what does not fit, and why not."""
        tried = {
            key: held.error
            for key, held in self._held_back.items()
            if held.build == self._builds
            if key in news and not _differs(held.answer, news[key].answer)
        }
        if tried.keys() == news.keys():
            return tried
        problems: dict[SecretKey, Exception] = {}
        while news:
            try:
                self.snapshot = build(
                    self._settings_cls,
                    self._arguments,
                    clock=self._clock,
                    before=self.snapshot,
                    news=news,
                )
            except Exception as error:
                problems |= self.snapshot.blamed(error.with_traceback(None), news)
            else:
                self._builds += 1
                break
            news = {key: reading for key, reading in news.items() if key not in problems}
        return problems


def _differs(old: SecretOrError, new: SecretOrError) -> bool:
    if isinstance(old, Secret) and isinstance(new, Secret):
        return old.version != new.version or old.data != new.data
    # As little there as before is no news, but unreachable as before is still a failure.
    return type(old) is not type(new) or not isinstance(new, SecretError)
