"""What a command says when it fails, and the code it exits with; never a value, whoever raised.

The one place that knows which exception is which exit code.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Final

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from vaultconfig.cli.tables import printable
from vaultconfig.cli.wording import suggestion
from vaultconfig.errors import (
    AuthenticationError,
    FieldNotFoundError,
    ResponseError,
    SecretError,
    SettingsExpiredError,
    UnresolvedSettingsError,
    VaultConfigError,
    VaultUnavailableError,
)

CONFIGURATION: Final = 3
AUTHENTICATION: Final = 4
DENIED: Final = 5
UNAVAILABLE: Final = 6

# Of several, the one to fix first.
_ORDER: Final = (CONFIGURATION, AUTHENTICATION, UNAVAILABLE, DENIED)
_CODES: Final[dict[type[Exception], int]] = {
    AuthenticationError: AUTHENTICATION,
    SecretError: DENIED,
    VaultUnavailableError: UNAVAILABLE,
    ResponseError: UNAVAILABLE,
    SettingsExpiredError: UNAVAILABLE,
}


def report(error: Exception, *, debug: bool) -> int:
    """Say on standard error what went wrong, a line a setting, and return the exit code."""
    if debug:
        click.echo(_trace(error), err=True)
    for line in lines_of(error):
        shown = printable(" ".join(line.split()))
        click.echo(f"{click.style('Error:', fg='red')} {shown}", err=True)
    hint = error.hint if isinstance(error, UnresolvedSettingsError) else None
    for line in filter(None, [hint, *getattr(error, "__notes__", ())]):
        click.echo(f"Hint: {printable(line)}", err=True)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """Return the exit code that *error* stands for, of a group the one to fix first."""
    codes = {_code(leaf) for leaf in _leaves(error)}
    return next(code for code in _ORDER if code in codes)


def lines_of(error: BaseException) -> list[str]:
    """Return what to say about *error*, a line a setting."""
    match error:
        case UnresolvedSettingsError():
            return [f"{failure}{_meant(failure.error)}" for failure in error.failures]
        case ValidationError():
            return [
                f"{'.'.join(map(str, line['loc'])) or error.title}: {line['msg']}"
                for line in error.errors(include_input=False, include_url=False)
            ]
        case VaultConfigError() | SettingsError():
            return [f"{error}{_meant(error)}"]
        case OSError() if error.strerror:
            return [": ".join(filter(None, [str(error.filename or ""), error.strerror]))]
    place = place_of(error) or _end_of(error)
    return [f"{type(error).__name__}{place} (its message may hold values)"]


def _meant(error: Exception) -> str:
    if isinstance(error, FieldNotFoundError) and error.field is not None:
        return suggestion(error.field, error.available)
    return ""


def place_of(error: BaseException) -> str:
    """Return where in the user's own files *error* was raised, if it was there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_not_theirs())]
    return f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""


@cache
def _not_theirs() -> tuple[str, ...]:
    """Return how the names of files begin that come with Python, a package, or ourselves."""
    paths = sysconfig.get_paths()
    installed = (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    ours = os.path.dirname(os.path.dirname(__file__))
    return ("<frozen", *(f"{place}{os.sep}" for place in (*installed, ours)))


def _end_of(error: BaseException) -> str:
    """Return where *error* was raised, whoever's code that is."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _trace(error: BaseException) -> str:
    """Return the traceback without messages, which are told apart, and without what led to it."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{type(error).__name__}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _code(error: BaseException) -> int:
    found = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return next(found, CONFIGURATION)
