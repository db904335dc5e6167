"""The store of one application: sealed entries, turns to ask the vault, and news for others.

It never fails: what can't be read is not there, and what can't be written is not kept. A store that
does not answer is left alone for a while, with one line in the log.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from random import random
from threading import get_ident
from typing import Any, Final, NamedTuple, TypeVar

from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.errors import AccessDeniedError, VaultUnavailableError
from vaultconfig.forks import import_undisturbed
from vaultconfig.log import say
from vaultconfig.masking.values import masked_json, unmask
from vaultconfig.references import as_json
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.store.entries import SAME, Entry, News, entry_in, is_newer, text_of
from vaultconfig.store.sealing import Seal
from vaultconfig.store.shelf import (
    FUTURE,
    LARGEST,
    PATIENCE,
    Shelf,
    ShelfError,
    Swap,
    UnusableError,
)
from vaultconfig.telemetry import count_store_reads
from vaultconfig.threads import within

R = TypeVar("R")

AWAY: Final = 30.0
"""Seconds for which a store that did not answer is not asked again."""

SOON: Final = 1.0
"""The same for one whose answer came too late."""

TURN: Final = 3.0
"""Seconds for which a turn keeps others waiting, whatever becomes of its holder."""

# Seconds for which a failed request to the vault is reason enough not to send another.
_NOTE: Final = 5.0
_MOST_DENIALS: Final = 2  # in a row; one may be a policy that is being edited
# Seconds that an entry is kept longer than it may serve, so that a reader can say that it is old.
_LEGIBLE: Final = 86_400.0
_CLEARED_WITHIN: Final = 90.0  # seconds; a server with many keys takes some
_TOO_LARGE: Final = "a secret is not stored, because sealed it has %d bytes; the most is 1 MiB"
_QUICK: Final = 0.1  # seconds
_HANGS: Final = 0.9  # of the patience: what takes so long does not just reject something
_TRIES: Final = 5  # to write beside others who write
_PAUSE: Final = 0.02  # seconds between two of them, at most


class Note(NamedTuple):
    """That the vault could not be reached.

    Attributes:
        reason: What became of the request.
        age: Seconds since then.
        left: Seconds for which that is reason enough not to send another.
    """

    reason: str
    age: float
    left: float


class Look(NamedTuple):
    """What a process that may ask the vault looks at.

    Attributes:
        mark: Changes whenever something is stored.
        note: That the vault could not be reached, if so.
        turn: Whose turn it is; None if nobody's.
    """

    mark: bytes = b""
    note: Note | None = None
    turn: bytes | None = None


class _Trouble:
    """A way to use a store that has failed, and is not tried again before a time.

    Attributes:
        verb: What can't be done.
        consequence: Of that.
        until: In seconds of the steady clock; 0 while all is well.
        is_told: Whether the log has it.
    """

    def __init__(self, verb: str, consequence: str) -> None:
        self.verb = verb
        self.consequence = consequence
        self.until = 0.0
        self.is_told = False


class Store:
    """What one application keeps of one vault, for one environment. Thread-safe.

    Args:
        settings: Whose it is, and the keys.
        server: The vault's URL.
        tenant: As the connection names it.
        clock: Unix seconds.
        steady: Seconds that only grow.

    Attributes:
        slack: Seconds by which the clocks of those who share it may differ.
        is_barred: Whether the vault has rejected this process's credentials, and has not answered
            it since: then what others were given is nothing for it.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        server: str,
        tenant: str | None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        owner = (settings.application, settings.environment, tenant or "", server)
        self.slack = FUTURE if settings.directory is None else SAME
        self.is_barred = False
        self._seals = [Seal(key, owner) for key in settings.keys]
        self._first = self._seals[0]
        self._marks = [seal.name("mark") for seal in self._seals]  # one a key, so that all meet
        self._settings = settings
        self._shelf = _shelf_for(settings)
        self.clock = clock
        self._steady = steady
        self._away = _Trouble(
            "used", ", so the vault is asked directly, and rotations show after up to 3 ttls"
        )
        self._unwritable = _Trouble("written", "")
        self._slow = 0.0  # seconds that the last uses took, if each of them was slow
        self._turns: dict[str, int] = {}
        self._seen: dict[str, tuple[bytes | None, float]] = {}  # turns of others, and since when
        self._told = ""

    def in_child(self) -> Store:
        """Return the same for a forked child, with connections of its own."""
        child = object.__new__(Store)
        child.__dict__.update(self.__dict__)
        child._shelf, child._turns = _shelf_for(self._settings), {}
        return child

    @property
    def is_unreadable(self) -> bool:
        """Whether it could not be read the last time that this was tried."""
        return self._away.is_told

    @property
    def is_away(self) -> bool:
        """Whether it could not be read or written the last time that this was tried."""
        return self.is_unreadable or self._unwritable.is_told

    def close(self) -> None:
        """Close connections; a later use opens new ones."""
        self._shelf.close()

    def read(self, longest: Mapping[SecretKey, float]) -> dict[SecretKey, Entry]:
        """Return what is stored of some secrets, as far as it can be used.

        Args:
            longest: Seconds since it was read, for each; what is older can't be used.
        """
        stands = self._standing(self._names(longest))
        if stands is None:
            count_store_reads("away", len(longest))
            return {}
        now = self.clock()
        held, ignored = self._entries(longest, stands, lambda key: now - longest[key], now)
        count_store_reads("hit", len(held))
        count_store_reads("ignored", ignored.total())
        count_store_reads("miss", max(0, len(longest) - len(held) - ignored.total()))
        reasons = "; ".join(f"{number} {reason}" for reason, number in ignored.items())
        if reasons and reasons != self._told:  # one load may look several times
            say(logging.WARNING, "entries of the store that are ignored: %s", reasons)
        self._told = reasons  # a reason that comes back later is told again
        if not ignored and len(held) < len(longest):
            say(
                logging.DEBUG,
                "the store has %d of %d secrets of this application, environment, tenant, server"
                " and key",
                len(held),
                len(longest),
            )
        return held

    def write(self, news: Mapping[SecretKey, News]) -> None:
        """Store *news* where nothing newer is stored, and show others that there are some."""
        note = self._first.name("note")
        for _ in range(_TRIES):
            stands = self._standing([note, *self._names(news)])
            if stands is None:
                return
            # Also what is from the future: versions count whatever the clocks of others say.
            held, _ignored = self._entries(news, stands, lambda _: 0.0, math.inf)
            swaps: dict[str, Swap] = {}
            for key, each in news.items():
                old = held.get(key)
                entry = _successor(old, each)
                if entry is None:
                    names = self._names([key])
                    swaps |= {n: Swap(stands[n], None) for n in names if stands[n] is not None}
                elif entry is not old:
                    name = self._first.name("secret", *key)
                    sealed = self._first.close(name, text_of(entry, key))
                    if len(sealed) <= LARGEST:
                        swaps[name] = Swap(stands[name], sealed)
                    else:
                        say(logging.WARNING, _TOO_LARGE, len(sealed))
            if swaps:
                swaps |= {mark: Swap(..., os.urandom(8)) for mark in self._marks}
            if stands[note] is not None:  # it has answered
                swaps[note] = Swap(stands[note], None)
            keep = max(each.keep for each in news.values()) + _LEGIBLE
            if not swaps or self._swapped(swaps, keep=keep) is not False:
                return
            time.sleep(_PAUSE * random())  # noqa: S311 - so that they do not meet again

    def mark(self) -> bytes | None:
        """Return what changes whenever something is stored; None while the store is away."""
        stands = self._standing(self._marks)
        return None if stands is None else self._mark_in(stands)

    def look(self, keys: Collection[SecretKey]) -> Look:
        """Return what there is to know before asking the vault for *keys*."""
        turn, note = self._turn(keys), self._first.name("note")
        stands = self._standing([turn, note, *self._marks])
        if stands is None:
            return Look()
        return Look(self._mark_in(stands), self._note_in(stands[note]), stands[turn])

    @contextmanager
    def turn(self, keys: Collection[SecretKey], look: Look | None = None) -> Iterator[bool]:
        """Yield whether it is our turn to ask the vault for *keys*.

        It ends by itself after a few seconds, so that others do not wait longer for a holder that
        is stopped. A thread that has the turn already, and was interrupted by a signal, has it.

        Args:
            keys: A turn is for a set of secrets.
            look: What was seen right before, if anything was.
        """
        name = self._turn(keys)
        if self._turns.get(name) == get_ident():
            yield True
            return
        token = os.urandom(8)
        over = self._over(name, look.turn if look else None)
        is_ours = self._swapped({name: Swap(over, token)}, keep=TURN)
        if not is_ours:
            yield is_ours is None  # without a store there are no turns
            return
        self._turns[name] = get_ident()
        try:
            yield True
        finally:
            self._turns.pop(name, None)
            # Even if nothing can be written any more: it only removes something.
            self._swapped({name: Swap(token, None)}, keep=TURN, anyway=True)

    def _over(self, name: str, turn: bytes | None) -> bytes | None:
        """Return *turn* if it has stood longer than one lasts, as if somebody had planted it."""
        held, since = self._seen.get(name, (None, 0.0))
        if turn != held:
            self._seen[name] = turn, self._steady()
            return None
        return turn if self._steady() - since > TURN else None

    def leave_note(self, reason: str, *, seconds: float) -> None:
        """Tell others that the vault could not be reached, and may not be asked for *seconds*."""
        seconds, now = max(seconds, _NOTE), self.clock()
        self.save("note", {"reason": reason, "at": now, "until": now + seconds}, keep=seconds)

    def note(self) -> Note | None:
        """Return the note that there is, if any."""
        name = self._first.name("note")
        return self._note_in((self._standing([name]) or {}).get(name))

    def _note_in(self, raw: bytes | None) -> Note | None:
        fields = None if raw is None else self._opened("note", raw=raw)
        if fields is None:
            return None
        age, left = self.clock() - fields["at"], fields["until"] - self.clock()
        return (
            Note(str(fields["reason"]), max(0.0, age), left) if age > -FUTURE and left > 0 else None
        )

    def _mark_in(self, stands: Mapping[str, bytes | None]) -> bytes:
        return b"".join(stands[mark] or b"" for mark in self._marks)

    def _turn(self, keys: Collection[SecretKey]) -> str:
        return self._first.name("turn", *sorted(map(str, keys)))

    def lead(self, paths: Collection[str], token: bytes, *, seconds: float) -> bool:
        """Take the lead for *paths*, or keep it: whether we have it, for *seconds* from now on.

        Args:
            paths: Of the secrets to follow.
            token: Ours, which no other process has.
            seconds: After which others may take it.
        """
        name = self._first.name("lead", *sorted(paths))
        return any(
            self._swapped({name: Swap(before, token)}, keep=seconds) for before in (token, None)
        )

    def give_up_lead(self, paths: Collection[str], token: bytes) -> None:
        """Let others take the lead for *paths* at once, if we have it."""
        name = self._first.name("lead", *sorted(paths))
        self._swapped({name: Swap(token, None)}, keep=TURN)

    def load(self, kind: str, *parts: str) -> dict[str, Any] | None:
        """Return what was saved, if it is there."""
        name = self._first.name(kind, *parts)
        raw = (self._standing([name]) or {}).get(name)
        return None if raw is None else self._opened(kind, *parts, raw=raw)

    def _opened(self, kind: str, *parts: str, raw: bytes) -> dict[str, Any] | None:
        with suppress(UnusableError):
            fields = unmask(masked_json(self._first.open(self._first.name(kind, *parts), raw)))
            return fields if isinstance(fields, dict) else None
        return None

    def save(self, kind: str, fields: Mapping[str, Any], *parts: str, keep: float) -> None:
        """Save JSON, sealed; other processes of this application load it.

        Args:
            kind: What it is.
            fields: An object.
            parts: Of its name.
            keep: Seconds for which it is kept.
        """
        name = self._first.name(kind, *parts)
        sealed = self._first.close(name, as_json(dict(fields)).encode("utf-8", "surrogatepass"))
        self._swapped({name: Swap(..., sealed)}, keep=keep)

    def try_out(self, *, creates: bool) -> bool:
        """Return whether anything is stored under the first key; then write, too.

        What is written is removed at once.

        Args:
            creates: Whether to write although nothing is stored yet. A directory that is created
                belongs to whoever tries this out.

        Raises:
            ShelfError: It can't be read or written; the message says why.
        """
        mark, probe, value = self._first.name("mark"), self._first.name("probe"), os.urandom(8)
        (stands,) = _in_time(lambda: self._shelf.read([mark]))
        if stands is not None or creates:
            for swap in (Swap(None, value), Swap(value, None)):
                _in_time(partial(self._shelf.swap, {probe: swap}, keep=TURN))
        return stands is not None

    def clear(self) -> int:
        """Remove everything of this application, environment, tenant and server, for all keys.

        Returns:
            How many names that were.

        Raises:
            ShelfError: It can't be written, or not in time.
        """
        return _in_time(
            lambda: sum(self._shelf.clear(seal.scope) for seal in self._seals), _CLEARED_WITHIN
        )

    def _names(self, keys: Collection[SecretKey]) -> list[str]:
        return [seal.name("secret", *key) for key in keys for seal in self._seals]

    def _entries(
        self,
        keys: Collection[SecretKey],
        stands: Mapping[str, bytes | None],
        oldest: Callable[[SecretKey], float],
        now: float,
    ) -> tuple[dict[SecretKey, Entry], Counter[str]]:
        """Return the newest usable entry of each of *keys*, and why others can't be used."""
        held: dict[SecretKey, Entry] = {}
        ignored: Counter[str] = Counter()
        for key in keys:
            for seal in self._seals:
                name = seal.name("secret", *key)
                raw = stands[name]
                if raw is None:
                    continue
                try:
                    entry = entry_in(seal.open(name, raw), key, oldest=oldest(key), now=now)
                except UnusableError as error:
                    ignored[str(error)] += 1
                    continue
                best = held.get(key)
                if best is None or is_newer(
                    entry.answer, entry.read_at, than=best.answer, at=best.read_at
                ):
                    held[key] = entry
        return held, ignored

    def _standing(self, names: Collection[str]) -> dict[str, bytes | None] | None:
        """Return what stands under *names*; None while the store is away."""

        def read() -> dict[str, bytes | None]:
            groups = [(group, self._shelf.read(group)) for group in _by_scope(names)]
            return {n: raw for group, raws in groups for n, raw in zip(group, raws, strict=True)}

        return self._used(read, self._away)

    def _swapped(
        self, swaps: Mapping[str, Swap], *, keep: float, anyway: bool = False
    ) -> bool | None:
        """Make *swaps*, and return whether they were made; None while nothing can be written.

        Args:
            swaps: By name.
            keep: Seconds for which what they write stands.
            anyway: Whether to try although nothing could be written a moment ago.
        """

        def swap() -> bool:
            groups = [{name: swaps[name] for name in group} for group in _by_scope(swaps)]
            return all(self._shelf.swap(group, keep=keep) for group in groups)

        return self._used(swap, self._unwritable, anyway=anyway)

    def _used(self, use: Callable[[], R], trouble: _Trouble, *, anyway: bool = False) -> R | None:
        """Return what *use* returns; None where that fails, and while it is not tried again."""
        began = self._steady()
        if began < max(self._away.until, 0.0 if anyway else trouble.until):
            return None

        def noted() -> R:
            found = use()
            # Too late, it may be: then this process had to wait for a processor, or the store is
            # slow. It is there, and is looked at again soon.
            for each in (trouble, self._away):
                each.until = min(each.until, began + SOON)
            return found

        started = time.monotonic()
        # Several in a row that are slow may together take what a single one may.
        patience = max(PATIENCE - self._slow, _QUICK)
        try:
            found = _in_time(noted, patience)
        except ShelfError as error:
            reason = str(error)
        else:
            took = time.monotonic() - started
            self._slow = self._slow + took if took > _QUICK else 0.0
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
        trouble.until, trouble.is_told, self._slow = began + AWAY, True, 0.0
        return None


