"""Processes with live settings that share a store, as a test sees them: see `following`."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import kill
from pathlib import Path
from typing import Any, Final

from tests.live.rig import LONG, eventually

PROGRAM: Final = Path(__file__).with_name("following.py")


class Process:
    """One process.

    Attributes:
        pid: Its number.
        value: The last that it has told.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rw")
        self._answers: queue.Queue[Any] = queue.Queue()
        self.pid: int = json.loads(self._stream.readline())["pid"]
        self.value = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._stream:
            said = json.loads(line)
            if "value" in said:
                self.value = said["value"]
            else:
                self._answers.put(said["answer"])
        self._answers.put(None)

    def tell(self, command: str) -> None:
        """Have it do something."""
        self._stream.write(f"{command}\n")
        self._stream.flush()

    def answer(self) -> Any:
        """Return the answer to what it was told."""
        return self._answers.get(timeout=LONG)

    def ask(self, command: str) -> Any:
        """Have it do something, and return its answer."""
        self.tell(command)
        return self.answer()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        kill(self.pid, number)

    def close(self) -> None:
        """Close the connection, which ends the process."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Fleet:
    """Makes processes, and ends them."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._programs: list[subprocess.Popen[str]] = []
        self._processes: list[Process] = []

    def join(self) -> Process:
        """Return the next process that connects."""
        self._server.settimeout(LONG)
        connection, _ = self._server.accept()
        connection.settimeout(None)
        self._processes.append(process := Process(connection))
        return process

    def fork(self, number: int, environ: Mapping[str, str]) -> list[Process]:
        """Return so many new processes, which have not started yet."""
        port = str(self._server.getsockname()[1])
        program = subprocess.Popen(
            [sys.executable, PROGRAM, str(number), port],
            env=environ,
            text=True,
            stdin=subprocess.PIPE,
        )
        self._programs.append(program)
        return [self.join() for _ in range(number)]

    def close(self) -> None:
        """End all processes."""
        for program in self._programs:
            assert program.stdin
            program.stdin.close()
            program.wait(LONG)
        for process in self._processes:
            process.close()
        self._server.close()


@contextmanager
def fleet() -> Iterator[Fleet]:
    """Let a test make processes, which are gone afterwards."""
    made = Fleet()
    try:
        yield made
    finally:
        made.close()


def start(processes: Sequence[Process]) -> None:
    """Have all of them start at once, and return when they have."""
    for process in processes:
        process.tell("start")
    for process in processes:
        process.value = process.answer()


def leaders(processes: Sequence[Process]) -> list[Process]:
    """Return those that have the lead."""
    return [process for process in processes if process.ask("leads")]


def leader(processes: Sequence[Process]) -> Process:
    """Return the one that has the lead, as soon as one has."""
    found: list[Process] = []

    def one_leads() -> bool:
        found[:] = leaders(processes)
        return len(found) == 1

    eventually(one_leads)
    return found[0]


def all_see(processes: Sequence[Process], value: str) -> None:
    """Return once all of them have told this value."""
    eventually(lambda: all(process.value == value for process in processes))
