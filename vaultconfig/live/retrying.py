"""Calls that are made once more where newer settings explain why they failed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from pydantic_settings import BaseSettings

from vaultconfig.live.change import changed_fields

if TYPE_CHECKING:
    from vaultconfig.live.settings import LiveSettings

P = ParamSpec("P")
T = TypeVar("T", bound=BaseSettings)
Rejection: TypeAlias = (
    type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
)


def retrying(live: LiveSettings[T], on: Rejection, call: Callable[P, Any]) -> Callable[P, Any]:
    """Return *call* as one that is made once more after *on*, if the settings have changed since.

    Args:
        live: The settings.
        on: What *call* raises when it may be worth another try.
        call: A function, a coroutine function, or a function that returns a coroutine.
    """

    def retrying_call(*args: P.args, **kwargs: P.kwargs) -> Any:
        again, before = partial(call, *args, **kwargs), live.current
        try:
            result = again()
        except BaseException as error:
            if not _is_one(error, on) or not changed_fields(before, live.catch_up(before)):
                raise
        else:
            return (
                _awaited(live, on, before, result, again) if inspect.iscoroutine(result) else result
            )
        return again()

    if not inspect.iscoroutinefunction(call):
        return wraps(call)(retrying_call)

    @wraps(call)
    async def retrying_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await retrying_call(*args, **kwargs)

    return retrying_coroutine


async def _awaited(
    live: LiveSettings[T],
    on: Rejection,
    before: T,
    first: Awaitable[Any],
    again: Callable[[], Awaitable[Any]],
) -> Any:
    try:
        return await first
    except BaseException as error:
        if not _is_one(error, on) or not changed_fields(before, await live.acatch_up(before)):
            raise
    return await again()


def _is_one(error: BaseException, on: Rejection) -> bool:
    if isinstance(on, type | tuple):
        return isinstance(error, on)
    return on(error)
