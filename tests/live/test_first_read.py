"""The first read of a process that has been dormant, and reads while a refresh is overdue."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeAlias

import pytest

from tests.live.rig import LONG, VERY_LONG, Ahead, Clock, eventually, reads, without_waiting
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.live import first_read, kept_fresh
from vaultconfig.live.refresher import Seams
from vaultconfig.live.worker import OurThread, Worker


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


Live: TypeAlias = LiveSettings[Settings]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    monkeypatch.setenv("VAULTCONFIG_TTL", "1")
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", str(VERY_LONG))
    monkeypatch.setattr(first_read, "LONGEST", VERY_LONG)
    return vault_env


@pytest.fixture
def dormant(vault: DevServer, clock: Clock) -> Iterator[Live]:
    """Settings that were loaded three ttls ago, and that nothing has read or refreshed since."""
    live = LiveSettings(Settings, Seams(clock=clock))
    live.load()
    vault.put("api", {"key": "k2"})
    clock.advance(3.0)
    yield live
    vault.release()
    live.close()


def test_it_has_the_new_value(dormant: Live) -> None:
    """The first read waits for one attempt."""
    assert dormant.current.key == "k2"


def test_within_the_ttl_it_does_not_wait(
    vault: DevServer, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is younger than its ttl is served as it is."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "300")  # a second would pass on a busy machine
    live = LiveSettings(Settings, Seams(clock=ahead, random=lambda: 1.0))
    live.load()
    vault.put("api", {"key": "k2"})
    ahead.seconds += 150.0
    with live:
        assert live.current.key == "k1"


def test_all_threads_share_the_wait(vault: DevServer, dormant: Live) -> None:
    """Of 16 threads that read at once none gets the old value, and it is one request."""
    together = threading.Barrier(16)

    def read() -> str:
        together.wait(LONG)
        return dormant.current.key

    with ThreadPoolExecutor(16) as pool:
        assert {future.result(LONG) for future in [pool.submit(read) for _ in range(16)]} == {"k2"}
    assert len(reads(vault)) == 2


def test_a_silent_vault_is_waited_for_once(
    vault: DevServer, dormant: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, of two seconds, the old value is served, and then without any wait."""
    vault.hold("/v1/secrets/**")
    monkeypatch.setattr(first_read, "LONGEST", 0.5)
    began = time.monotonic()
    assert dormant.current.key == "k1"
    assert time.monotonic() - began >= 0.5
    monkeypatch.setattr(first_read, "LONGEST", VERY_LONG)
    assert without_waiting(lambda: {dormant.current.key for _ in range(100)}) == {"k1"}
    vault.release()
    eventually(lambda: dormant.current.key == "k2")


def test_a_failure_ends_the_wait(vault: DevServer, dormant: Live) -> None:
    """A vault that refuses the connection is waited for no longer than that takes."""
    vault.stop()
    assert without_waiting(lambda: dormant.current.key) == "k1"
    vault.start()


