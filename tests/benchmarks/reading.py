"""How long a read of live settings takes."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.measuring import Result, fastest
from tests.benchmarks.subjects import vault_class, vault_with
from vaultconfig import LiveSettings

READS = 100_000


def _read() -> tuple[float, float]:
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

        ours, theirs, loop = fastest(through_live, plain, empty, turns=15)
    return (ours - loop) / READS, (theirs - loop) / READS


def ratio() -> Result:
    ours, theirs = _read()
    return Result("live.current.field : settings.field", 5.0, ours / theirs, ours, theirs)


def time_of_a_read() -> Result:
    ours, _ = _read()
    return Result("live.current.field", 1.0, ours * 1e6, ours, unit="µs")
