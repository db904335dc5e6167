"""Each test with a provider of metrics, in a directory, an environment and a cache of its own."""

from __future__ import annotations

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider

from tests.live.conftest import ahead, on_its_own
from tests.telemetry.rig import READER, collected

__all__ = ["ahead", "on_its_own"]


@pytest.fixture(scope="session")
def provider() -> MeterProvider:
    """Return the one of this process; it can be set only once."""
    provider = MeterProvider([READER])
    metrics.set_meter_provider(provider)
    return provider


@pytest.fixture(autouse=True)
def nothing_counted(provider: MeterProvider, on_its_own: None) -> None:
    collected()
