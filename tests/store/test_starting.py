"""Sixteen processes of one host that start at once: who asks, and what an outage does to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live.rig import reads
from tests.store.hosts import environ_of
from vaultconfig.devserver import DevServer

NUMBER: Final = 16
SECRETS: Final = 30
PROGRAM: Final = Path(__file__).with_name("starting.py")


class Started:
    """Processes that wait for a sign to load."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        assert program.stdout
        self.pids: list[int] = json.loads(program.stdout.readline())

    def go(self) -> None:
        assert self._program.stdin
        self._program.stdin.write("\n")
        self._program.stdin.flush()

    def lines(self, number: int = NUMBER) -> list[dict[str, Any]]:
        """Return what so many of them have said."""
        assert self._program.stdout
        return [json.loads(self._program.stdout.readline()) for _ in range(number)]


@pytest.fixture
def environ(vault: DevServer, tmp_path: Path) -> dict[str, str]:
    for n in range(SECRETS):
        vault.put(f"app/s{n}", {"key": f"value {n}"})
    return environ_of(vault, tmp_path / "store")


@contextmanager
def started(environ: dict[str, str], **other: str) -> Iterator[Started]:
    with subprocess.Popen(
        [sys.executable, PROGRAM, str(NUMBER), str(SECRETS)],
        env=environ | other,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        yield Started(program)


def are_up(lines: list[dict[str, Any]]) -> bool:
    """Whether all have loaded all secrets, and the default of what is absent."""
    assert [line["found"] for line in lines] == [SECRETS + 1] * len(lines)
    return all(line["is_up"] for line in lines)


def test_one_batch(vault: DevServer, environ: dict[str, str]) -> None:
    """One asks for all."""
    with started(environ) as processes:
        processes.go()
        assert are_up(processes.lines())
    assert len(reads(vault)) == 1


def test_a_vault_that_never_answers(vault: DevServer, environ: dict[str, str]) -> None:
    """Their entries are past the ttl: one of them tries it for 2 s, for all; then all are up."""
    with started(environ, VAULTCONFIG_TTL="0.05") as processes:
        processes.go()
        assert are_up(processes.lines())
    asked = len(reads(vault))
    vault.hold("/v1/secrets/**")
    with started(environ, VAULTCONFIG_TTL="0.05") as processes:
        processes.go()
        assert are_up(processes.lines())
    assert len(reads(vault)) <= asked + 2  # a busy machine may take longer than a note counts


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_one_that_asks_ends(
    vault: DevServer, environ: dict[str, str], sign: signal.Signals
) -> None:
    """Killed or stopped while the vault keeps it waiting: the next one asks when its turn ends."""
    gate = vault.hold("/v1/secrets/**")
    with started(environ) as processes:
        processes.go()
        gate.wait_until_asked()
        holder = _process_at(vault.requests[-1].connection, processes.pids)
        os.kill(holder, sign)
        gate.release()
        vault.release()
        assert are_up(processes.lines(NUMBER - 1))
        if sign is signal.SIGSTOP:
            os.kill(holder, signal.SIGCONT)
    assert len(reads(vault)) <= 2


def _process_at(port: int, pids: list[int]) -> int:
    """Return which of *pids* has a TCP connection from *port*."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    local = f":{port:04X}"
    inodes = {line.split()[9] for line in lines if line.split()[1].endswith(local)}
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            target = ""
            with suppress(FileNotFoundError):  # it has just been closed
                target = os.readlink(fd)
            if target.startswith("socket:") and target[8:-1] in inodes:
                return pid
    raise AssertionError("no process has this connection")
