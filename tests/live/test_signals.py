"""Signal handlers that refresh, read, load and close, whatever they interrupt."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeAlias

import pytest
from pydantic import model_validator

from tests.live.rig import LONG, Ahead
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, VaultUnavailableError
from vaultconfig.live.refresher import Seams
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults.cache import Reading, SecretCache
from vaultconfig.vaults.flights import Flight
from vaultconfig.vaults.shared import _vaults


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]


Live: TypeAlias = LiveSettings[Settings]
Handle: TypeAlias = Callable[[Callable[[], object]], list[object]]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    return vault_env


@pytest.fixture
def live(vault: DevServer, ahead: Ahead) -> Iterator[Live]:
    live = LiveSettings(Settings, Seams(clock=ahead))
    live.start()
    yield live
    vault.release()
    live.close()


@pytest.fixture
def handle() -> Iterator[Handle]:
    """Let a function handle SIGHUP; what it returns or raises is noted."""
    noted: list[object] = []

    def handle(function: Callable[[], object]) -> list[object]:
        def handler(*_: object) -> None:
            try:
                noted.append(function())
            except Exception as error:
                noted.append(error)

        signal.signal(signal.SIGHUP, handler)
        return noted

    old = signal.getsignal(signal.SIGHUP)
    yield handle
    signal.signal(signal.SIGHUP, old)


def hang_up_when_asked(vault: DevServer, then: Callable[[], object]) -> threading.Thread:
    """Hold the next read, send SIGHUP once it waits, and then do *then*."""
    gate = vault.hold("/v1/secrets/**")

    def send() -> None:
        gate.wait_until_asked()
        os.kill(os.getpid(), signal.SIGHUP)
        then()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("signals", [1, 2])
def test_a_refresh_in_a_refresh(vault: DevServer, live: Live, handle: Handle, signals: int) -> None:
    """The nested one returns at once; what was rotated before the signal is read after it."""
    noted = handle(lambda: (vault.put("api", {"key": f"k{len(noted) + 2}"}), live.refresh()))

    def let_go() -> None:
        for _ in range(signals - 1):
            os.kill(os.getpid(), signal.SIGHUP)
        vault.release()

    # The vault's answer was made before the rotation.
    vault.fault(path="api", lag=1, times=1)
    thread = hang_up_when_asked(vault, let_go)
    live.refresh()
    thread.join(LONG)
    assert not [error for error in noted if isinstance(error, Exception)]
    assert live.current.key == f"k{len(noted) + 1}"


@pytest.mark.parametrize("first", ["refresh", "catch_up", "retry_once"])
@pytest.mark.parametrize("second", ["refresh", "catch_up", "current", "health", "start", "load"])
def test_anything_in_anything(
    vault: DevServer, live: Live, handle: Handle, first: str, second: str
) -> None:
    """No pair of calls waits for itself."""

    class RefusedError(Exception):
        pass

    def refuse() -> None:
        if live.current.key == "k1":
            raise RefusedError

    calls: dict[str, Callable[[], Any]] = {
        "refresh": live.refresh,
        "catch_up": lambda: live.catch_up(live.current),
        "current": lambda: live.current,
        "health": live.health,
        "start": live.start,
        "load": live.load,
        "retry_once": lambda: live.retry_once(refuse, on=RefusedError),
    }
    vault.put("api", {"key": "k2"})
    noted = handle(calls[second])
    thread = hang_up_when_asked(vault, vault.release)
    calls[first]()
    thread.join(LONG)
    assert len(noted) == 1
    assert not isinstance(noted[0], Exception)
    assert live.current.key == "k2"


def test_a_read_in_a_refresh_of_what_is_overdue(
    vault: DevServer, live: Live, handle: Handle, ahead: Ahead
) -> None:
    """The handler gets what there is, since the attempt to wait for is the one it interrupts."""
    ahead.seconds += 400.0
    vault.put("api", {"key": "k2"})
    noted = handle(lambda: live.current.key)
    thread = hang_up_when_asked(vault, vault.release)
    live.refresh()
    thread.join(LONG)
    assert noted in (["k1"], ["k2"])  # the thread of ours may have been faster
    assert live.current.key == "k2"


def test_close_ends_the_refresh_that_it_interrupts(
    vault: DevServer, live: Live, handle: Handle
) -> None:
    """SIGTERM in a refresh against a silent vault: close() returns, and so does the refresh."""
    noted = handle(live.close)
    thread = hang_up_when_asked(vault, lambda: None)
    with pytest.raises(ConfigurationError, match="closed"):
        live.refresh()
    thread.join(LONG)
    assert noted == [None]


@pytest.mark.parametrize("outer", ["Settings", "start", "load"])
@pytest.mark.parametrize("inner", ["Settings", "start", "load"])
def test_a_load_in_a_load(vault: DevServer, handle: Handle, outer: str, inner: str) -> None:
    """A handler may build settings, or start live ones, while its thread is doing the same."""
    live = LiveSettings(Settings)
    calls: dict[str, Callable[[], Any]] = {
        "Settings": Settings,
        "start": live.start,
        "load": live.load,
    }
    noted = handle(calls[inner])
    thread = hang_up_when_asked(vault, vault.release)
    calls[outer]()
    thread.join(LONG)
    assert len(noted) == 1
    assert not isinstance(noted[0], Exception)
    live.start()
    assert live.current.key == "k1"
    live.close()


def test_the_cache_in_the_middle_of_itself() -> None:
    """A handler that reads and writes the cache, whatever line of it is being run."""
    cache = SecretCache()
    secrets = [Secret(f"p{number}", 1, {}) for number in range(50)]
    hits: list[int] = []

    def use(number: int) -> None:
        secret = secrets[number % 50]
        cache.put(
            SecretKey(secret.path), Reading(secret, cache.clock()), keep=0.0001 * (number % 7)
        )
        cache.get(SecretKey(secrets[(number * 7) % 50].path), max_age=1.0)
        cache.forget(SecretKey(secrets[(number * 11) % 50].path))

    def handler(*_: object) -> None:
        hits.append(len(hits))
        use(len(hits))

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        number = 0
        while len(hits) < 2000:
            number += 1
            use(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    cache.put(SecretKey("p0"), Reading(secrets[0], cache.clock()), keep=60.0)
    found = cache.get(SecretKey("p0"), max_age=60.0)
    assert found is not None


def test_handlers_and_other_threads(vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While other threads load and refresh, a storm of handlers that do so ends in no deadlock."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.01")
    live = LiveSettings(Settings)
    live.start()
    stop, handled = threading.Event(), [0]

    def work() -> None:
        while not stop.is_set():
            live.refresh()
            Settings()

    def handler(*_: object) -> None:
        live.refresh()
        Settings()
        handled[0] += 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    old = signal.signal(signal.SIGALRM, handler)
    for thread in threads:
        thread.start()
    try:
        for number in range(200):
            signal.setitimer(signal.ITIMER_REAL, 0.0001 * (1 + number % 40))
            Settings()
            live.refresh()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        stop.set()
        for thread in threads:
            thread.join(LONG)
        live.close()
    assert handled[0] > 0
    assert not any(thread.is_alive() for thread in threads)


def test_a_handler_waits_for_another_refresh_not_for_ever(
    vault: DevServer, monkeypatch: pytest.MonkeyPatch, handle: Handle
) -> None:
    """It may have interrupted what that one waits for, such as a lock of the application."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "3")
    lock = threading.Lock()
    waits = threading.Event()

    class Waiting(VaultSettings):
        key: Annotated[str, "vault:api#key"]

        @model_validator(mode="after")
        def wait(self) -> Waiting:
            if self.key == "k2":
                waits.set()
                with lock:
                    pass
            return self

    live = LiveSettings(Waiting)
    live.start()
    vault.put("api", {"key": "k2"})
    noted = handle(live.refresh)
    with lock:
        other = threading.Thread(target=live.refresh)
        other.start()
        assert waits.wait(LONG)
        os.kill(os.getpid(), signal.SIGHUP)
        while not noted:
            pass
    other.join(LONG)
    assert isinstance(noted[0], VaultUnavailableError)
    assert live.current.key == "k2"
    live.close()


def test_a_load_that_a_signal_tore_apart(vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that nobody ends any more is waited for once, and then made anew."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "2")
    Settings()
    (known,) = _vaults.values()
    known.cache.forget(SecretKey("api"))
    dead = Flight()
    dead.thread = -1
    known.flights.under_way[SecretKey("api")] = dead
    with pytest.raises(VaultUnavailableError, match="before the deadline"):
        Settings()
    assert Settings().key == "k1"
