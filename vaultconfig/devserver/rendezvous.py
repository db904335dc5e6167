"""Requests that wait until a test lets them go on, so that a race has a known winner."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future, InvalidStateError

from vaultconfig.devserver.faults import LoggedRequest


class Hold:
    """A gate for the requests that *glob* covers, closed until `release`."""

    def __init__(self, glob: str) -> None:
        self._glob = glob
        self._opened: Future[None] = Future()
        self._asked = threading.Semaphore(0)

    async def pass_through(self, request: LoggedRequest) -> None:
        """Wait, if *request* is one of those held, until the gate opens."""
        if self._opened.done() or not request.is_about(self._glob):
            return
        self._asked.release()
        await asyncio.wrap_future(self._opened)

    def wait_until_asked(self, times: int = 1, *, timeout: float = 10.0) -> None:
        """Return once *times* requests have arrived here; see `DevServer.wait_until_asked`."""
        for arrived in range(times):
            if not self._asked.acquire(timeout=timeout):
                raise TimeoutError(f"{arrived} of {times} requests for {self._glob} have arrived")

    def release(self) -> None:
        """Open the gate for good."""
        with contextlib.suppress(InvalidStateError):  # open already, or given up with its server
            self._opened.set_result(None)
