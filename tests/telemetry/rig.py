"""What the tests of metrics share: a reader, and what it has collected since it was last asked."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from vaultconfig.telemetry import INSTRUMENTS

DELTA = AggregationTemporality.DELTA
READER = InMemoryMetricReader(preferred_temporality={Counter: DELTA, Histogram: DELTA})

Collected = dict[str, dict[tuple[str, ...], Any]]


def collected(reader: InMemoryMetricReader = READER) -> Collected:
    """Return the points of each instrument of ours, by the values of its attributes."""
    data = reader.get_metrics_data()
    found: Collected = {each.name: {} for each in INSTRUMENTS}
    for metric in metrics_in(data):
        (known,) = [each for each in INSTRUMENTS if each.name == metric.name]
        assert (metric.unit, metric.description) == (known.unit, known.description)
        for point in metric.data.data_points:
            assert sorted(point.attributes) == sorted(known.attributes)
            key = tuple(point.attributes[name] for name in known.attributes)
            found[metric.name][key] = point.value if hasattr(point, "value") else point
    return found


def metrics_in(data: Any) -> list[Any]:
    """Return the metrics in *data* that are ours."""
    scopes = [scope for r in (data.resource_metrics if data else []) for scope in r.scope_metrics]
    return [m for scope in scopes if scope.scope.name == "vaultconfig" for m in scope.metrics]
