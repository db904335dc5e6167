"""Lets an event loop wait for a call that blocks. Knows no settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

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
    outcome: Future[R] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(has_ended.set)

    threading.Thread(target=copy_context().run, args=(run,), daemon=True).start()
    await has_ended.wait()
    return outcome.result()
