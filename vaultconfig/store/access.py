"""Uses a shelf: each time for half a second at most, and not for a while after a failure.

What can't be read is not there, and what can't be written is not kept. An outage has one line in
the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from vaultconfig.log import say
from vaultconfig.store.shelf import PATIENCE, Shelf, ShelfError, Swap
from vaultconfig.threads import within

R = TypeVar("R")

AWAY: Final = 30.0
"""Seconds for which a store that did not answer is not asked again."""

SOON: Final = 1.0
"""The same for one whose answer came too late."""

STUCK: Final = 3600.0
"""The same while the thread that asked it is still stuck, as on a network file system that has
gone: each would leave another one behind."""

_CLEARED_WITHIN: Final = 90.0  # seconds; a server with many keys takes some
_QUICK: Final = 0.1  # seconds
_HANGS: Final = 0.9  # of the patience: what takes so long does not just reject something


class _Trouble:
    """What is known of reading a store, or of writing it: whether that has failed.

    Attributes:
        verb: What can't be done.
        consequence: Of that.
        until: When it is tried again, in seconds of the steady clock; 0 while it works.
        is_told: Whether the log has it.
    """

    def __init__(self, verb: str, consequence: str) -> None:
        self.verb = verb
        self.consequence = consequence
        self.until = 0.0
        self.is_told = False


class _Stuck:
    """The uses that have not ended, though they were given up."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    @property
    def until(self) -> float:
        """How long there is to be no other, in seconds of the steady clock."""
        return max(self._since.copy().values(), default=-STUCK) + STUCK

    def use_in_time(self, use: Callable[[], R], seconds: float, *, now: float) -> R:
        """Return what *use* returns.

        Raises:
            ShelfError: It failed, or did not end in time.
        """
        this, ended = object(), list[None]()

        def ending() -> R:
            try:
                return use()
            finally:
                ended.append(None)
                self._since.pop(this, None)

        try:
            return _in_time(ending, seconds)
        except _LateError:
            self._since[this] = now
            if ended:  # meanwhile
                self._since.pop(this, None)
            raise