def _in_time(use: Callable[[], R], seconds: float = PATIENCE) -> R:
    """Return what *use* returns.

    Raises:
        ShelfError: It failed, or did not end in time.
    """
    try:
        return within(seconds, use)
    except (TimeoutError, RuntimeError) as error:
        reason = str(error) or f"it did not answer within {seconds:g} s"
    raise ShelfError(reason)


def _successor(old: Entry | None, news: News) -> Entry | None:
    """Return what is to be stored: *old* itself where *news* change nothing, None for nothing."""
    answer = news.answer
    # An entry from the future counts for its version, but not for its time.
    is_late = old is not None and news.read_at < old.read_at <= news.read_at + FUTURE
    if isinstance(answer, AccessDeniedError):
        if old is not None and (is_late or old.denials + 1 < _MOST_DENIALS):
            return old if is_late else old._replace(denials=old.denials + 1)
        return None
    if isinstance(answer, VaultUnavailableError):
        return old and old._replace(older_since=old.older_since or news.read_at)
    if old is not None:
        if not (isinstance(answer, Secret) and isinstance(old.answer, Secret)):
            return old if is_late else Entry(answer, news.read_at)
        goes_back = answer.version < old.answer.version
        is_meant = old.older_since is not None and news.read_at - old.older_since >= news.ttl
        if (goes_back and not is_meant) or (is_late and answer.version == old.answer.version):
            return old
    return Entry(answer, news.read_at)


def _by_scope(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names of each scope; there are several only while a key is rotated."""
    scopes: dict[str, list[str]] = {}
    for name in names:
        scopes.setdefault(name.partition("/")[0], []).append(name)
    yield from scopes.values()


def _shelf_for(settings: StoreSettings) -> Shelf:
    """Return what the store of *settings* is kept on; nothing is opened yet.

    Raises:
        ConfigurationError: Its address is invalid, or what it needs is not installed.
    """
    if settings.directory is not None:
        import_undisturbed(("vaultconfig.store.directory",))
        from vaultconfig.store.directory import Directory

        return Directory(settings.directory)
    import_undisturbed(("vaultconfig.store.server",))
    from vaultconfig.store.server import Server

    # It may answer later than a use waits, so that one that is only slow is known to be there.
    return Server(settings.address.get_secret_value(), patience=4 * PATIENCE)
