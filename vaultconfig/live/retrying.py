"""Calls that are made once more where a change explains why they failed. Knows no settings."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
Mark = TypeVar("Mark")
Exceptions: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


def retrying(
    call: Callable[P, Any],
    on: Exceptions,
    *,
    mark: Callable[[], Mark],
    has_changed_since: Callable[[Mark], bool],
) -> Callable[P, Any]:
    """Return *call* as one that is made once more after *on*, if something has changed since.

    Args:
        call: A function, a coroutine function, or a function that returns a coroutine.
        on: What *call* raises when it may be worth another try.
        mark: Is called before each call.
        has_changed_since: Is given what *mark* returned; may block.
    """

    def retrying_call(*args: P.args, **kwargs: P.kwargs) -> Any:
        again = partial(call, *args, **kwargs)
        has_changed = partial(has_changed_since, mark())
        try:
            result = again()
        except on:
            if not has_changed():
                raise
        else:
            return (
                _awaited(result, again, on, has_changed) if inspect.iscoroutine(result) else result
            )
        return again()

    if not inspect.iscoroutinefunction(call):
        return wraps(call)(retrying_call)

    @wraps(call)
    async def retrying_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await retrying_call(*args, **kwargs)

    return retrying_coroutine


async def _awaited(
    first: Awaitable[Any],
    again: Callable[[], Awaitable[Any]],
    on: Exceptions,
    has_changed: Callable[[], bool],
) -> Any:
    try:
        return await first
    except on:
        if not await asyncio.to_thread(has_changed):  # the event loop goes on meanwhile
            raise
    return await again()
