"""Knows the live settings of this process, without keeping them alive.

It tells them when the process forks or ends, and asks them for what the gauges show.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary, ref

from vaultconfig.forks import in_forked_child
from vaultconfig.live.schedule import STATES
from vaultconfig.telemetry import Measured, observe


class Alive(Protocol):
    """Something with a thread that a forked child does not have."""

    def after_fork(self) -> None:
        """Begin anew in a child, which has only the thread that forked."""

    def close(self) -> None:
        """End threads and connections."""

    def uses(self, vault: object) -> bool:
        """Whether requests to *vault* are made for it."""

    def measured(self) -> Measured | None:
        """Return what the gauges show of it."""


# By id, since a WeakSet that grows in another thread, or in a signal handler, can't be iterated
# over. Each use of this one is one step of the interpreter, so that it needs no lock.
_alive: WeakValueDictionary[int, Alive] = WeakValueDictionary()


def follow(alive: Alive) -> None:
    """Tell *alive* of forks, and of the end of the process, while others refer to it."""
    _alive[id(alive)] = alive


def _living() -> list[Alive]:
    return [alive for found in _alive.valuerefs() if (alive := found()) is not None]


def close_when_ending(alive: Alive) -> None:
    """Close *alive* when this process ends by itself, also if it is a child of a process pool.

    Such a child ends without `atexit`: multiprocessing has finalizers, and Celery a signal.
    """
    close = partial(_close, ref(alive))
    multiprocessing, celery = map(sys.modules.get, ("multiprocessing.util", "celery.signals"))
    if multiprocessing is not None:
        multiprocessing.Finalize(alive, close, exitpriority=10)
    if celery is not None:
        celery.worker_process_shutdown.connect(close, weak=False)


def _close(alive: ref[Alive], **_: object) -> None:
    found = alive()
    if found is not None:
        found.close()


def others_use(vault: object) -> bool:
    """Whether requests to *vault* are made for any live settings of this process."""
    return any(alive.uses(vault) for alive in _living())


def _after_fork() -> None:
    for alive in _living():
        alive.after_fork()


def _close_all() -> None:
    for alive in _living():
        alive.close()


def _measured() -> Iterator[Measured]:
    for alive in _living():
        with suppress(Exception):  # such as of an error of the application's that has no text
            if (measured := alive.measured()) is not None:
                yield measured


in_forked_child("live settings", _after_fork)
observe(_measured, states=STATES)
atexit.register(_close_all)
