"""A blocking call, awaited by an event loop."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from vaultconfig.threads import in_daemon_thread

number: ContextVar[int] = ContextVar("number")


def run(make):
    return asyncio.run(make())


def test_it_returns_what_the_call_returns_and_shows_it_the_context():
    """The call sees the context variables of the task, in another thread, a daemon."""

    async def main():
        number.set(5)
        return await in_daemon_thread(lambda: (number.get(), threading.current_thread()))

    seen, thread = run(main)
    assert seen == 5
    assert thread is not threading.main_thread()
    assert thread.daemon


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_it_raises_what_the_call_raises(kind):
    """Whatever kind of exception it is, the task gets it."""

    async def main():
        with pytest.raises(kind):
            await in_daemon_thread(lambda: (_ for _ in ()).throw(kind("no")))

    run(main)


def test_a_stop_iteration_does_not_leave_the_task_waiting():
    """A future can't hold a StopIteration; a coroutine turns it into a RuntimeError."""

    async def main():
        with pytest.raises(RuntimeError):
            await in_daemon_thread(lambda: next(iter(())))

    run(main)


def test_cancelling_returns_at_once_and_what_the_call_does_later_is_dropped():
    """The task ends while the call is still held, and the loop hears no more of it."""
    held, ended = threading.Event(), threading.Event()

    def call():
        held.wait()
        ended.set()

    async def main():
        task = asyncio.create_task(in_daemon_thread(call))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not ended.is_set()
        held.set()
        await asyncio.to_thread(ended.wait)

    run(main)


def test_a_loop_that_has_ended_meanwhile_is_left_alone():
    """The thread ends in silence where the loop was closed before its call returned."""
    held = threading.Event()
    threads = []

    def call():
        threads.append(threading.current_thread())
        held.wait()

    async def main():
        task = asyncio.create_task(in_daemon_thread(call))
        while not threads:
            await asyncio.sleep(0)
        task.cancel()

    run(main)
    held.set()
    threads[0].join()
