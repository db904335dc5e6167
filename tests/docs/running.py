"""Runs a page from its top to its end, as a reader would who types what stands there."""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import pexpect
import yaml

from tests.docs.blocks import Block, blocks_of, needs_of
from tests.postgres import Postgres, free_port
from vaultconfig.devserver import DevServer

PATIENCE: Final = 60.0
"""Seconds for a command, which a busy machine needs."""

COLUMNS: Final = 100
"""Of the terminal on which a block is run that asks for one."""

PORTS: Final = ("8000", "8200")
"""Those that pages use; free ones take their place, since several pages run at once."""

PORT: Final = re.compile(rf"(?:(?<=:)|(?<=--port ))(?:{'|'.join(PORTS)})\b")

OURS: Final = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
QUICKSTART: Final = "environments/production/salesforce/api-credentials"
READERS: Final[dict[str, Callable[[str], object]]] = {
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}


@contextmanager
def _vault() -> Iterator[dict[str, str]]:
    """Run a ScaiVault that holds the credential of its Quickstart."""
    with DevServer() as vault:
        vault.put(QUICKSTART, {"client_id": "dev-client", "client_secret": "not-a-secret"})
        yield {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token, "NO_PROXY": "127.0.0.1"}


@contextmanager
def _postgres() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL that an administrator's `psql`, and each driver, finds by its variables."""
    with Postgres() as server:
        yield {**server.variables, "PATH": f"{server.programs}{os.pathsep}{os.environ['PATH']}"}


NEEDS: Final[dict[str, Callable[[], AbstractContextManager[dict[str, str]]]]] = {
    "vault": _vault,
    "postgres": _postgres,
}
"""What a page can ask for, and by which variables it is found."""


def run(page: Path, directory: Path, commands: Path) -> None:
    """Run *page* in *directory*; the command ``vaultconfig`` is put into *commands*."""
    with ExitStack() as stack:
        stack.enter_context(_clean_environment(commands))
        stack.enter_context(_the_log_as_it_is())
        for need in needs_of(page):
            os.environ |= stack.enter_context(NEEDS[need]())
        terminals = stack.enter_context(closing(Terminals(commands)))
        module = sys.modules["page"] = ModuleType("page")
        ports = {port: str(free_port()) for port in PORTS}
        os.environ["VAULTCONFIG_DEV_PORT"] = ports["8200"]
        for block in blocks_of(page):
            text = PORT.sub(lambda found: ports[found[0]], block.text)
            if block.language in READERS:
                READERS[block.language](text)
            if block.file:
                file = directory / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            elif block.keeps_running:
                terminals.show(block, text)
            elif block.language == "console":
                _run_console(block, text, commands / "environment")
            elif block.language == "python":
                _run_python(block, text, module)


def _run_python(block: Block, text: str, module: ModuleType) -> None:
    padding = "\n" * block.line  # so that a traceback shows the page's line
    exec(compile(padding + text, block.page, "exec", dont_inherit=True), vars(module))


def _run_console(block: Block, text: str, left: Path) -> None:
    """Run the commands, and compare what they print.

    What they leave, the directory and the variables, is what the next block finds.
    """
    script, shown = _parts(text)
    # readline, which pytest loads, gives each child a COLUMNS. The trap runs however they end.
    script = f"unset COLUMNS LINES\ntrap 'env -0 >{shlex.quote(str(left))}' EXIT\n{script}"
    printed, code = (_on_a_terminal if block.on_a_terminal else _piped)(script)
    assert code == block.exits_with, f"{block}: {printed}"
    assert _is_shown(printed, shown), f"{block}: {printed}"
    variables = dict(
        each.split("=", 1)
        for each in left.read_text("utf-8", "surrogateescape").split("\0")
        if each
    )
    os.environ.clear()
    os.environ |= variables
    os.chdir(variables["PWD"])


def _piped(script: str) -> tuple[str, int]:
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout, done.returncode


def _on_a_terminal(script: str) -> tuple[str, int]:
    printed, code = pexpect.run(
        shlex.join(["/bin/sh", "-e", "-c", script]),
        timeout=PATIENCE,
        withexitstatus=True,
        encoding="utf-8",
        dimensions=(50, COLUMNS),
    )
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", printed).replace("\r\n", "\n"), code


class Terminals:
    """Those beside the page, each known by the last command that was typed there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[str, tuple[Block, subprocess.Popen[bytes], Path]] = {}

    def show(self, block: Block, text: str) -> None:
        """Run the commands in a new terminal, or look at the one where they go on already.

        Ends when everything is printed that is shown. ``^C`` as the last line is pressed there.
        """
        script, shown = _parts(text)
        command = script.splitlines()[-1]
        if command not in self._running:
            output = self._directory / f"line {block.line}"
            with output.open("wb") as file:
                process = subprocess.Popen(
                    ["/bin/sh", "-e", "-c", script],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._running[command] = block, process, output
        _, process, output = self._running[command]
        shown, ctrl_c, _ = shown.partition("^C")
        printed, until = "", time.monotonic() + PATIENCE
        while not (_is_shown(printed, shown) or _is_shown(printed, f"{shown.rstrip()}\n…")):
            assert process.poll() is None, f"{block} has ended: {printed}"
            assert time.monotonic() < until, f"{block}: {printed}"
            time.sleep(0.02)
            printed = output.read_text("utf-8")
        if ctrl_c:
            del self._running[command]
            _press_ctrl_c(block, process, output)

    def close(self) -> None:
        """Press Ctrl-C in each; they have to run until then."""
        ended = []
        for block, process, output in self._running.values():
            if process.poll() is None:
                _press_ctrl_c(block, process, output)
            else:
                ended.append(f"{block} has ended: {output.read_text('utf-8')}")
        assert not ended, "\n".join(ended)


def _press_ctrl_c(block: Block, process: subprocess.Popen[bytes], output: Path) -> None:
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    printed = output.read_text("utf-8")
    assert "Traceback" not in printed, f"{block}: {printed}"


def _parts(text: str) -> tuple[str, str]:
    """Return the commands of a console block, and what is shown of their output."""
    lines = re.sub(r"\\\n(?:> )?", "", text).splitlines()
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    return "\n".join(commands), "\n".join(line for line in lines if not line.startswith("$ "))


def _is_shown(printed: str, shown: str) -> bool:
    """Return whether it is what is shown, where an ellipsis is anything; nothing is anything."""
    pattern = re.sub(r"[\[\]?*]", r"[\g<0>]", shown.strip() or "…").replace("…", "*")
    return fnmatch.fnmatchcase(printed.strip(), pattern)


@contextmanager
def _clean_environment(commands: Path) -> Iterator[None]:
    """Have nothing of ours set, and the command `vaultconfig` of this very package."""
    command = commands / "vaultconfig"
    code = "from vaultconfig.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -W error -c "{code}" "$@"\n')
    command.chmod(0o755)
    before, directory = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith((*OURS, "PYTHONSAFEPATH"))]:
        del os.environ[name]
    path = f"{commands}{os.pathsep}{Path(sys.executable).parent}"
    os.environ["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    # A reader has no other plugins, and ours here are slow to import.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["PYTEST_ADDOPTS"] = "-p vaultconfig.testing"
    try:
        yield
    finally:
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(before)
        sys.modules.pop("page", None)


@contextmanager
def _the_log_as_it_is() -> Iterator[None]:
    """Undo what a page does to the log of this process."""
    loggers = [logging.getLogger(name) for name in (None, "vaultconfig")]
    before = [(logger, logger.level, logger.handlers.copy()) for logger in loggers]
    try:
        yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
