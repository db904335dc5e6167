"""What keeps live settings fresh: the threads, and until when readers see which snapshot.

Nothing here is called by applications; what they call is in `settings`.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig import telemetry
from vaultconfig.errors import ConfigurationError, SettingsExpiredError, VaultConfigError
from vaultconfig.live.first_read import FirstRead
from vaultconfig.live.following import Following
from vaultconfig.live.listeners import Listeners
from vaultconfig.live.processes import close_when_ending, follow, others_use
from vaultconfig.live.refresher import Refresher, Seams
from vaultconfig.live.watcher import Watcher
from vaultconfig.live.worker import Worker, reject_late_patches
from vaultconfig.log import say
from vaultconfig.masking.redactor import Redactor

T = TypeVar("T", bound=BaseSettings)
LOOK: Final = 1.0
"""Seconds between two looks at a store, for what other processes have read."""

_LONGEST_CLOSE: Final = 0.9  # seconds
_NO_THREADS: Final = "the settings are not refreshed: the system starts no more threads"


class KeptFresh(ABC, Generic[T]):
    """Settings of one class with the threads that refresh them, once they are loaded.

    Args:
        settings_cls: The settings class.
        seams: What tests replace.
        arguments: Keywords for ``settings_cls()``.
    """

    def __init__(self, settings_cls: type[T], seams: Seams, arguments: Mapping[str, Any]) -> None:
        self._settings_cls = settings_cls
        self._seams = seams
        self._clock = seams.clock
        self._arguments = arguments
        self._listeners = Listeners[T]()
        self._redactor = Redactor()
        self._refresher = self._new_refresher()
        self._translation: Callable[[Any, VaultConfigError], VaultConfigError]
        self._translation = lambda _, error: error
        self._reset()
        follow(self)

    def _reset(self) -> None:
        """Reset to "not running": the next read of `current` starts the thread."""
        self._lock = threading.RLock()  # a signal handler may come back into it
        self._lacks_threads = False
        self._first_read = FirstRead()
        self._worker: Worker | None = None
        self._watcher: Watcher | None = None
        self._settings: T | None = None
        self._readable_until = -math.inf

    @abstractmethod
    def close(self) -> None:
        """Stop refreshing, for good; called when the process ends, too."""

    def uses(self, vault: object) -> bool:
        """Whether requests to *vault* are made for these settings."""
        return self._worker is not None and self._refresher.vault is vault

    def measured(self) -> telemetry.Measured | None:
        """Return what the gauges show: nothing before the first load, and once closed.

        It starts nothing, waits for nothing, and does not count as a read.
        """
        refresher = self._refresher
        if not refresher.is_loaded or refresher.is_ended:
            return None
        health = refresher.health()
        age = None if health.source is None else health.age  # no secret was read
        return telemetry.Measured(self._settings_cls.__name__, health.state, age, health.expires_in)

    def after_fork(self) -> None:
        """Begin anew in a forked child; called by the hook of the process."""
        self._refresher = self._refresher.in_child()
        self._listeners.after_fork()
        self._reset()

    def _new_refresher(self) -> Refresher[T]:
        following = Following(
            self._settings_cls, self._arguments, clock=self._clock, redactor=self._redactor
        )
        return Refresher(following, self._seams)

    def _current(self) -> T:
        self._require_loaded()
        self._wake_up()
        self._first_read.wait(self._refresher)
        if self._clock() < self._refresher.expires_at():
            return self._refresher.snapshot.settings
        health = self._refresher.health()
        raise self._translation(
            self,
            SettingsExpiredError(
                f"the settings are {health.age:.0f} s old, more than max_stale allows:"
                f" {health.last_error or 'they were not refreshed'}"
            ),
        )

    def _wake_up(self) -> None:
        """Start the threads that are needed, and let `current` take the short way."""
        with self._lock:
            refresher = self._refresher
            if refresher.vault is not None and not refresher.is_ended:
                try:
                    self._start_threads(refresher)
                    self._lacks_threads = False
                except RuntimeError:  # the next read tries again; this one is still served
                    if not self._lacks_threads:
                        say(logging.ERROR, _NO_THREADS)
                    self._lacks_threads = True
            self._listeners.go_on()
            self._expose()

    def _start_threads(self, refresher: Refresher[T]) -> None:
        """Start the threads that are missing, or that have died."""
        attempts = refresher.attempts  # before a thread that starts here makes one
        is_dormant = self._clock() >= refresher.overdue_at()
        if self._worker is None or not self._worker.is_alive:
            reject_late_patches()
            is_dormant = True
            self._worker = Worker(self._step, name="refresh", clock=self._clock)
            close_when_ending(self)
        if self._watcher is None or not self._watcher.is_alive:
            self._watcher = Watcher(refresher, self._seams)
        self._watcher.worker = self._worker
        if is_dormant:
            self._first_read.begin(refresher, attempts)
            self._worker.wake()  # after a sleep of the machine it would go on waiting

    def _expose(self) -> None:
        """Let `current` read the newest snapshot: set the settings first, then until when."""
        refresher = self._refresher
        self._settings = refresher.snapshot.settings
        self._readable_until = (
            -math.inf
            if self._lacks_threads or self._first_read.is_due(refresher)
            else min(refresher.expires_at(), refresher.overdue_at())
        )

    def _step(self) -> float:
        self._refresher.step()
        self._refresher.look()
        self._publish()
        self._wake_up()
        left = max(0.0, self._refresher.next_at() - self._clock())
        return min(left, LOOK) if self._refresher.store is not None else left

    def _publish(self) -> None:
        """Show readers, the log and the listeners what has been refreshed."""
        with self._lock:
            if not self._refresher.is_outdated():
                self._first_read.end()
            self._expose()
            while self._refresher.outcomes:
                outcome = self._refresher.outcomes.popleft()
                telemetry.count_refresh(self._settings_cls, failed=outcome.has_failed)
                self._listeners.tell(outcome)

    def _publish_and_wake(self) -> None:
        self._publish()
        with self._lock:
            if self._worker is not None:  # it may have to try again sooner than it was going to
                self._worker.wake()

    def _require_loaded(self) -> None:
        if not self._refresher.is_loaded:
            lifespan = "FastAPI(lifespan=vaultconfig.fastapi.lifespan(live))"
            instead = f", or write {lifespan}" if "fastapi" in sys.modules else ""
            raise self._translation(
                self,
                ConfigurationError(
                    f"the live settings of {self._settings_cls.__name__} have not been loaded:"
                    f" call start() first{instead}"
                ),
            )

    def _end_threads(self) -> None:
        until = time.monotonic() + _LONGEST_CLOSE
        with self._lock:
            watcher, worker = self._watcher, self._worker
            self._worker = self._watcher = None
        threads = [thread for thread in (watcher, worker) if thread is not None]
        for thread in threads:
            thread.end()
        if watcher is not None:  # it may be subscribing, and has to learn what to delete
            watcher.join(_LONGEST_CLOSE / 2)
        vault = self._refresher.vault
        if vault is not None and not others_use(vault):
            vault.close()  # which ends the requests under way, too
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
