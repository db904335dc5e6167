"""How long a read of live settings takes."""

from __future__ import annotations

import functools
from typing import Any

from tests.benchmarks.measuring import Result, cpu, pairs, result
from tests.benchmarks.subjects import vault_class, vault_with
from vaultconfig import LiveSettings

READS = 20_000


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
