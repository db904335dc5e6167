"""A project directory of its own for each test, and the command as a process in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vaultconfig.devserver import DevServer

CANARY = "canary-71c4"
OURS = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
COMMAND = (sys.executable, "-W", "error", "-m", "vaultconfig.cli")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with settings in it, and an environment to run commands in."""

    path: Path
    environ: dict[str, str] = field(repr=False)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def declare(self, *fields: str, head: str = "", config: str = "") -> None:
        """Write app.py with a class of these fields."""
        lines = [
            "from typing import Annotated, Any",
            "from pydantic import BaseModel, Field, SecretStr",
            "from vaultconfig import VaultConfigDict, VaultSettings",
            head,
            "class Settings(VaultSettings):",
            f"    model_config = VaultConfigDict({config})",
            *(f"    {field}" for field in fields),
        ]
        self.write("app.py", "\n".join(lines) + "\n")

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[bytes]:
        environ = {**self.environ, **(env or {})}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # options are Popen's
            [*COMMAND, *args],
            cwd=self.path,
            env={name: value for name, value in environ.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def run(self, *args: str, env: Mapping[str, str] | None = None, **options: object) -> Ended:
        process = self.start(*args, env=env, **options)
        out, err = process.communicate(timeout=30)
        return Ended(process.returncode, out.decode(), err.decode())

    def names(self) -> list[str]:
        """Name all files here but what Python leaves."""
        return sorted(name for name in os.listdir(self.path) if name != "__pycache__")


@pytest.fixture
def project(tmp_path: Path, vault: DevServer) -> Project:
    """An empty project, whose environment points to the vault of this test."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    # A program of the project imports from its own directory, however the tests are run.
    environ.pop("PYTHONSAFEPATH", None)
    environ |= {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCAIVAULT_URL": vault.url,
        "SCAIVAULT_TOKEN": vault.token,
        "NO_PROXY": "127.0.0.1",
    }
    path = tmp_path / "project"
    path.mkdir()
    return Project(path, environ)


Refused = Callable[[Ended], str]


def only_lines(ended: Ended) -> list[str]:
    """Return what a command that failed said, which is no traceback and no value."""
    assert "Traceback" not in ended.err
    assert CANARY not in ended.out + ended.err
    return ended.err.splitlines()
