"""How long a read of live settings takes."""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.benchmarks.measuring import Result, cpu, pairs, result
from tests.benchmarks.subjects import path_of, vault_class, vault_with
from vaultconfig import LiveSettings

READS = 20_000
READERS = 32
ANSWER = 1.0  # seconds


@functools.cache
def _reads() -> tuple[list[float], list[float]]:
    """Return the seconds of a read through live settings, and of one of a plain attribute."""
    cls: type[Any] = vault_class(3, paths=1)
    with vault_with(3, paths=1), LiveSettings(cls) as live:
        settings = live.current

        def through_live() -> None:
            for _ in range(READS):
                live.current.field0  # noqa: B018 - the read is what counts

        def plain() -> None:
            for _ in range(READS):
                settings.field0  # noqa: B018 - the read is what counts

        def empty() -> None:
            for _ in range(READS):
                pass

        runs = pairs(through_live, plain, empty, turns=51, clock=cpu)
    ours, theirs, loop = ([seconds / READS for seconds in run] for run in runs)
    shares = list(zip(ours, theirs, loop, strict=True))
    return [mine - empty for mine, _, empty in shares], [
        other - empty for _, other, empty in shares
    ]


def ratio() -> Result:
    return result("live.current.field : settings.field", 5.0, *_reads())


def time_of_a_read() -> Result:
    ours, _ = _reads()
    return Result("live.current.field", 1.0, [each * 1e6 for each in ours], min(ours), unit="µs")


@functools.cache
def _slow_vault() -> tuple[list[float], int]:
    """Return the longest read of each of 32 readers, in seconds, and how often the vault was asked.

    The secret expires while the only refresh waits for the vault; they read until it is there.
    """
    cls: type[Any] = vault_class(1, paths=1)
    with vault_with(1, paths=1, subscriptions=False) as vault:
        os.environ["VAULTCONFIG_TTL"] = "1"
        with LiveSettings(cls) as live, ThreadPoolExecutor(READERS) as pool:
            was = live.current.field0
            vault.put(path_of(0), {"key0": "rotated"})
            vault.fault(delay=ANSWER)

            def longest_read() -> float:
                longest, found = 0.0, was
                while found == was:
                    time.sleep(0.005)  # a server's threads do something else, too
                    began = time.perf_counter()
                    found = live.current.field0
                    longest = max(longest, time.perf_counter() - began)
                return longest

            readers = [pool.submit(longest_read) for _ in range(READERS)]
            longest = [reader.result() for reader in readers]
    reads = [r for r in vault.requests if r.path.startswith("/v1/secrets")]
    return longest, len(reads) - 1  # without the one at the start


def waiting() -> Result:
    longest, _ = _slow_vault()
    name = f"{READERS} readers while the vault takes {ANSWER:g} s : the longest read"
    return Result(name, 0.0, [round(each * 1e3) for each in longest], unit="ms")


def requests() -> Result:
    _, asked = _slow_vault()
    return Result("the same : requests", 1.0, [asked], unit="")
