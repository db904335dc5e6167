"""Follows what a command makes of a settings class, and writes it where it has changed.

Live settings ask the vault, in a thread of theirs; here it is only looked at what they hold.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn

import click
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from vaultconfig.cli.failures import lines_of
from vaultconfig.cli.tables import printable
from vaultconfig.errors import VaultConfigError
from vaultconfig.live import LiveSettings

LOOK_AGAIN: Final = 1.0
"""Seconds after which a loop that waits for news looks at the clock: settings can also just age."""
_WRITE_AGAIN: Final = 5.0  # seconds


class _Made(BaseSettings):
    """Takes the place of the settings class in live settings.

    The class is validated whole; a command validates only what it writes.
    """

    variables: dict[str, Any]

    def __init__(self, make: Callable[[], dict[str, str]]) -> None:
        BaseModel.__init__(self, variables=make())  # without sources of its own


class Watched:
    """The variables that a command has made, which change with the vault's answers.

    Args:
        live: What holds them.
        meanwhile: What a message says of the time in which they are not made again.
    """

    def __init__(self, live: LiveSettings[_Made], meanwhile: str) -> None:
        self._live = live
        self._meanwhile = meanwhile
        self._told = "fresh"

    def look(self) -> Mapping[str, str]:
        """Return the newest variables; say whether they are followed, where that has changed."""
        health = self._live.health()  # starts a thread that has died
        if health.state != self._told:
            self._told = health.state
            if health.state == "fresh":
                say("The vault's values are followed again")
            else:
                reason = health.last_error or "the vault was not asked"
                warn(f"{self._meanwhile} ({health.state}): {reason}")
        return self._live.newest.variables


@contextmanager
def watched(
    make: Callable[[], dict[str, str]], *, meanwhile: str, wake: Callable[[], object]
) -> Iterator[Watched]:
    """Make the variables, and make them again whenever an answer of the vault changes.

    Args:
        make: Gathers them; called in a background thread but for the first time.
        meanwhile: See `Watched`.
        wake: Called in a background thread when there may be something to look at.

    Raises:
        VaultConfigError: They can't be made.
        pydantic.ValidationError: A value does not fit.
    """
    live = LiveSettings(_Made, make=make)
    live.on_change(lambda _: wake())
    live.on_error(lambda _: wake())
    with live, _shown_log():
        found = Watched(live, meanwhile)
        if live.health().next_refresh is None:
            warn("no variable comes from the vault, so there will be no change")
        yield found


def keep_written(
    make: Callable[[], dict[str, str]],
    path: str,
    *,
    write_first: Callable[[Mapping[str, str]], object],
    write: Callable[[Mapping[str, str]], object],
) -> NoReturn:
    """Write the variables to *path*, and again whenever they change, until a signal ends this.

    SIGTERM and SIGHUP are its usual end, with exit code 0; Ctrl-C ends it as any other command.

    Raises:
        VaultConfigError: The variables can't be made or written the first time.
        pydantic.ValidationError: A value does not fit then.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    news, meanwhile = threading.Event(), f"{path} stays as it is"
    with watched(make, meanwhile=meanwhile, wake=news.set) as found:
        written = found.look()
        write_first(written)
        problem, try_again_at = "", 0.0
        while True:
            news.wait(LOOK_AGAIN)
            news.clear()
            newest = found.look()
            if newest == written:
                problem = ""
            if newest == written or time.monotonic() < try_again_at:
                continue
            try:
                write(newest)
            except VaultConfigError as error:
                before, problem = problem, "; ".join(lines_of(error))
                try_again_at = time.monotonic() + _WRITE_AGAIN
                if problem != before:
                    warn(f"{meanwhile}: {problem}")
                continue
            say(f"{path}: {changes(written, newest)} changed")
            written, problem, try_again_at = newest, "", 0.0


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the names of the variables that differ, for a message."""
    names = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return ", ".join(names)


def warn(told: str) -> None:
    """Print a line about what does not work now, and may work later."""
    say(told, f"{click.style('Warning:', fg='yellow')} ")


def say(told: str, before: str = "") -> None:
    """Print a line on standard error; what follows the vault does not end with its reader."""
    with suppress(OSError):
        click.echo(f"{before}{printable(told)}", err=True)


@contextmanager
def _shown_log() -> Iterator[None]:
    """Show our log, such as why changes show only after the ttl, but for what `Watched` tells."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.module != "telling")
    logger = logging.getLogger("vaultconfig")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
