"""Knows the live settings of this process, without keeping them alive.

It tells them when the process forks or ends, and asks them for what the gauges show.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, ref

from vaultconfig.forks import in_forked_child
from vaultconfig.live.schedule import STATES
from vaultconfig.telemetry import Measured, observe

if TYPE_CHECKING:
    from vaultconfig.live.kept_fresh import KeptFresh


# By id, since a WeakSet that grows in another thread, or in a signal handler, can't be iterated
# over. Each use of this one is one step of the interpreter, so that it needs no lock.
_alive: WeakValueDictionary[int, KeptFresh[Any]] = WeakValueDictionary()


def follow(live: KeptFresh[Any]) -> None:
    """Tell *live* of forks, and of the end of the process, while others refer to it."""
    _alive[id(live)] = live


def _living() -> list[KeptFresh[Any]]:
    return [live for found in _alive.valuerefs() if (live := found()) is not None]


def close_when_ending(live: KeptFresh[Any]) -> None:
    """Close *live* when this process ends by itself, also if it is a child of a process pool.

    Such a child ends without `atexit`: multiprocessing has finalizers, and Celery a signal.
    """
    close = partial(_close, ref(live))
    multiprocessing, celery = map(sys.modules.get, ("multiprocessing.util", "celery.signals"))
    if multiprocessing is not None:
        multiprocessing.Finalize(live, close, exitpriority=10)
    if celery is not None:
        celery.worker_process_shutdown.connect(close, weak=False)


def _close(live: ref[KeptFresh[Any]], **_: object) -> None:
    found = live()
    if found is not None:
        found.close()


def others_use(vault: object) -> bool:
    """Whether requests to *vault* are made for any live settings of this process."""
    return any(live.uses(vault) for live in _living())


def _after_fork() -> None:
    for live in _living():
        live.after_fork()


def _close_all() -> None:
    for live in _living():
        live.close()


def _measured() -> Iterator[Measured]:
    for live in _living():
        with suppress(Exception):  # such as of an error of the application's that has no text
            if (measured := live.measured()) is not None:
                yield measured


in_forked_child("live settings", _after_fork)
observe(_measured, states=STATES)
atexit.register(_close_all)
