"""An OpenTelemetry counter of refreshes, where OpenTelemetry is installed (extra `otel`)."""

from __future__ import annotations

from functools import cache
from typing import Protocol

COUNTER = "vaultconfig.refreshes"


class _Counter(Protocol):
    def add(self, amount: int, attributes: dict[str, str]) -> None:
        """Count."""


def count_refresh(*, failed: bool) -> None:
    """Count a refresh, by its outcome: ``ok`` or ``failed``; nothing without OpenTelemetry."""
    counter = _counter()
    if counter is not None:
        counter.add(1, {"outcome": "failed" if failed else "ok"})


@cache
def _counter() -> _Counter | None:
    try:
        from opentelemetry import metrics  # an extra
    except ModuleNotFoundError:
        return None
    meter = metrics.get_meter("vaultconfig")
    return meter.create_counter(COUNTER, unit="1", description="Refreshes of live settings")
