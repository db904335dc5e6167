"""The store of one application: sealed entries, turns to ask the vault, and news for others.

What can't be read is not there, and what can't be written is not kept.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from random import random
from threading import get_ident
from typing import Any, Final, NamedTuple

from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.forks import import_undisturbed
from vaultconfig.log import say
from vaultconfig.masking.values import masked_json, unmask
from vaultconfig.references import as_json
from vaultconfig.secret import SecretKey
from vaultconfig.store.access import Access
from vaultconfig.store.entries import SAME, Entry, News, entry_in, is_newer, successor, text_of
from vaultconfig.store.sealing import Seal
from vaultconfig.store.shelf import FUTURE, LARGEST, PATIENCE, Shelf, Swap, UnusableError
from vaultconfig.telemetry import count_store_reads

TURN: Final = 3.0
"""Seconds for which a turn keeps others waiting, whatever happens to its holder."""

# Seconds for which a failed request to the vault is reason enough not to send another.
_NOTE: Final = 5.0
# Seconds that an entry is kept longer than it may serve, so that a reader can say that it is old.
_LEGIBLE: Final = 86_400.0
_TOO_LARGE: Final = "a secret is not stored, because sealed it has %d bytes; the most is 1 MiB"
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
        turn: The token of the process whose turn it is; None where it is free.
    """

    mark: bytes = b""
    note: Note | None = None
    turn: bytes | None = None


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
            it since: then it takes nothing that others were given.
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
        self._access = Access(_shelf_for(settings), steady)
        self.clock = clock
        self._steady = steady
        self._turns: dict[str, int] = {}
        self._seen: dict[str, tuple[bytes | None, float]] = {}  # turns of others, and since when
        self._told = ""

    def in_child(self) -> Store:
        """Return the same for a forked child, with connections of its own."""
        child = object.__new__(Store)
        child.__dict__.update(self.__dict__)
        child._access = self._access.in_child(_shelf_for(self._settings))
        child._turns = {}
        return child

    @property
    def is_unreadable(self) -> bool:
        """Whether it could not be read the last time that this was tried."""
        return self._access.is_unreadable

    @property
    def is_away(self) -> bool:
        """Whether it could not be read or written the last time that this was tried."""
        return self._access.is_away

    def close(self) -> None:
        """Close connections; a later use opens new ones."""
        self._access.close()

    def read(self, longest: Mapping[SecretKey, float]) -> dict[SecretKey, Entry]:
        """Return what is stored of some secrets, as far as it can be used.

        Args:
            longest: Seconds since it was read, for each; what is older can't be used.
        """
        stands = self._access.read(self._names(longest))
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
            stands = self._access.read([note, *self._names(news)])
            if stands is None:
                return
            # Also what is from the future: versions count whatever the clocks of others say.
            held, _ignored = self._entries(news, stands, lambda _: 0.0, math.inf)
            swaps: dict[str, Swap] = {}
            for key, each in news.items():
                old = held.get(key)
                entry = successor(old, each)
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
            if not swaps or self._access.swap(swaps, keep=keep) is not False:
                return
            time.sleep(_PAUSE * random())  # noqa: S311 - so that they do not meet again

    def mark(self) -> bytes | None:
        """Return what changes whenever something is stored; None while the store is away."""
        stands = self._access.read(self._marks)
        return None if stands is None else self._mark_in(stands)

    def look(self, keys: Collection[SecretKey]) -> Look:
        """Return what there is to know before asking the vault for *keys*."""
        turn, note = self._turn(keys), self._first.name("note")
        stands = self._access.read([turn, note, *self._marks])
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
        is_ours = self._access.swap({name: Swap(over, token)}, keep=TURN)
        if not is_ours:
            yield is_ours is None  # without a store there are no turns
            return
        self._turns[name] = get_ident()
        try:
            yield True
        finally:
            self._turns.pop(name, None)
            # Even if nothing can be written any more: it only removes something.
            self._access.swap({name: Swap(token, None)}, keep=TURN, anyway=True)

    def _over(self, name: str, turn: bytes | None) -> bytes | None:
        """Return *turn* if it has stood longer than a turn lasts, as one that was planted does."""
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
        return self._note_in((self._access.read([name]) or {}).get(name))

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
            self._access.swap({name: Swap(before, token)}, keep=seconds) for before in (token, None)
        )

    def give_up_lead(self, paths: Collection[str], token: bytes) -> None:
        """Let others take the lead for *paths* at once, if we have it."""
        name = self._first.name("lead", *sorted(paths))
        self._access.swap({name: Swap(token, None)}, keep=TURN)

    def load(self, kind: str, *parts: str) -> dict[str, Any] | None:
        """Return what was saved, if it is there."""
        name = self._first.name(kind, *parts)
        raw = (self._access.read([name]) or {}).get(name)
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
        self._access.swap({name: Swap(..., sealed)}, keep=keep)

    def try_out(self, *, creates: bool) -> bool:
        """Return whether anything is stored under the first key; then write, too.

        What is written is removed at once.

        Args:
            creates: Whether to write although nothing is stored yet. A directory that is created
                belongs to the user who tries this out.

        Raises:
            ShelfError: It can't be read or written; the message says why.
        """
        mark, probe = self._first.name("mark"), self._first.name("probe")
        return self._access.try_out(mark, probe, creates=creates, keep=TURN)

    def clear(self) -> int:
        """Remove everything of this application, environment, tenant and server, for all keys.

        Returns:
            How many names that were.

        Raises:
            ShelfError: It can't be written, or not in time.
        """
        return self._access.clear([seal.scope for seal in self._seals])

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
