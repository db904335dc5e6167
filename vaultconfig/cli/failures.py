"""What a command prints when it fails, and the code it exits with; never a value.

The one place that knows which exception is which exit code.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Final

import click

from vaultconfig.cli.tables import printable
from vaultconfig.cli.wording import suggestion
from vaultconfig.errors import (
    AuthenticationError,
    FieldNotFoundError,
    ResponseError,
    SecretError,
    SettingsExpiredError,
    UnresolvedSettingsError,
    VaultUnavailableError,
)
from vaultconfig.loading.descriptions import lines_about, place_of

DIFFERS: Final = 1
"""Nothing failed, but something differs, is missing or is wrong."""

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
    if debug:  # the frames alone: messages, and what led here, may hold values
        frames = "".join(traceback.format_tb(error.__traceback__))
        trace = f"Traceback (most recent call last):\n{frames}{type(error).__name__}"
        click.echo(trace, err=True)
    for line in lines_of(error):
        shown = printable(" ".join(line.split()))
        click.echo(f"{click.style('Error:', fg='red')} {shown}", err=True)
    hint = error.hint if isinstance(error, UnresolvedSettingsError) else None
    for line in filter(None, [hint, *getattr(error, "__notes__", ())]):
        click.echo(f"Hint: {printable(line)}", err=True)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """Return the exit code that *error* stands for, of a group the one to fix first."""
    codes = {
        next((code for kind, code in _CODES.items() if isinstance(leaf, kind)), CONFIGURATION)
        for leaf in _leaves(error)
    }
    return next(code for code in _ORDER if code in codes)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def lines_of(error: BaseException) -> list[str]:
    """Return what to say about *error*, a line a setting, with the field that may be meant."""
    if isinstance(error, OSError) and error.strerror and not place_of(error):
        return [": ".join(filter(None, [str(error.filename or ""), error.strerror]))]
    lines = lines_about(error)
    causes = [error] * len(lines)
    if isinstance(error, UnresolvedSettingsError):
        causes = [failure.error for failure in error.failures]
    return [f"{line}{_meant(cause)}" for line, cause in zip(lines, causes, strict=True)]


def _meant(error: BaseException) -> str:
    if isinstance(error, FieldNotFoundError) and error.field is not None:
        return suggestion(error.field, error.available)
    return ""
