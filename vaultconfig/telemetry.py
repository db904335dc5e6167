"""Metrics for OpenTelemetry (extra `otel`): every name, unit and meaning.

Counting never fails or waits, also in a signal's handler and in a forked child: what is counted
is put aside in one step, without a lock, and the exporter's thread hands it to OpenTelemetry.
Its locks are ordinary ones, for which a handler that interrupted their owner would wait for ever.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final, Literal, NamedTuple

from vaultconfig.forks import import_undisturbed
from vaultconfig.log import say


class Instrument(NamedTuple):
    """What is measured; *unit* as in UCUM, *attributes* by their names."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    attributes: tuple[str, ...]
    description: str


REFRESHES: Final = Instrument(
    "vaultconfig.refreshes",
    "counter",
    "{refresh}",
    ("settings", "outcome"),
    "Loads and refreshes of live settings",
)
REQUESTS: Final = Instrument(
    "vaultconfig.requests",
    "counter",
    "{request}",
    ("operation", "code"),
    "Requests to the vault, and to the token endpoint",
)
DURATION: Final = Instrument(
    "vaultconfig.request.duration",
    "histogram",
    "s",
    ("operation", "code"),
    "From sending a request until its answer was read",
)
AGE: Final = Instrument(
    "vaultconfig.age", "gauge", "s", ("settings",), "Time since the oldest secret was read"
)
EXPIRES_IN: Final = Instrument(
    "vaultconfig.expires_in", "gauge", "s", ("settings",), "Time until the settings can't be read"
)
STATE: Final = Instrument(
    "vaultconfig.state",
    "gauge",
    "{settings}",  # not 1, of which Prometheus makes the name vaultconfig_state_ratio
    ("settings", "state"),
    "1 for the current state, 0 for each other",
)
STORE_READS: Final = Instrument(
    "vaultconfig.store.reads",
    "counter",
    "{read}",
    ("outcome",),
    "Secrets that were looked for in the store",
)
INSTRUMENTS: Final = (REFRESHES, REQUESTS, DURATION, STORE_READS, AGE, EXPIRES_IN, STATE)
"""The gauges last: an export that comes in between finds what it hands counts over to."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The bounds of the histogram's buckets; OpenTelemetry's own are meant for milliseconds."""

MOST_COUNTS: Final = 4096
"""So many are kept between two exports; then the oldest are lost."""

_API: Final = "opentelemetry.metrics"
_LONGEST_WAIT: Final = 1.0  # seconds, once; an export of others that is under way may block it


class Measured(NamedTuple):
    """What live settings show of themselves; None where it is not known, or never happens."""

    settings: str
    state: str
    age: float | None
    expires_in: float | None


class _Count(NamedTuple):
    process: int
    instrument: Instrument
    amount: float
    attributes: tuple[str, ...]


_counts: deque[_Count] = deque(maxlen=MOST_COUNTS)
_observed: list[tuple[Callable[[], Iterable[Measured]], Sequence[str]]] = []
_record: dict[Instrument, Callable[[float, dict[str, str]], None]] = {}
_turn: list[None] = [None]  # is taken by the one thread that makes the instruments


def count_refresh(settings_cls: type, *, failed: bool) -> None:
    """Count a load or a refresh of live settings."""
    _put_aside(REFRESHES, 1, settings_cls.__name__, "failed" if failed else "ok")


def count_request(operation: str, code: str, seconds: float) -> None:
    """Count a request that took *seconds*; both texts are of a few fixed ones, never a path."""
    _put_aside(REQUESTS, 1, operation, code)
    _put_aside(DURATION, seconds, operation, code)


def count_store_reads(outcome: Literal["hit", "miss", "ignored", "away"], number: int) -> None:
    """Count a look for *number* secrets in the store, all with the same outcome."""
    if number > 0:
        _put_aside(STORE_READS, number, outcome)


def observe(measure: Callable[[], Iterable[Measured]], *, states: Sequence[str]) -> None:
    """Have the gauges show what *measure* returns whenever an exporter asks, in its thread.

    Args:
        measure: Does not wait.
        states: All there are, from good to bad.
    """
    _observed.append((measure, states))


def prepare() -> None:
    """Import OpenTelemetry, if it is installed, and let it know the gauges.

    Live settings do so when they start, since a provider that is set later asks for the gauges
    before anything is counted. A mere load does not: see `_put_aside`.
    """
    try:
        import_undisturbed([_API])
    except ModuleNotFoundError:
        return  # the extra is not installed
    except Exception as error:
        say(logging.WARNING, "no metrics: importing OpenTelemetry raised %s", type(error).__name__)
    _make_known()


def _put_aside(instrument: Instrument, amount: float, *attributes: str) -> None:
    # Where it has not been imported, no provider can have been set: it is not imported here either.
    if _API in sys.modules:
        _make_known()
        _counts.append(_Count(os.getpid(), instrument, amount, attributes))


def _make_known() -> None:
    """Make the instruments, once; a provider that is set later takes them over."""
    api: Any = sys.modules.get(_API)
    # Not by an import, which would wait for another thread that is in the middle of it.
    if not (_turn and hasattr(api, "get_meter") and hasattr(api, "Observation")):
        return
    with suppress(IndexError):  # another thread was first
        _turn.pop()
        thread = Thread(target=_make, args=(api,), name="vaultconfig-telemetry", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system starts no more threads; later it may
            _turn.append(None)
        else:
            thread.join(_LONGEST_WAIT)


def _make(api: Any) -> None:
    try:
        meter = api.get_meter("vaultconfig")
        for each in INSTRUMENTS:
            texts = {"name": each.name, "unit": each.unit, "description": each.description}
            if each.kind == "counter":
                _record[each] = meter.create_counter(**texts).add
            elif each.kind == "histogram":
                bounds = {"explicit_bucket_boundaries_advisory": SECONDS}
                _record[each] = meter.create_histogram(**texts, **bounds).record
            else:
                callback = partial(_observations, api, each)
                meter.create_observable_gauge(callbacks=[callback], **texts)
    except Exception as error:
        say(logging.WARNING, "no metrics: OpenTelemetry raised %s", type(error).__name__)


def _observations(api: Any, gauge: Instrument, _options: object) -> list[Any]:
    _hand_over()
    return [
        api.Observation(value, dict(zip(gauge.attributes, attributes, strict=True)))
        for value, attributes in _points(gauge)
    ]


def _hand_over() -> None:
    """Hand what was counted to OpenTelemetry, which collects it after it has asked the gauges."""
    with suppress(IndexError):
        while True:
            count = _counts.popleft()
            if count.process == os.getpid():  # the parent of a fork hands over its own
                attributes = dict(zip(count.instrument.attributes, count.attributes, strict=True))
                with suppress(Exception):  # of whichever SDK it is
                    _record[count.instrument](count.amount, attributes)


def _points(gauge: Instrument) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield a value and its attributes for each class: the worst of its live settings."""
    for measure, states in _observed:
        classes: defaultdict[str, list[Measured]] = defaultdict(list)
        for measured in measure():
            classes[measured.settings].append(measured)
        for name, found in classes.items():
            if gauge is STATE:
                worst = max((each.state for each in found), key=states.index)
                # As OpenTelemetry's own conventions have it: a series that only ended would show
                # its last value for some time.
                yield from ((int(state == worst), (name, state)) for state in states)
            elif gauge is AGE and (ages := [m.age for m in found if m.age is not None]):
                yield max(ages), (name,)
            elif gauge is EXPIRES_IN and (
                left := [t for m in found if (t := m.expires_in) is not None]
            ):
                yield min(left), (name,)
