"""Programs that each use OpenTelemetry in one way; they end without a word, or fail.

They need processes of their own, since a provider is set once in a process, and modules stay
imported.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Annotated, Any

from vaultconfig import LiveSettings, VaultSettings

API = "opentelemetry.metrics"


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


def use_all() -> LiveSettings[Settings]:
    """Load, start and refresh."""
    assert Settings().key == "first"
    live = LiveSettings(Settings)
    live.start()
    live.refresh()
    assert live.current.key == "first"
    return live


def not_installed() -> None:
    """OpenTelemetry can't be imported: everything works, and nobody is told of it."""
    sys.modules["opentelemetry"] = None  # type: ignore[assignment]  # so an import of it fails
    use_all().close()
    assert API not in sys.modules
    from vaultconfig import telemetry

    assert not telemetry._counts


def only_loading() -> None:
    """A load does not import it where nobody else has; live settings do, once they start."""
    Settings()
    live = LiveSettings(Settings)
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    live.start()
    assert API in sys.modules
    live.close()


def provider_set_late() -> None:
    """One that is set after the start finds the gauges, and what was counted before."""
    live = LiveSettings(Settings)
    live.load()
    collected = provide()
    found = collected()
    assert found["vaultconfig.state"]["Settings", "fresh"] == 1
    assert found["vaultconfig.expires_in"]["Settings",] > 0
    assert found["vaultconfig.refreshes"] == {("Settings", "ok"): 1}
    live.refresh()
    assert collected()["vaultconfig.refreshes"] == {("Settings", "ok"): 2}
    live.close()


def imported_late() -> None:
    """Where a program only loads, its requests count from when it has imported OpenTelemetry."""
    from vaultconfig.vaults.shared import close_vaults

    Settings()
    collected = provide()
    close_vaults()
    Settings()
    assert collected()["vaultconfig.requests"] == {("read", "ok"): 1}


def provide(**options: Any) -> Any:
    """Set a provider; return what collects from it."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from tests.telemetry.rig import collected

    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader], **options))
    return lambda: collected(reader)


def shut_down() -> None:
    """A provider that has been shut down, before or meanwhile, is in nobody's way."""
    from opentelemetry import metrics

    provide(shutdown_on_exit=False)
    live = use_all()
    metrics.get_meter_provider().shutdown()  # type: ignore[attr-defined]  # it is the SDK's
    live.refresh()
    live.close()
    use_all().close()


def disabled() -> None:
    """With OTEL_SDK_DISABLED all goes on."""
    os.environ["OTEL_SDK_DISABLED"] = "true"
    provide()
    use_all().close()


def exporter_raises() -> None:
    """What an exporter raises stays in its thread."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import (
        ConsoleMetricExporter,
        PeriodicExportingMetricReader,
    )

    logging.disable()  # the SDK tells of it
    exported = threading.Event()

    class Raising(ConsoleMetricExporter):
        def export(self, *args: Any, **kwargs: Any) -> Any:
            exported.set()
            raise RuntimeError("exporter")

    reader = PeriodicExportingMetricReader(Raising(), export_interval_millis=20)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    live = use_all()
    assert exported.wait(60)
    live.refresh()
    live.close()
    with suppress(RuntimeError):
        provider.shutdown()


def instruments_raise() -> None:
    """One whose instruments raise, or can't be made, costs the metrics and nothing else."""
    from opentelemetry import metrics

    class Raising(metrics.NoOpMeterProvider):
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("a canary")

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("vaultconfig").addHandler(handler)
    metrics.set_meter_provider(Raising())
    use_all().close()
    assert said == ["no metrics: OpenTelemetry raised RuntimeError"]


def counters_raise() -> None:
    """What a counter raises when it is given a count spoils neither the export nor the program."""
    collected = provide()
    from opentelemetry.sdk.metrics import Counter

    def fail(*_: object) -> None:
        raise RuntimeError("a canary")

    Counter.add = fail  # type: ignore[method-assign]
    from opentelemetry.sdk.metrics._internal import instrument

    instrument._Counter.add = fail  # type: ignore[method-assign]
    live = use_all()
    found = collected()
    assert found["vaultconfig.state"]["Settings", "fresh"] == 1
    assert not found["vaultconfig.requests"]
    live.close()


def provider_hangs() -> None:
    """One that never gives a meter is waited for once, and for a second."""
    from opentelemetry import metrics

    class Hanging(metrics.NoOpMeterProvider):
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            threading.Event().wait()

    metrics.set_meter_provider(Hanging())
    use_all().close()


def signal_in_a_counter() -> None:
    """A handler that refreshes may interrupt OpenTelemetry while that holds its locks."""
    from opentelemetry.sdk.metrics import SimpleFixedSizeExemplarReservoir
    from opentelemetry.sdk.metrics.view import View

    handled: list[None] = []

    def interrupt(_kind: object) -> Any:
        """Is called when the first count comes, while the counter is locked."""
        if threading.current_thread() is threading.main_thread() and not handled:
            signal.raise_signal(signal.SIGHUP)
        return SimpleFixedSizeExemplarReservoir

    def reload(*_: object) -> None:
        handled.append(None)
        live.refresh()

    signal.signal(signal.SIGHUP, reload)
    collected = provide(
        views=[View(instrument_name="vaultconfig.requests", exemplar_reservoir_factory=interrupt)]
    )
    live = LiveSettings(Settings)
    live.load()
    collected()
    assert handled
    assert collected()["vaultconfig.requests"] == {("read", "ok"): 2}
    live.close()


def forked() -> None:
    """A child shows its own gauges and counts, and not what its parent had counted."""
    collected = provide()
    live = LiveSettings(Settings)
    live.load()
    live.refresh()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            found = collected()
            assert found["vaultconfig.state"]["Settings", "fresh"] == 1
            assert found["vaultconfig.age"]["Settings",] >= 0
            assert not found["vaultconfig.refreshes"], found
            live.refresh()
            assert collected()["vaultconfig.refreshes"] == {("Settings", "ok"): 1}
            live.close()
            assert not collected()["vaultconfig.state"]
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert collected()["vaultconfig.refreshes"] == {("Settings", "ok"): 2}
    live.close()


PROGRAMS = [
    *(not_installed, only_loading, provider_set_late, imported_late),
    *(shut_down, disabled, exporter_raises, instruments_raise, counters_raise, provider_hangs),
    *(signal_in_a_counter, forked),
]

if __name__ == "__main__":
    faulthandler.dump_traceback_later(60, exit=True)
    {each.__name__: each for each in PROGRAMS}[sys.argv[1]]()
