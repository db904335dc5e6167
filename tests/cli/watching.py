"""A command that goes on until a signal ends it, and what it prints meanwhile."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from tests.cli.conftest import Project
from vaultconfig.devserver import DevServer

PATIENCE = 30.0  # seconds until a test that waits for something has failed


class Running:
    """A command in a process of its own; `said` has its lines, of both streams."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        self._readers = [threading.Thread(target=self._read, args=[s]) for s in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._lines.put(line.decode().rstrip())
        stream.close()

    def expect(self, text: str) -> str:
        """Return the next line with *text* in it."""
        while text not in (line := self._lines.get(timeout=PATIENCE) or ""):
            self.said.append(line)
        self.said.append(line)
        return line

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return how the command ended."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return how it has ended, once all is read that it printed."""
        code = self.process.wait(timeout=PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        while not self._lines.empty():
            self.said.append(self._lines.get() or "")
        return code


@contextmanager
def running(
    project: Project, *args: str, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a command in a session of its own, of which nothing is left at the end."""
    # One pipe for both, which keeps the order of their lines.
    options = {"stderr": subprocess.STDOUT, "start_new_session": True}
    command = Running(project.start(*args, env=env, **options))
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.wait()


def until(condition: Callable[[], object]) -> None:
    """Wait for what other processes and threads do."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)


def put_and_wait(vault: DevServer, path: str, data: Mapping[str, str]) -> None:
    """Write a version that is announced, and wait until the command has asked for it."""
    until(lambda: vault.subscriptions)
    before = len(vault.requests)
    vault.put(path, data)
    until(lambda: any(request.is_about(path) for request in list(vault.requests)[before:]))


def alive(pid: int) -> bool:
    """Whether there is such a process, other than a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
