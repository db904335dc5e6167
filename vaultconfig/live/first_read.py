"""The first read of a process that has been dormant: it waits, but not for long."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Final

from vaultconfig.live.listeners import running_loop
from vaultconfig.live.refresher import Refresher
from vaultconfig.live.worker import in_our_thread

LONGEST: Final = 2.0
"""Seconds that a read waits at most."""

_PAUSE: Final = 0.01  # seconds between two looks; not an Event, which has a lock inside


class FirstRead:
    """The wait of a process that has refreshed nothing for longer than a ttl, for one attempt.

    All its threads share that one wait, which is over after two seconds, or when the attempt has
    failed: then they get the last snapshot, until an attempt has succeeded.
    """

    def __init__(self) -> None:
        self._wait: tuple[int, float] | None = None
        self._waiting: set[int] = set()

    def begin(self, refresher: Refresher[Any], attempts: int) -> None:
        """Make reads wait for one more than *attempts*, if a secret is older than its ttl.

        Not where no attempt is going to be made now, as in the pause after one that has failed.
        """
        if self._wait is None and refresher.is_due() and refresher.is_outdated():
            self._wait = attempts, time.monotonic() + LONGEST

    def end(self) -> None:
        """Note that an attempt has succeeded, so that there may be another wait later on."""
        self._wait = None

    def is_due(self, refresher: Refresher[Any]) -> bool:
        """Whether a read has to wait."""
        if self._wait is None or refresher.is_ended:
            return False
        attempts, until = self._wait
        return refresher.attempts == attempts and time.monotonic() < until

    def wait(self, refresher: Refresher[Any]) -> None:
        """Wait, except in an event loop, in a background thread of ours, and in a nested call.

        A nested call is made by a signal handler that has interrupted the wait, or a refresh.
        """
        me = threading.get_ident()
        is_nested = me in self._waiting or refresher.is_refreshing_here
        if is_nested or in_our_thread() or running_loop():
            return
        try:
            self._waiting.add(me)
            while self.is_due(refresher):
                time.sleep(_PAUSE)
        finally:
            self._waiting.discard(me)

    async def wait_in_loop(self, refresher: Refresher[Any]) -> None:
        """Wait without blocking the event loop of asyncio; another kind does not wait."""
        while self.is_due(refresher) and running_loop() is not None:
            await asyncio.sleep(_PAUSE)
