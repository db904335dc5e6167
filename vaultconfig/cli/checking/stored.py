"""What `check` finds out about the store that a start would use; it leaves nothing there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vaultconfig.cli.checking.findings import Problem, StoreFinding
from vaultconfig.connection.store_settings import StoreSettings
from vaultconfig.secret import SecretKey
from vaultconfig.store.shelf import ShelfError
from vaultconfig.vaults.lifetime import Lifetime

if TYPE_CHECKING:
    from vaultconfig.store.store import Store


def look_at_store(
    settings: StoreSettings, store: Store, lifetimes: Mapping[SecretKey, Lifetime]
) -> tuple[StoreFinding, Problem | None]:
    """Read and write *store*, and return what came of it.

    Args:
        settings: Of the store.
        store: The store itself.
        lifetimes: Of the secrets that are looked for in it.
    """
    directory, place = settings.directory, settings.place
    try:
        # A directory that is made here would belong to the user who runs check.
        is_there = store.try_out(creates=directory is None)
        if directory is not None and not is_there and not _can_be_made(directory):
            raise ShelfError(f"{directory} can't be made or written to: give it to this user")
        has = len(store.read({key: life.longest for key, life in lifetimes.items()}))
    except ShelfError as error:
        told = f"{place} can't be used, and a start does without it: {error}"
        finding = StoreFinding(place, "unavailable", has=0, of=len(lifetimes))
        return finding, Problem("warning", "store", told)
    return StoreFinding(place, "ok", has=has, of=len(lifetimes)), None


def _can_be_made(directory: str) -> bool:
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)
