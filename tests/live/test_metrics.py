"""Refreshes are counted for OpenTelemetry, by outcome and nothing else."""

from __future__ import annotations

from typing import Annotated

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.live.rig import heard
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import VaultUnavailableError
from vaultconfig.live.metrics import COUNTER


def test_refreshes_are_counted_by_outcome(vault_env: DevServer) -> None:
    """A success and a failure are one each."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    vault_env.put("app", {"token": "canary"})

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]

    with LiveSettings(Settings) as live:
        before = counted(reader)
        live.refresh()
        vault_env.stop()
        with pytest.raises(VaultUnavailableError):
            live.refresh()
        heard(live)
        after = counted(reader)
    assert after["ok"] > before.get("ok", 0)
    assert after["failed"] > before.get("failed", 0)
    assert "canary" not in str(reader.get_metrics_data())


def counted(reader: InMemoryMetricReader) -> dict[str, int]:
    data = reader.get_metrics_data()
    found = data.resource_metrics if data else []
    points = [
        point
        for resource in found
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == COUNTER
        for point in metric.data.data_points
    ]
    return {point.attributes["outcome"]: point.value for point in points}
