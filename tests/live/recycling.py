"""A pool whose processes end after one task each, while live settings follow the vault in them."""

from __future__ import annotations

import multiprocessing
import sys
import time
from typing import Annotated

from vaultconfig import LiveSettings, VaultSettings


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


live = LiveSettings(Settings)


def begin() -> None:
    """Start, also where the parent had not done so."""
    live.start()


def read(_: int) -> str:
    """Read, and return once this process has a subscription of its own."""
    key = live.current.key
    while live._watcher is None or live._watcher._subscription is None:
        time.sleep(0.005)
    return key


if __name__ == "__main__":
    live.start()
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(3, maxtasksperchild=1, initializer=begin) as pool:
        assert set(pool.map(read, range(6), chunksize=1)) == {"first"}
        pool.close()
        pool.join()
    sys.stdout.write("left\n")