def test_an_attempt_that_is_over_is_not_waited_for(
    vault: DevServer, dormant: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt for a read may fail before the read begins to wait for it."""

    class Quick(Worker):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            eventually(lambda: dormant._refresher.attempts == 1)

    monkeypatch.setattr(kept_fresh, "Worker", Quick)
    vault.stop()
    assert without_waiting(lambda: dormant.current.key) == "k1"
    vault.start()


@pytest.mark.usefixtures("few_tries")
def test_a_start_in_an_outage_is_the_failure(vault: DevServer, clock: Clock) -> None:
    """What the cache served past its ttl is read without a wait, until the next attempt is due."""
    LiveSettings(Settings, Seams(clock=clock)).load()
    vault.put("api", {"key": "k2"})
    clock.advance(3.0)
    vault.fault(path="/v1/secrets/**", code="service_unavailable")
    with LiveSettings(Settings, Seams(clock=clock)) as live:
        asked = len(reads(vault))
        assert without_waiting(lambda: live.current.key) == "k1"
        health = live.health()
        assert (health.state, health.age) == ("stale", 3.0)
        assert "service_unavailable" in str(health.last_error)
        assert len(reads(vault)) == asked
        vault.clear_faults()
        clock.advance(1.0)
        live._publish_and_wake()
        eventually(lambda: live.current.key == "k2")
        assert live.health().state == "fresh"


def test_no_event_loop_waits(vault: DevServer, dormant: Live) -> None:
    """A coroutine that reads gets what there is, and the loop goes on."""
    vault.hold("/v1/secrets/**")

    async def read() -> set[str]:
        found = set()
        for _ in range(100):
            found.add(dormant.current.key)
            await asyncio.sleep(0)
        return found

    assert without_waiting(lambda: asyncio.run(read())) == {"k1"}
    vault.release()
    eventually(lambda: dormant.current.key == "k2")


def test_a_dependency_waits_without_blocking(vault: DevServer, dormant: Live) -> None:
    """The request gets the new value, and the loop goes on meanwhile."""
    vault.hold("/v1/secrets/**")

    async def ask() -> str:
        asking = asyncio.create_task(dormant.dependency())
        while len(reads(vault)) < 2:
            await asyncio.sleep(0.001)
        assert not asking.done()
        vault.release()
        return (await asking).key

    assert asyncio.run(asyncio.wait_for(ask(), LONG)) == "k2"


def test_our_own_threads_do_not_wait(vault: DevServer, dormant: Live) -> None:
    """A listener, or a validator in a refresh, would wait for itself."""
    vault.hold("/v1/secrets/**")
    read: list[str] = []
    thread = OurThread(lambda: read.append(dormant.current.key), name="test")
    thread.start()
    thread.join(LONG)
    assert read == ["k1"]


def test_a_signal_handler_in_the_wait_does_not_wait(vault: DevServer, dormant: Live) -> None:
    """It would hold up what it has interrupted; it gets what there is."""
    vault.hold("/v1/secrets/**")
    nested: list[str] = []
    main = threading.get_ident()

    def handle(*_: object) -> None:
        nested.append(dormant.current.key)
        vault.release()

    def interrupt() -> None:
        eventually(lambda: main in dormant._first_read._waiting)
        os.kill(os.getpid(), signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, handle)
    try:
        threading.Thread(target=interrupt).start()
        assert dormant.current.key == "k2"
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert nested == ["k1"]


def test_a_thawed_process_has_the_new_value(vault: DevServer, ahead: Ahead) -> None:
    """A machine that slept for longer than the ttl asks before it serves, though threads live."""
    live = LiveSettings(Settings, Seams(clock=ahead))
    with live:
        vault.put("api", {"key": "k2"})
        worker = live._worker
        ahead.seconds += 100.0
        assert live.current.key == "k2"
        assert live._worker is worker


def test_overdue_is_stale(vault: DevServer, clock: Clock) -> None:
    """While the vault keeps a refresh waiting, the state says so after five seconds."""
    with LiveSettings(Settings, Seams(clock=clock)) as live:
        gate = vault.hold("/v1/secrets/**")
        clock.advance(1.0)
        gate.wait_until_asked()
        assert live.health().state == "fresh"
        clock.advance(6.0)
        health = live.health()
        assert health.state == "stale"
        assert "overdue" in str(health.last_error)
        vault.release()
        eventually(lambda: live.health().state == "fresh")


@pytest.mark.parametrize("seconds", [3600.0, 90_000.0])
def test_a_machine_that_slept(
    vault: DevServer, ahead: Ahead, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The thread, whose wait did not go on meanwhile, is woken by the first read."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "300")
    with LiveSettings(Settings, Seams(clock=ahead)) as live:
        vault.put("api", {"key": "k2"})
        ahead.seconds += seconds
        assert live.current.key == "k2"
