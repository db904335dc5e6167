"""A project directory of its own for each test, and the command in it.

`Project.run` runs the command in this process, which takes milliseconds. Signals, terminals, a
program in its place, and what importing does, take a process of its own: `Project.run_apart` or
`Project.start`.
"""

from __future__ import annotations

import base64
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from vaultconfig.cli import vaultconfig
from vaultconfig.devserver import DevServer
from vaultconfig.vaults.shared import close_vaults

CANARY = "canary-71c4"
KEY = base64.b64encode(b"k" * 32).decode()
OURS = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
COMMAND = (sys.executable, "-W", "error", "-m", "vaultconfig")


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

    def run(self, *args: str, env: Mapping[str, str] | None = None, text: bytes = b"") -> Ended:
        """Run the command in this process, with *text* as its standard input."""
        with self.as_in_a_process(env):
            done = CliRunner().invoke(
                vaultconfig,
                args,
                input=text,
                catch_exceptions=False,
                terminal_width=78,  # what click makes of 80 columns
            )
        return Ended(done.exit_code, done.stdout_bytes.decode(), done.stderr_bytes.decode())

    def run_apart(
        self, *args: str, env: Mapping[str, str] | None = None, **options: object
    ) -> Ended:
        """Run the command in a process of its own."""
        process = self.start(*args, env=env, **options)
        out, err = process.communicate(timeout=30)
        return Ended(process.returncode, out.decode(), err.decode())

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # options are Popen's
            [*COMMAND, *args],
            cwd=self.path,
            env=self._environ(env),
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def names(self) -> list[str]:
        """Name all files here but what Python leaves."""
        return sorted(name for name in os.listdir(self.path) if name != "__pycache__")

    def _environ(self, more: Mapping[str, str] | None) -> dict[str, str]:
        environ = {**self.environ, **(more or {})}
        return {name: value for name, value in environ.items() if value}

    @contextmanager
    def as_in_a_process(self, env: Mapping[str, str] | None) -> Iterator[None]:
        """Let this process look like a fresh one in the project, and then as it was."""
        environ, modules, path = dict(os.environ), set(sys.modules), list(sys.path)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.path)
            patch.setattr(sys, "argv", ["vaultconfig"])
            patch.setattr(sys, "path", path.copy())
            # A module that is written twice in a second would be taken for the first.
            patch.setattr(sys, "dont_write_bytecode", True)
            importlib.invalidate_caches()
            for name in (None, "vaultconfig", "vaultconfig.client"):
                patch.setattr(logging.getLogger(name), "handlers", [])
            patch.setattr(os, "execvpe", _refuse_to_become)
            os.environ.clear()
            os.environ |= self._environ(env)
            try:
                yield
            finally:
                close_vaults()
                os.environ.clear()
                os.environ |= environ
                theirs = {
                    name.partition(".")[0]
                    for place in set(sys.path) - set(path)
                    for name in os.listdir(place)
                }
                for name in set(sys.modules) - modules:
                    if name.partition(".")[0] in theirs:
                        del sys.modules[name]


def _refuse_to_become(*_: object) -> NoReturn:
    raise AssertionError("another program would take the place of pytest: use run_apart")


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


@pytest.fixture
def shop(project: Project, vault: DevServer) -> Project:
    """A project with two references and a store in a directory, in which nothing is stored yet."""
    user, absent = '"vault:db#user"', '"vault:nowhere?optional#x"'
    project.declare(f"user: Annotated[str, {user}]", f'absent: Annotated[str, {absent}] = ""')
    vault.put("db", {"user": f"{CANARY}-user"})
    project.environ.update(
        VAULTCONFIG_STORE=f"file:{project.path}/kept",
        VAULTCONFIG_STORE_KEY=KEY,
        VAULTCONFIG_APPLICATION="shop",
    )
    return project


def only_lines(ended: Ended) -> list[str]:
    """Return what a command that failed said, which is no traceback and no value."""
    assert "Traceback" not in ended.err
    assert CANARY not in ended.out + ended.err
    return ended.err.splitlines()
