"""Calls that block, in threads of their own. Knows no settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from vaultconfig.latch import Latch

R = TypeVar("R")


async def in_daemon_thread(call: Callable[[], R]) -> R:
    """Run *call* in a daemon thread, with a copy of this context, and return what it returns.

    Not in the executor of the loop: that has few threads, which look up names too, and Ctrl-C
    would wait for them. Cancelling returns at once; *call* then runs to its end, and its outcome
    is dropped.

    Raises:
        BaseException: What *call* raised.
    """
    loop = asyncio.get_running_loop()
    has_ended = asyncio.Event()

    def end() -> None:
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(has_ended.set)

    outcome = _started(call, end)
    await has_ended.wait()
    return outcome.result()


def within(seconds: float, call: Callable[[], R]) -> R:
    """Run *call* in a daemon thread, and return what it returns if that takes up to *seconds*.

    For what takes no time-out of its own. If it takes longer, the thread goes on, and its outcome
    is dropped.

    Raises:
        TimeoutError: It took longer.
        BaseException: What *call* raised; RuntimeError where the system has no more threads.
    """
    is_over = Latch()
    outcome = _started(call, is_over.open)
    if not is_over.wait(seconds):
        raise TimeoutError
    return outcome.result()


def _started(call: Callable[[], R], end: Callable[[], None]) -> Future[R]:
    """Run *call*, and *end* after it, in a daemon thread; return where its outcome will be."""
    outcome: Future[R] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)
        end()

    threading.Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return outcome
