"""Nothing but close() ends the refreshing, and what stops is noticed."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import pytest
from pydantic import model_validator

from tests.live.rig import LONG, VERY_LONG, Ahead, eventually, heard, reads
from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, VaultConfigError, VaultUnavailableError
from vaultconfig.live import first_read, listeners
from vaultconfig.live.refresher import Seams
from vaultconfig.live.worker import Worker

CANARY = "hunter2-canary"


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]

    @model_validator(mode="after")
    def obey(self) -> Settings:
        """Do what some values say."""
        if self.key == "exit":
            sys.exit(CANARY)
        if self.key == "exhausted":
            raise MemoryError
        return self


Live: TypeAlias = LiveSettings[Settings]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.2")
    return vault_env


@pytest.fixture
def live() -> Iterator[Live]:
    with LiveSettings(Settings) as live:
        yield live


def rotate(vault: DevServer, live: Live, *keys: str) -> None:
    """Rotate to each of *keys*, and see that it arrives."""
    for key in keys:
        vault.put("api", {"key": key})
        eventually(lambda key=key: live.current.key == key)


def exits(_: object) -> None:
    sys.exit(CANARY)


def interrupts(_: object) -> None:
    raise KeyboardInterrupt(CANARY)


def raises(_: object) -> None:
    raise ValueError(CANARY)


def runs_out_of_memory(_: object) -> None:
    raise MemoryError


class TestListeners:
    """Listeners that misbehave are named, and harm neither the refreshing nor one another."""

    @pytest.mark.parametrize("listener", [exits, interrupts, raises, runs_out_of_memory])
    def test_what_they_raise(
        self,
        vault: DevServer,
        live: Live,
        listener: Callable[[object], None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Whatever it is, the next two rotations arrive, the other listeners' too."""
        told: list[str] = []
        live.on_change(listener)
        live.on_error(listener)
        errors: list[Exception] = []
        live.on_error(errors.append)
        live.on_change(lambda change: told.append(change.new.key))
        rotate(vault, live, "k2", "k3")
        heard(live)
        assert told == ["k2", "k3"]
        eventually(lambda: live.health().state == "fresh")
        assert {type(error) for error in errors} <= {ValueError, MemoryError, VaultConfigError}
        assert len(errors) == 2
        line = listener.__code__.co_firstlineno
        expected = f"the listener {listener.__name__} ({__name__}:{line}) raised"
        assert expected in caplog.text
        assert CANARY not in caplog.text

    def test_one_that_never_returns(
        self,
        vault: DevServer,
        live: Live,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is named in the log, and costs one thread however often the settings change."""
        monkeypatch.setattr(listeners, "LONGEST_CALL", 1.0)
        returns = threading.Event()
        changes: list[Change[Settings]] = []
        told: list[str] = []

        def hang(change: Change[Settings]) -> None:
            changes.append(change)
            returns.wait(VERY_LONG)

        live.on_change(hang)
        live.on_change(lambda change: told.append(change.new.key))
        rotate(vault, live, "k2", "k3", "k4")
        heard(live)
        assert told == ["k2", "k3", "k4"]
        eventually(lambda: live.health().state == "fresh")
        eventually(lambda: caplog.text.count("hang (") == 1)
        assert "has been running for over" in caplog.text
        assert [t.name for t in threading.enumerate()].count("vaultconfig-listener") == 1
        returns.set()
        eventually(lambda: len(changes) == 2)  # what it has missed, in one
        assert (changes[1].old.key, changes[1].new.key) == ("k2", "k4")
        assert changes[1].versions == {"api": 4}

    def test_refreshing_goes_on_beside_one(self, vault: DevServer, live: Live) -> None:
        """While a listener runs, rotations arrive; no time has to pass for that."""
        entered, returns = threading.Event(), threading.Event()

        def wait(_: object) -> None:
            entered.set()
            returns.wait(VERY_LONG)

        live.on_change(wait)
        rotate(vault, live, "k2")
        assert entered.wait(LONG)
        rotate(vault, live, "k3", "k4")
        returns.set()
        heard(live)

    @pytest.mark.parametrize("listener", [42, None, "notify"])
    def test_what_can_not_be_called(self, live: Live, listener: object) -> None:
        """It is refused when it is registered, not at the first rotation."""
        for register in (live.on_change, live.on_error):
            with pytest.raises(ConfigurationError, match="can't be called: give a function"):
                register(listener)  # type: ignore[arg-type]  # what is refused

    def test_generators_are_refused(self, live: Live) -> None:
        """Calling one runs none of it."""

        def generator(change: object) -> Iterator[None]:
            yield

        async def asynchronous(change: object) -> AsyncIterator[None]:
            yield

        class Generating:
            def __call__(self, change: object, extra: str = "") -> Iterator[None]:
                yield

        for function in (
            generator,
            asynchronous,
            Generating(),
            functools.partial(Generating(), extra=""),
        ):
            with pytest.raises(ConfigurationError, match="is a generator function"):
                live.on_change(function)

    def test_one_field_may_be_a_text(self, vault: DevServer, live: Live) -> None:
        """A single name is not taken for its letters."""
        told: list[object] = []
        live.on_change(told.append, fields="key")
        rotate(vault, live, "k2")
        heard(live)
        assert len(told) == 1


class TestCoroutines:
    """A coroutine function as a listener runs on the loop in which it was registered."""

    @pytest.mark.parametrize("kind", ["function", "partial", "object", "lambda"])
    def test_it_runs_there(self, vault: DevServer, live: Live, kind: str) -> None:
        """As it is, and in the shapes that functions come in."""
        told: list[tuple[str, object]] = []

        async def listen(change: Change[Settings], extra: str = "") -> None:
            await asyncio.sleep(0)
            told.append((change.new.key, asyncio.get_running_loop()))

        class Listening:
            async def __call__(self, change: Change[Settings]) -> None:
                await listen(change)

        shapes: dict[str, Callable[..., Any]] = {
            "function": listen,
            "partial": functools.partial(listen, extra="x"),
            "object": Listening(),
            "lambda": lambda change: listen(change, "x"),
        }

        async def use() -> None:
            live.on_change(shapes[kind])
            for key in ("k2", "k3"):
                vault.put("api", {"key": key})
                while (key, asyncio.get_running_loop()) not in told:
                    await asyncio.sleep(0.001)

        asyncio.run(asyncio.wait_for(use(), LONG))
        assert [key for key, _ in told] == ["k2", "k3"]

    def test_without_a_loop_it_is_refused(self, live: Live) -> None:
        """It would never run."""

        async def listen(change: object) -> None:
            raise AssertionError

        for register in (live.on_change, live.on_error):
            with pytest.raises(ConfigurationError, match=r"listen \(.*\) is a coroutine function"):
                register(listen)

    def test_a_loop_that_has_ended_is_told_of(
        self, vault: DevServer, live: Live, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing awaits it any more, which the log says; other listeners go on."""

        async def listen(change: object) -> None:
            raise AssertionError

        async def register() -> None:
            live.on_change(listen)

        asyncio.run(register())
        told: list[object] = []
        live.on_change(told.append)
        rotate(vault, live, "k2")
        heard(live)
        assert len(told) == 1
        assert "can't run: the event loop in which it was registered has ended" in caplog.text

    def test_one_that_exits_does_not_end_the_loop(self, vault: DevServer, live: Live) -> None:
        """asyncio lets SystemExit of a task through; ours tells on_error, and the loop goes on."""
        errors: list[Exception] = []
        live.on_error(errors.append)

        async def listen(change: object) -> None:
            sys.exit(CANARY)

        async def use() -> None:
            live.on_change(listen)
            vault.put("api", {"key": "k2"})
            while not errors:
                await asyncio.sleep(0.001)

        asyncio.run(asyncio.wait_for(use(), LONG))
        assert "SystemExit" in str(errors[0])
        assert CANARY not in str(errors[0])

    def test_what_it_raises_is_told(
        self, vault: DevServer, live: Live, caplog: pytest.LogCaptureFixture
    ) -> None:
        """on_error hears of it, also of a TimeoutError, which could be taken for ours."""
        errors: list[Exception] = []
        live.on_error(errors.append)

        async def listen(change: object) -> None:
            raise TimeoutError(CANARY)

        async def use() -> None:
            live.on_change(listen)
            vault.put("api", {"key": "k2"})
            while not errors:
                await asyncio.sleep(0.001)

        asyncio.run(asyncio.wait_for(use(), LONG))
        assert isinstance(errors[0], TimeoutError)
        assert CANARY not in caplog.text


class Broken(logging.Filter):
    """A filter of the application that fails."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def filter(self, record: logging.LogRecord) -> bool:
        raise self.error(CANARY)


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_a_log_that_fails(vault: DevServer, live: Live, error: type[BaseException]) -> None:
    """A filter that raises, even what ends programs, ends neither thread, and no change is lost."""
    logger, broken = logging.getLogger("vaultconfig"), Broken(error)
    logger.addFilter(broken)
    told: list[str] = []
    live.on_change(raises)
    live.on_change(lambda change: told.append(change.new.key))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logger, "level", logging.DEBUG)
            logging.getLogger("vaultconfig").manager._clear_cache()  # type: ignore[attr-defined]
            rotate(vault, live, "k2", "k3")
            heard(live)
    finally:
        logger.removeFilter(broken)
        logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert told == ["k2", "k3"]


@pytest.mark.parametrize("bad", ["exit", "exhausted"])
def test_a_step_that_raises(vault: DevServer, live: Live, bad: str) -> None:
    """What a validator raises is a failure like any other, and the next rotation arrives."""
    errors: list[Exception] = []
    live.on_error(errors.append)
    vault.put("api", {"key": bad})
    eventually(lambda: errors)
    assert live.health().state == "stale"
    assert CANARY not in f"{live.health()} {errors}"
    rotate(vault, live, "k2", "k3")
    eventually(lambda: live.health().state == "fresh")


def test_a_step_that_raises_outside_of_everything(
    vault: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where our own code fails, the thread goes on after a backoff, and says so."""
    failures = [MemoryError(CANARY), SystemExit(CANARY)]

    def chance() -> float:
        if threading.current_thread().name == "vaultconfig-refresh" and failures:
            raise failures.pop()
        return 0.5

    with LiveSettings(Settings, Seams(random=chance)) as live:
        rotate(vault, live, "k2", "k3")
        assert not failures
    assert "MemoryError" in caplog.text
    assert CANARY not in caplog.text


def test_a_thread_that_died_is_started_again(
    vault: DevServer, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it died: overdue is stale, and the next read starts another and has the new value."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "300")
    monkeypatch.setattr(first_read, "LONGEST", VERY_LONG)
    with LiveSettings(Settings, Seams(clock=ahead)) as live:
        first = live._worker
        assert first is not None
        first.end()
        first.join(LONG)
        vault.put("api", {"key": "k2"})
        ahead.seconds += 295.0
        assert live._refresher.health().state == "stale"
        assert "overdue" in str(live._refresher.health().last_error)
        ahead.seconds += 100.0
        assert live.current.key == "k2"
        assert live.health().state == "fresh"
        assert live._worker is not first


def test_a_watcher_that_died_is_started_again(vault: DevServer, live: Live) -> None:
    """The thread that refreshes looks after the one that polls."""
    first = live._watcher
    assert first is not None
    first._thread.end()
    eventually(lambda: live._watcher is not first and live._watcher is not None)


def test_a_worker_survives_its_clock(caplog: pytest.LogCaptureFixture) -> None:
    """Steps are taken again and again, whatever they raise."""
    done = threading.Event()

    class Owner:
        steps = 0

        def step(self) -> float:
            self.steps += 1
            if self.steps > 2:
                done.set()
                return 60.0
            raise GeneratorExit(CANARY)

    owner = Owner()
    worker = Worker(owner.step, name="test", clock=iter(range(10**9)).__next__)
    assert done.wait(LONG)
    worker.end()
    assert "GeneratorExit escaped in the thread vaultconfig-test" in caplog.text


def test_who_uses_it_is_counted(vault: DevServer) -> None:
    """Of several that use it at once, the last to leave closes it; close() closes at once."""
    live = LiveSettings(Settings)
    with live:
        with live:
            pass
        rotate(vault, live, "k2")
    assert live.health().next_refresh is None
    with live:
        live.close()
        assert live.health().next_refresh is None
        live.start()
    assert live.health().next_refresh is not None
    live.close()


@pytest.mark.usefixtures("few_tries")
def test_a_start_that_fails_uses_nothing(vault: DevServer) -> None:
    """Whoever could not enter has not to leave."""
    live = LiveSettings(Settings)
    vault.stop()
    with pytest.raises(Exception, match="no connection"):
        live.__enter__()
    vault.start()
    with live, ThreadPoolExecutor(1):
        pass
    assert live.health().next_refresh is None


def test_a_system_without_more_threads(tmp_path: Path) -> None:
    """Readers are served what there is, one line says so, and it goes on once threads are back."""
    program = """
import logging, resource, sys, threading
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]

lines = []
logging.getLogger("vaultconfig").addHandler(handler := logging.Handler())
handler.emit = lambda record: lines.append(record.getMessage())
live = LiveSettings(Settings)
live.load()
before = threading.stack_size(2**40)  # more than there is
for _ in range(3):
    assert live.current.key == "k1"
    live.refresh()
assert lines == ["the settings are not refreshed: the system starts no more threads"], lines
threading.stack_size(before)
assert live.current.key == "k1"
assert any(thread.name == "vaultconfig-refresh" for thread in threading.enumerate())
live.close()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_that_hangs(vault: DevServer, live: Live) -> None:
    """A handler of the log that never returns holds up neither rotations nor readers."""
    returns = threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            returns.wait(VERY_LONG)

    hanging = Hanging(logging.INFO)
    logger = logging.getLogger("vaultconfig")
    logger.addHandler(hanging)
    try:
        vault.fault(path="/v1/secrets/**", code="service_unavailable", times=1)
        eventually(lambda: live.health().last_error)
        rotate(vault, live, "k2", "k3")
        eventually(lambda: live.health().state == "fresh")
    finally:
        returns.set()
        heard(live)
        logger.removeHandler(hanging)


def test_who_left_late_does_not_close(vault: DevServer) -> None:
    """An exit that belongs to before a close() is not that of whoever has entered since."""
    live = LiveSettings(Settings)
    first = live.__enter__()
    live.close()
    with live:
        first.__exit__(None, None, None)
        rotate(vault, live, "k2")
        assert live.health().next_refresh is not None
    assert live.health().next_refresh is None


def test_closed_while_it_starts(vault: DevServer) -> None:
    """A SIGTERM during the start is not lost: nothing runs when the start is over."""
    live = LiveSettings(Settings)
    gate = vault.hold("/v1/secrets/**")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(live.start)
        gate.wait_until_asked()
        live.close()
        vault.release()
        starting.result(LONG)
    assert live.health().next_refresh is None
    assert live.current.key == "k1"


def test_starts_share_a_failure(vault: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many threads that start at once, none waits for more than two loads that fail."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "1")
    live = LiveSettings(Settings)
    vault.hold("/v1/secrets/**")
    together = threading.Barrier(16)

    def start() -> None:
        together.wait(LONG)
        live.start()

    with ThreadPoolExecutor(16) as pool:
        starts = [pool.submit(start) for _ in range(16)]
        failures = [start.exception(LONG) for start in starts]
    assert {type(failure) for failure in failures} == {VaultUnavailableError}
    assert len(reads(vault)) <= 2
