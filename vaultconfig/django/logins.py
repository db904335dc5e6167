"""A second try for a login that was rejected, with what the vault has by then.

No password may be seen in a traceback from here, so errors leave without their frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vaultconfig.django.loading import current_live

T = TypeVar("T")
Parameters = Mapping[str, Any]


def log_in(
    connect: Callable[[Parameters], T], parameters: Parameters, *, renewed: Callable[[], Parameters]
) -> T:
    """Connect; if the login is rejected and there are other parameters by then, try once more.

    Args:
        connect: Opens a connection.
        parameters: What to open it with.
        renewed: Returns what it would be opened with now.

    Raises:
        Exception: What *connect* raised last.
    """
    connection, error = _attempt(connect, parameters)
    if error is not None and is_refusal(error):
        latest = renewed()
        if dict(latest) == dict(parameters):
            _catch_up()
            latest = renewed()
        if dict(latest) != dict(parameters):
            connection, error = _attempt(connect, latest)
    if error is not None:
        raise error
    return connection  # type: ignore[return-value]  # there is one where there is no error


def is_refusal(error: Exception) -> bool:
    """Whether the server has rejected a login, as far as can be known.

    libpq gives no SQLSTATE for it, and words that depend on the server's language. That a
    password was asked for and the connection failed comes near.
    """
    session = getattr(error, "pgconn", None)
    if session is not None:
        return bool(session.used_password)
    return "authentication failed" in str(error)  # psycopg2 gives only a message


def _attempt(
    connect: Callable[[Parameters], T], parameters: Parameters
) -> tuple[T | None, Exception | None]:
    try:
        return connect(parameters), None
    except Exception as error:
        failure = error.with_traceback(None)
    return None, failure


def _catch_up() -> None:
    """Ask the vault for newer settings; logins that are rejected together share the request."""
    live = current_live()
    live.catch_up(live.newest)
