"""Which process subscribes for those that share a store, and what the next one has to know."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from vaultconfig.store.store import Store

LEASE: Final = 7.5
"""Seconds after which others may lead instead of a process that is killed or stopped; it has to
outlast a poll and the pause after it."""

KEEP: Final = 86_400.0
"""Seconds that a subscription waits for a next leader, if the vault keeps it for as long."""


class Progress(NamedTuple):
    """How far a subscription has been followed; times in seconds of the lead's clock.

    Attributes:
        subscription_id: None while there is none.
        last_event: The last event that was noted.
        announced: What may not have been read since: by path its version, where the vault said
            so, and when it was announced.
        next_attempt_at: When to subscribe next.
    """

    subscription_id: str | None = None
    last_event: str | None = None
    announced: Mapping[str, tuple[int | None, float]] = {}
    next_attempt_at: float = 0.0


class Alone:
    """The lead of a process that shares no store: no other process wants it.

    Attributes:
        is_shared: Whether the subscription is other processes', too.
        is_lost: Whether the lead has ended since it was taken.
        clock: Of `Progress`.
        poll: Seconds that a poll waits for news; the vault allows 60.
        spread: Seconds over which processes spread their reads of what has changed.
        longest_pause: Seconds between two polls that come back early.
    """

    is_shared = is_lost = False
    poll = 30.0
    spread = 0.5
    longest_pause = 5.0  # seconds; an identity has 240 polls a minute, for all its processes

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock

    def take(self, paths: Collection[str]) -> bool:
        """Return True."""
        return True

    def leave(self) -> None:
        """Do nothing."""

    def bar(self) -> None:
        """Do nothing."""

    def load(self) -> Progress | None:
        """Return None."""
        return None

    def save(self, progress: Progress) -> None:
        """Do nothing: the process itself knows."""


class Shared:
    """The lead of one of the processes that share a store: a lease in it, for a set of paths.

    Its attributes are those of `Alone`.

    Args:
        store: The store.
        steady: Seconds that only grow, also while this process is stopped.
    """

    is_shared = True
    poll = 5.0
    spread = 0.0  # only the leader reads
    longest_pause = 1.0  # only the leader polls

    def __init__(self, store: Store, steady: Callable[[], float]) -> None:
        self.clock = store.clock
        self._store = store
        self._steady = steady
        self._token = os.urandom(8)
        self._paths: Collection[str] = ()
        self._until = -math.inf

    @property
    def is_lost(self) -> bool:
        """Whether the lease has ended, or may have."""
        return self._steady() >= self._until

    def take(self, paths: Collection[str]) -> bool:
        """Take the lease or renew it, and return whether we have it.

        The first time for other paths it only ends the old one.
        """
        is_other = bool(self._paths) and paths != self._paths
        if is_other or self._store.is_barred:
            self.leave()
            self._paths = paths
            return False
        self._paths = paths
        asked_at = self._steady()
        is_ours = self._store.lead(paths, self._token, seconds=LEASE)
        self._until = asked_at + LEASE if is_ours else -math.inf
        return is_ours

    def leave(self) -> None:
        """End the lease, if there is one."""
        if not math.isinf(self._until):
            self._until = -math.inf
            self._store.give_up_lead(self._paths, self._token)

    def bar(self) -> None:
        """End it until the vault accepts the credentials: what others were given is not for us."""
        self.leave()
        self._store.is_barred = True

    def load(self) -> Progress | None:
        """Return what the last leader saved, if anything."""
        fields = self._store.load("progress", *sorted(self._paths))
        if fields is not None:
            # Another version of this library may have saved it.
            with suppress(AttributeError, KeyError, TypeError, ValueError):
                # What the clock of that host is ahead: else its times would never come.
                ahead = max(0.0, fields.pop("saved_at") - self.clock())
                progress = Progress(**fields)
                return progress._replace(
                    announced={p: (v, at - ahead) for p, (v, at) in progress.announced.items()},
                    next_attempt_at=progress.next_attempt_at - ahead,
                )
        return None

    def save(self, progress: Progress) -> None:
        """Save for a day what the next leader has to know."""
        announced = {path: [*each] for path, each in progress.announced.items()}
        fields = {**progress._asdict(), "announced": announced, "saved_at": self.clock()}
        self._store.save("progress", fields, *sorted(self._paths), keep=KEEP)


Lead: TypeAlias = Alone | Shared
"""The right to follow the vault, for this process alone or for all that share a store."""
