"""The login under every driver: the newest values, and one more try where it is rejected.

A password must not show in a traceback, so errors leave without the frames that they came through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from vaultconfig.live import LiveSettings, check_live
from vaultconfig.live.names import check_single_value, text_at

T = TypeVar("T")
Values: TypeAlias = Mapping[str, Any]


class Login:
    """Connects with what the vault has.

    Args:
        live: The settings that the values come from.
        values: Returns what the next connection is opened with.
    """

    def __init__(self, live: LiveSettings[Any], values: Callable[[], Values]) -> None:
        self._live = live
        self.values = values

    @classmethod
    def following(cls, live: LiveSettings[Any], /, *, password: str, **others: str | None) -> Login:
        """Return a login with the texts of fields; a text that is None is left out.

        Args:
            live: May be loaded later.
            password: The dotted name of a field.
            others: More of them, by keyword; None is left out.

        Raises:
            ConfigurationError: One is not a field with a single value, or *live* is not live.
        """
        check_live(live, "the login of a driver", "live")
        named = {keyword: name for keyword, name in others.items() if name is not None}
        named["password"] = password
        for name in named.values():
            check_single_value(live.settings_cls, name)

        def values() -> Values:
            live.health()  # counts as a read: a forked worker may do nothing but log in
            settings = live.newest
            texts = {keyword: text_at(settings, name) for keyword, name in named.items()}
            return {keyword: text for keyword, text in texts.items() if text is not None}

        return cls(live, values)

    def log_in(
        self, connect: Callable[[Values], T], *, catch_up: Callable[[Any], object] | None = None
    ) -> T:
        """Connect; if the login is rejected and the values differ by then, once more.

        Args:
            connect: Opens a connection with the values that it is given.
            catch_up: Is called in place of that of the live settings.

        Raises:
            BaseException: What *connect* raised last.
        """

        # Coroutines that wait for nothing, so that threads and tasks go one way.
        async def connect_now(values: Values) -> T:
            return connect(values)

        async def catch_up_now(before: Any) -> None:
            (catch_up or self._live.catch_up)(before)

        try:
            return _run(self._tries(connect_now, catch_up_now))
        except BaseException as error:
            failure = _without_frames(error)
        raise failure

    async def alog_in(self, connect: Callable[[Values], Awaitable[T]]) -> T:
        """Connect as `log_in` does, while the event loop goes on.

        Raises:
            BaseException: What *connect* raised last.
        """
        try:
            return await self._tries(connect, self._live.acatch_up)
        except BaseException as error:  # a cancellation came through the same frames
            failure = _without_frames(error)
        raise failure

    async def _tries(
        self,
        connect: Callable[[Values], Awaitable[T]],
        catch_up: Callable[[Any], Awaitable[object]],
    ) -> T:
        values = self.values()
        try:
            return await connect(values)
        except Exception as error:
            if not may_be_rejection(error):
                raise
            rejection = error
        before = self._live.newest
        if self.values() == values:  # no other thread has caught up meanwhile
            await catch_up(before)
        if (latest := self.values()) == values:
            raise rejection
        return await connect(latest)


def may_be_rejection(error: Exception) -> bool:
    """Whether the server may have rejected a login: any failure but that of the network.

    There is no code for it that all drivers have, and a wrong guess is cheap: `catch_up` asks less
    and less often. libpq tells whether it was asked for a password.
    """
    session = getattr(error, "pgconn", None)
    return not isinstance(error, OSError) if session is None else bool(session.used_password)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise AssertionError("it waits")


def _without_frames(error: BaseException) -> BaseException:
    """Return *error* without its frames, and those of the errors behind it."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            with suppress(AttributeError):  # psycopg keeps what it connected with
                each.pgconn.password, each.pgconn.info = b"", []  # type: ignore[attr-defined]
    return error
