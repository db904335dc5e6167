"""Follows the vault: values that fit make a new snapshot, others are held back. No clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from vaultconfig.errors import NOT_FOUND, SecretError, VaultConfigError
from vaultconfig.live.loader import Snapshot, build
from vaultconfig.masking.redactor import Redactor
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults.cache import Reading

T = TypeVar("T", bound=BaseSettings)

TELL_AGAIN: Final = 3600.0
"""Seconds until a value that does not fit is reported again."""

_OF_VALUES: Final = (ValidationError, VaultConfigError)
"""What comes again for the same values. Another exception may have a cause outside of them."""

_OF_THE_SYSTEM: Final = (MemoryError, OSError)
"""What says nothing of the values."""


class _HeldBack(NamedTuple):
    """An answer that settings could not be built with.

    Attributes:
        answer: What the vault said.
        error: What was wrong with it.
        build: The number of the snapshot beside which it was tried.
        told_at: When it was last reported, in seconds of the clock.
    """

    answer: SecretOrError
    error: Exception
    build: int
    told_at: float


class Taken(NamedTuple):
    """What became of the answers to one refresh.

    Attributes:
        fresh: Those that are in use from now on, also where nothing has changed.
        changed: The secrets among them that have changed.
        held_back: Secrets whose new values do not fit, and why not.
        lost: Secrets that could not be read now, and why not; some of them may be fresh, too: what
            another process had read before an outage.
        news: The secrets of the latter two that have not been reported before.
    """

    fresh: Mapping[SecretKey, Reading]
    changed: Collection[SecretKey]
    held_back: Mapping[SecretKey, Exception]
    lost: Mapping[SecretKey, Exception]
    news: Collection[SecretKey]


class Following(Generic[T]):
    """The newest snapshot of the settings of one class.

    Args:
        settings_cls: Their class.
        arguments: Of the class.
        clock: That of the cache.
        redactor: Learns their values; none is needed.

    Attributes:
        snapshot: Replaced in one step, never changed.
        is_loaded: Whether there is one.
    """

    snapshot: Snapshot[T]

    def __init__(
        self,
        settings_cls: type[T],
        arguments: Mapping[str, Any],
        *,
        clock: Callable[[], float],
        redactor: Redactor | None = None,
    ) -> None:
        self.is_loaded = False
        self._settings_cls = settings_cls
        self._arguments = arguments
        self._clock = clock
        self._redactor = redactor or Redactor()
        self._builds = 0
        self._held_back: dict[SecretKey, _HeldBack] = {}

    def load(self) -> None:
        """Build the first snapshot.

        Raises:
            VaultConfigError: The settings can't be loaded.
            pydantic.ValidationError: The values do not fit.
        """
        self.snapshot = self._build()
        self.is_loaded = True

    def in_child(self) -> Following[T]:
        """Return the same in a forked child."""
        child = Following(
            self._settings_cls, self._arguments, clock=self._clock, redactor=self._redactor
        )
        child._builds, child._held_back = self._builds, self._held_back.copy()
        if self.is_loaded:
            child.snapshot, child.is_loaded = self.snapshot.in_child(), True
        return child

    def take(self, readings: Mapping[SecretKey, Reading], now: float) -> Taken:
        """Use the answers that fit; what they do not replace stays as it was."""
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
            if not isinstance(answer, Secret) or isinstance(error, _OF_THE_SYSTEM):
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
        lost |= {key: reading.outage for key, reading in fresh.items() if reading.outage}
        # The vault has answered, so the value in use instead of one that does not fit stays young.
        kept = {key: readings[key]._replace(answer=known[key].answer) for key in held_back}
        self.snapshot = self.snapshot.renewed(fresh | kept)
        return Taken(fresh, changed.keys() & fresh.keys(), held_back, lost, news | lost.keys())

    def _take_in(self, news: Mapping[SecretKey, Reading]) -> Mapping[SecretKey, Exception]:
        """Build and swap in a snapshot with *news*; return the secrets that do not fit, and why."""
        tried = {
            key: held.error
            for key, held in self._held_back.items()
            if held.build == self._builds and isinstance(held.error, _OF_VALUES)
            if key in news and not _differs(held.answer, news[key].answer)
        }
        if tried.keys() == news.keys():
            return tried
        problems: dict[SecretKey, Exception] = {}
        while news:
            try:
                self.snapshot = self._build(before=self.snapshot, news=news)
            except Exception as error:
                problems |= self.snapshot.blamed(error.with_traceback(None), news)
            else:
                self._builds += 1
                break
            news = {key: reading for key, reading in news.items() if key not in problems}
        return problems

    def _build(self, **of_before: Any) -> Snapshot[T]:
        return build(
            self._settings_cls,
            self._arguments,
            clock=self._clock,
            redactor=self._redactor,
            **of_before,
        )


def _differs(old: SecretOrError, new: SecretOrError) -> bool:
    if isinstance(old, Secret) and isinstance(new, Secret):
        return old.version != new.version or old.data != new.data
    # Still missing is unchanged, but still unreachable is another failure.
    return type(old) is not type(new) or not isinstance(new, SecretError)