class Access:
    """The one way to what a store is kept on. Thread-safe.

    Args:
        shelf: What it is kept on.
        steady: Seconds that only grow.
    """

    def __init__(self, shelf: Shelf, steady: Callable[[], float]) -> None:
        self._shelf = shelf
        self._steady = steady
        self._away = _Trouble(
            "used", ", so the vault is asked directly, and rotations show after up to 3 ttls"
        )
        self._unwritable = _Trouble("written", "")
        self._slow = 0.0  # seconds that the last uses took, if each of them was slow
        self._slow_until = 0.0  # when that counts no more
        self._stuck = _Stuck()

    def in_child(self, shelf: Shelf) -> Access:
        """Return the same over *shelf*, that of a forked child."""
        child = object.__new__(Access)
        child.__dict__.update(self.__dict__, _shelf=shelf, _stuck=_Stuck())
        return child

    @property
    def is_unreadable(self) -> bool:
        """Whether it could not be read the last time that this was tried."""
        return self._away.is_told

    @property
    def is_away(self) -> bool:
        """Whether it could not be read or written the last time that this was tried."""
        return self.is_unreadable or self._unwritable.is_told

    def read(self, names: Collection[str]) -> dict[str, bytes | None] | None:
        """Return what stands under *names*; None while the store is away."""

        def read_all() -> dict[str, bytes | None]:
            groups = [(group, self._shelf.read(group)) for group in _by_scope(names)]
            return {n: raw for group, raws in groups for n, raw in zip(group, raws, strict=True)}

        return self._used(read_all, self._away)

    def swap(self, swaps: Mapping[str, Swap], *, keep: float, anyway: bool = False) -> bool | None:
        """Make *swaps*, and return whether they were made; None while nothing can be written.

        Args:
            swaps: By name.
            keep: Seconds for which what they write stands.
            anyway: Whether to try although nothing could be written a moment ago.
        """

        def swap_all() -> bool:
            groups = [{name: swaps[name] for name in group} for group in _by_scope(swaps)]
            return all(self._shelf.swap(group, keep=keep) for group in groups)

        return self._used(swap_all, self._unwritable, anyway=anyway)

    def try_out(self, name: str, probe: str, *, creates: bool, keep: float) -> bool:
        """Return whether anything stands under *name*; if so, or if it *creates*, write *probe*.

        That is removed at once, and ends after *keep* seconds in any case.

        Raises:
            ShelfError: It can't be read or written, or not in time; the message says why.
        """
        (stands,) = _in_time(lambda: self._shelf.read([name]))
        if stands is not None or creates:
            for swap in (Swap(None, b"probe"), Swap(b"probe", None)):
                _in_time(partial(self._shelf.swap, {probe: swap}, keep=keep))
        return stands is not None

    def clear(self, scopes: Collection[str]) -> int:
        """Remove everything in *scopes*, and return how many names that were.

        Raises:
            ShelfError: It can't be written, or not in time.
        """
        return _in_time(lambda: sum(map(self._shelf.clear, scopes)), _CLEARED_WITHIN)

    def close(self) -> None:
        """Close connections; a later use opens new ones."""
        self._shelf.close()

    def _used(self, use: Callable[[], R], trouble: _Trouble, *, anyway: bool = False) -> R | None:
        """Return what *use* returns; None where that fails, and while it is not tried again."""
        began = self._steady()
        until = max(self._away.until, self._stuck.until)
        if began < max(until, 0.0 if anyway else trouble.until):
            return None

        def noted() -> R:
            found = use()
            # Too late, it may be: then this process had to wait for a processor, or the store is
            # slow. It is there, and is looked at again soon.
            for each in (trouble, self._away):
                each.until = min(each.until, began + SOON)
            return found

        started = time.monotonic()  # `_steady` may stand still in a test; what hangs does not
        # Several in a row that are slow, as in one load, may together take what a single one may.
        if began > self._slow_until:
            self._slow = 0.0
        patience = max(PATIENCE - self._slow, _QUICK)
        try:
            found = self._stuck.use_in_time(noted, patience, now=began)
        except ShelfError as error:
            reason = str(error)
        else:
            took = time.monotonic() - started
            self._slow = self._slow + took if took > _QUICK else 0.0
            self._slow_until = self._steady() + SOON
            if trouble.is_told:
                say(logging.INFO, "the store can be %s again", trouble.verb)
            trouble.until, trouble.is_told = 0.0, False
            return found
        if time.monotonic() - started > _HANGS * patience:
            trouble = self._away  # what hangs when it is written would hang when it is read, too
        # One warning for an outage; a look every half a minute is nothing to tell.
        level = logging.WARNING if not self.is_away else logging.INFO
        level = logging.DEBUG if trouble.is_told else level
        text = "the store can't be %s%s; next try in %.0f s: %s"
        say(level, text, trouble.verb, trouble.consequence, AWAY, reason)
        trouble.until, trouble.is_told = began + AWAY, True
        return None


def _in_time(use: Callable[[], R], seconds: float = PATIENCE) -> R:
    """Return what *use* returns.

    Raises:
        ShelfError: It failed, or did not end in time.
    """
    problem: ShelfError
    try:
        return within(seconds, use)
    except TimeoutError:
        problem = _LateError(f"it did not answer within {seconds:g} s")
    except RuntimeError as error:
        problem = ShelfError(str(error))
    raise problem


class _LateError(ShelfError):
    """It may be under way for ever."""


def _by_scope(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names of each scope; there are several only while a key is rotated."""
    scopes: dict[str, list[str]] = {}
    for name in names:
        scopes.setdefault(name.partition("/")[0], []).append(name)
    yield from scopes.values()
