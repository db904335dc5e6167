"""Processes that fork, and processes that end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

import pytest

from tests.live.rig import LONG, VERY_LONG, eventually
from vaultconfig.devserver import DevServer

FORKING = Path(__file__).with_name("forking.py")


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "first"})
    vault_env.put("db", {"host": "h1"})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("VAULTCONFIG_TTL", "0.3")
    return vault_env


class Program:
    """A running `forking.py`, and the lines that it has said, without the processes' numbers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self._input: IO[bytes] = process.stdin
        self._output: IO[bytes] = process.stdout
        self.said: list[tuple[str, str]] = []

    def go_on(self, *, times: int = 1) -> None:
        self._input.write(b"\n" * times)
        self._input.flush()

    def hear(self, word: str, *, times: int = 1) -> list[str]:
        """Return what was said under *word*, once it has been said so many times."""
        while len(heard := [what for said, what in self.said if said == word]) < times:
            line = self._output.readline().decode().split()
            assert line, f"it ended after {self.said}"
            self.said.append((line[0], "".join(line[2:])))
        return heard

    def hear_all(self, what: str) -> None:
        """Return once the parent and its three children have said *what*."""
        for word, times in (("parent", 1), ("child", 3)):
            self.hear(word, times=times)
            while sum(line == (word, what) for line in self.said) < times:
                self.hear(word, times=len(self.hear(word)) + 1)


@pytest.fixture
def run() -> Iterator[Callable[[str], Program]]:
    running: list[subprocess.Popen[bytes]] = []

    def run(mode: str) -> Program:
        process = subprocess.Popen(
            [sys.executable, "-u", FORKING, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        return Program(process)

    yield run
    for process in running:
        process.kill()
        process.communicate()


Run: TypeAlias = Callable[[str], Program]


def run_to_the_end(program: Program, vault: DevServer) -> list[str]:
    """Rotate, see that every process shows it and ends clean; return the sockets they had."""
    vault.put("api", {"key": "last"})
    vault.release()
    program.hear_all("last")
    sockets = [inode for line in program.hear("sockets", times=4) for inode in line.split(",")]
    program.go_on(times=4)
    assert program.hear("left") == ["0"]
    assert program.process.wait(LONG) == 0
    assert "failed" not in dict(program.said)
    return sockets


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_process_refreshes_by_itself(vault: DevServer, run: Run, method: str) -> None:
    """multiprocessing: parent and children all show a rotation."""
    program = run(method)
    program.hear_all("first")
    run_to_the_end(program, vault)


def test_workers_of_one_master_drift_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what they begin with was read at one time, no two refresh at one time."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "300")
    times = [float(said) for said in run("preload").hear("due", times=16)]
    assert len(set(times)) == 16
    assert 0.1 * 300 < max(times) - min(times) < 0.9 * 300


@pytest.mark.parametrize("_", range(3))
def test_a_fork_in_the_middle_of_a_refresh(vault: DevServer, run: Run, _: int) -> None:
    """os.fork while a request and a poll are under way: no process hangs, nothing is shared."""
    program = run("os.fork")
    program.hear("parent")
    eventually(lambda: any(r.path.endswith("/poll") for r in vault.requests))
    vault.hold("/v1/secrets/**")
    vault.wait_until_asked()
    program.go_on()
    program.hear("child", times=3)
    sockets = run_to_the_end(program, vault)
    assert len(sockets) == len(set(sockets)) >= 4


@pytest.mark.parametrize("mode", ["import", "import settings"] * 2)
def test_a_fork_in_the_middle_of_an_import(vault: DevServer, run: Run, mode: str) -> None:
    """os.fork while another thread imports httpx for the first time: the child can use it."""
    program = run(mode)
    program.hear_all("first")
    run_to_the_end(program, vault)


ENDINGS = {
    "by itself": "",
    "sys.exit": "sys.exit(0)",
    "threads that go on": """
def go_on() -> None:
    threading.main_thread().join()
    live.refresh()

threading.Thread(target=go_on).start()
""",
}
EXITING = """
import sys, threading, time
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    host: Annotated[str, "vault:db#host"]
    pinned: Annotated[str, "vault:api?version=1#key"]

live = LiveSettings(Settings)
live.start()
assert live.current.key == "first"
print("started", flush=True)
sys.stdin.readline()
"""
POLLS_FOR_LONG = f"""
from vaultconfig.client import subscriptions
from vaultconfig.live.leading import Alone
subscriptions.LONGEST_POLL = Alone.poll = {VERY_LONG}
"""


@pytest.fixture
def exiting() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_a_process(
    vault: DevServer, exiting: Callable[[str], subprocess.Popen[str]], ending: str
) -> None:
    """Without close(): exit code 0, no noise, no wait for a poll; the subscription is deleted."""
    gate = vault.hold("/v1/subscriptions/*/poll")
    process = exiting(POLLS_FOR_LONG + EXITING + ENDINGS[ending])
    gate.wait_until_asked()
    output, errors = process.communicate("\n", timeout=LONG)
    assert (process.returncode, output, errors) == (0, "", "")
    eventually(lambda: any(r.method == "DELETE" for r in vault.requests))


def test_the_end_of_a_process_whose_vault_hangs(
    vault: DevServer,
    exiting: Callable[[str], subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests that are never answered do not hold it up."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", str(VERY_LONG))
    process = exiting(EXITING)
    vault.hold("/**")
    vault.wait_until_asked(2)
    output, errors = process.communicate("\n", timeout=30)  # less than a poll takes
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_a_pool_unsubscribe(vault: DevServer, method: str) -> None:
    """Those that end by themselves leave no subscription behind, though atexit does not run."""
    done = subprocess.run(
        [sys.executable, FORKING.with_name("recycling.py"), method],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")
    eventually(lambda: vault.subscriptions == ())
    made = sum(r.method == "POST" and r.path == "/v1/subscriptions" for r in vault.requests)
    assert made >= 7
