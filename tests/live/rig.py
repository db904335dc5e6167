"""What the tests of live settings share: a clock of their own, and waiting for what happens."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

from vaultconfig import LiveSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError
from vaultconfig.live.refresher import Refresher

T = TypeVar("T")
Load: TypeAlias = Callable[..., Refresher[Any]]


class Clock:
    """Seconds that stand still until they are advanced."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Ahead:
    """The clock of the system, which a test can put forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


LONG: Final = 60.0
"""Seconds after which a test that waits has failed; a busy machine takes no longer."""

VERY_LONG: Final = 600.0
"""Seconds of a wait that must not be: a test that ran into it would have failed before."""


def eventually(condition: Callable[[], Any]) -> None:
    """Return once *condition* holds; fail when it never does."""
    until = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def without_waiting(function: Callable[[], T]) -> T:
    """Return what *function* does, in a thread; fail when it waits for what takes very long."""
    done: SimpleQueue[T] = SimpleQueue()
    threading.Thread(target=lambda: done.put(function()), daemon=True).start()
    return done.get(timeout=LONG)


def heard(live: LiveSettings[Any]) -> None:
    """Return once the listeners have been told of all there is; they run beside the refresh."""
    eventually(lambda: not live._listeners._news)


def reads(vault: DevServer) -> list[tuple[str, ...]]:
    """Return the paths of each read that the vault was asked for."""
    asked = [r for r in vault.requests if r.path.startswith("/v1/secrets")]
    return [tuple(sorted(request.secrets)) for request in asked]


def reasons(error: BaseException | None) -> list[type[Exception]]:
    """Return the types of the errors in an `UnresolvedSettingsError`."""
    assert isinstance(error, UnresolvedSettingsError)
    return [type(failure.error) for failure in error.failures]


def followed(vault: DevServer) -> int:
    """Return how many subscriptions have been polled, so that their processes know of them."""
    return len({r.path for r in vault.requests if r.path.endswith("/poll")})


def sockets_of(pid: int | str = "self") -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    found: set[str] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:  # closed since
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
