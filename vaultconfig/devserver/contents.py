"""The secrets of a vault, in versions. Pure: time and the keeper are arguments.

Every write makes a new mapping and swaps it in, so that a reader in another thread sees either
the old contents or the new ones, and a write that can't be kept has not happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from vaultconfig.devserver.answers import ApiError
from vaultconfig.devserver.bodies import Draft, WriteOptions

Place: TypeAlias = tuple[str, str]
"""A tenant and a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What one write left. Times are Unix seconds."""

    number: int
    written_at: float
    data: Mapping[str, Any] = field(repr=False)
    secret_type: str
    metadata: Mapping[str, Any]
    expires_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that is known of one place.

    Attributes:
        latest: The last number that was given out; a deleted secret that is written again
            goes on from it.
        first: The number that it was created with, or created again.
        versions: Those that can still be read, oldest first; none once deleted.
        max_versions: How many are kept; None for all.
    """

    created_at: float
    latest: int = 0
    first: int = 1
    versions: tuple[Version, ...] = ()
    max_versions: int | None = None
    rotation_policy_id: str | None = None

    def written(self, draft: Draft, *, now: float) -> Entry:
        """Return the entry after *draft* became its newest version."""
        last = self.versions[-1] if self.versions else None
        options = draft.options or WriteOptions()
        metadata = last.metadata if last else {}
        if draft.metadata is not None:
            metadata = draft.metadata.model_dump(exclude_unset=True)
        version = Version(
            number=self.latest + 1,
            written_at=now,
            data=draft.data,
            secret_type=draft.secret_type or (last.secret_type if last else "kv"),
            metadata=metadata,
            expires_at=None if options.lifetime is None else now + options.lifetime,
        )
        max_versions = options.max_versions or self.max_versions
        kept = slice(-max_versions if max_versions else None, None)
        return Entry(
            created_at=self.created_at if last else now,
            latest=version.number,
            first=self.first if last else version.number,
            versions=(*self.versions, version)[kept],
            max_versions=max_versions,
            rotation_policy_id=options.rotation_policy_id or self.rotation_policy_id,
        )


Entries: TypeAlias = Mapping[Place, Entry]


class Contents:
    """Every secret of every tenant.

    Args:
        entries: What is there at first.
        keep: Called with the new entries before a write is acknowledged; if it raises, the
            write has not happened.
    """

    def __init__(
        self, entries: Entries | None = None, *, keep: Callable[[Entries], None] = lambda _: None
    ) -> None:
        self._entries: Entries = dict(entries or {})
        self._keep = keep
        self._writing = threading.Lock()

    def __contains__(self, place: Place) -> bool:
        """Whether anything was ever written at *place*, even if it was deleted since."""
        return place in self._entries

    def put(self, place: Place, draft: Draft, *, now: float) -> Entry:
        """Write a version and return the entry that it is the newest of."""
        with self._writing:
            entry = self._entries.get(place, Entry(created_at=now)).written(draft, now=now)
            self._store(place, entry)
        return entry

    def delete(self, place: Place) -> Entry:
        """Delete softly: nothing can be read any more, and the numbers are remembered.

        Returns:
            The entry as it was.

        Raises:
            ApiError: ``secret_not_found``.
        """
        with self._writing:
            entry = self.entry(place)
            self._store(place, replace(entry, versions=()))
        return entry

    def roll_back(self, place: Place, number: int) -> None:
        """Forget the versions after *number*, and that there were any.

        Raises:
            ApiError: ``secret_not_found`` or ``version_not_found``.
        """
        with self._writing:
            entry, newest = self.find(place, number)
            kept = entry.versions[: entry.versions.index(newest) + 1]
            self._store(place, replace(entry, versions=kept, latest=number))

    def entry(self, place: Place, *, lag: int = 0) -> Entry:
        """Return what is at *place*; its last *lag* versions count as not written yet.

        Raises:
            ApiError: ``secret_not_found``.
        """
        entry = self._entries.get(place)
        if entry is None or len(entry.versions) <= lag:
            raise ApiError("secret_not_found", f"there is no secret at {place[1]}")
        return replace(entry, versions=entry.versions[:-lag]) if lag else entry

    def find(
        self, place: Place, number: int | None = None, *, lag: int = 0
    ) -> tuple[Entry, Version]:
        """Return an entry and a version of it, the newest unless *number* pins one.

        Raises:
            ApiError: ``secret_not_found`` or ``version_not_found``.
        """
        entry = self.entry(place, lag=lag)
        for version in reversed(entry.versions):
            if number in (None, version.number):
                return entry, version
        raise ApiError("version_not_found", f"{place[1]} has no version {number} (any more)")

    def newest(self, tenant: str, *, prefix: str = "") -> list[tuple[str, Version]]:
        """Return the paths that begin with *prefix*, sorted, with what is newest there."""
        return [
            (path, entry.versions[-1])
            for (owner, path), entry in sorted(self._entries.items(), key=lambda item: item[0])
            if owner == tenant and path.startswith(prefix) and entry.versions
        ]

    def _store(self, place: Place, entry: Entry) -> None:
        entries = {**self._entries, place: entry}
        self._keep(entries)  # which may raise: then nothing has changed
        self._entries = entries
