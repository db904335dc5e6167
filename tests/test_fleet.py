"""The benchmark of a fleet, made small."""

from __future__ import annotations

import pytest

from tests.benchmarks.fleet import phases
from tests.benchmarks.fleet.stores import Store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "WORKERS", 6)
    monkeypatch.setattr(phases, "FOLLOWERS", 6)
    monkeypatch.setattr(phases, "PATIENCE", phases.LONG)  # a busy machine takes its time


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("store", "batches"), [("none", 6), ("file", 1), ("redis", 1)])
def test_one_reads_for_all(store: Store, batches: int) -> None:
    """Six processes that start at once read six times, and with a store once."""
    assert phases.one_host(store).rows == {"batches of one host": [batches]}


@pytest.mark.usefixtures("small")
def test_another_leads_after_a_killed_master() -> None:
    """A gunicorn with ``--preload`` leads; after its master has gone, a rotation reaches all."""
    (took,) = phases.preloaded("redis").rows["master killed"]
    assert took is not None
