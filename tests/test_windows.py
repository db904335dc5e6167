"""What Windows lacks: settings, `.env` and the command line do without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import vaultconfig
from vaultconfig.devserver import DevServer

# What of others is needed is there before anything is taken away: they have their own ways.
AS_ON_WINDOWS = """
import asyncio, importlib, logging, multiprocessing, os, random, signal, subprocess, sys, threading
import click, click._termui_impl, dotenv, fastapi, httpx, opentelemetry.metrics, pydantic_settings
import starlette, uvicorn, yaml

ON_WINDOWS = {"SIGABRT", "SIGBREAK", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
for name in [name for name in dir(signal) if name.startswith("SIG") and name[3] != "_"]:
    if name not in ON_WINDOWS and name.isupper():
        delattr(signal, name)
for name in (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_TMPFILE",
    "chown", "fchmod", "fchown", "fork", "getegid", "geteuid", "getgid", "getuid", "killpg",
    "mkfifo", "register_at_fork", "setsid",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
"""
IMPORTS = """
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print(*failed, sep="\\n")
"""
SETTINGS = """
import vaultconfig
os.environ.update(VAULTCONFIG_ENVIRONMENT="development")
open(".env", "w").write("PASSWORD=from .env")
class Settings(vaultconfig.VaultSettings):
    password: str
assert Settings.load().password == "from .env"
"""
COMMANDS = """
import json
from click.testing import CliRunner
from vaultconfig.cli import vaultconfig
for line in sys.argv[1:]:
    done = CliRunner().invoke(vaultconfig, line.split())
    print(json.dumps([done.exit_code, done.stdout, done.stderr, repr(done.exception)]))
"""


def run(program: str, *arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS + program, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    """No module needs forks, POSIX's signals or its modules in order to be imported."""
    root = Path(vaultconfig.__file__).parent
    files = [file.relative_to(root.parent).with_suffix("") for file in root.rglob("*.py")]
    names = sorted(".".join(file.parts).removesuffix(".__init__") for file in files)
    names = [name for name in names if not name.endswith("__main__") and "django" not in name]
    done = run(IMPORTS + SETTINGS, *names, directory=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_command_line_works(tmp_path: Path, vault_env: DevServer) -> None:
    """What is a call of POSIX in there has another way without it."""
    vault_env.put("db", {"password": "p1"})
    (tmp_path / "app.py").write_text(
        "from typing import Annotated\nfrom vaultconfig import VaultSettings\n"
        "class Settings(VaultSettings):\n    password: Annotated[str, 'vault:db#password']\n"
    )
    (tmp_path / "old.env").write_text("API_KEY=k1\n")
    lines = [
        *("check app:Settings", "refs app:Settings", "whoami", "ls"),
        *("render app:Settings", "render app:Settings", "render app:Settings --check"),
        *("render app:Settings -f json -o app.json", "get db#password -o password.txt"),
        "store keygen -o store.key",
        *(
            "import old.env --to shared/old --yes",
            "put shared/other key=1",
            "rm shared/other --yes",
        ),
    ]
    done = run(COMMANDS, *lines, directory=tmp_path)
    assert done.stderr == ""
    ends = dict(zip(lines, map(json.loads, done.stdout.splitlines()), strict=True))
    failed = {line: end for line, end in ends.items() if end[0]}
    assert not failed
    assert (tmp_path / ".env").read_text() == "PASSWORD=p1\n"
    assert (tmp_path / "password.txt").read_text() == "p1"
    assert [path.name for path in tmp_path.glob(".*")] == [".env"]


def test_run_says_that_it_is_not_there(tmp_path: Path, vault_env: DevServer) -> None:
    """To become another program needs POSIX; the program is not started as something else."""
    (tmp_path / "app.py").write_text(
        "from vaultconfig import VaultSettings\nclass Settings(VaultSettings): ...\n"
    )
    done = run(COMMANDS, "run app:Settings -- env", directory=tmp_path)
    code, out, said, _ = json.loads(done.stdout)
    assert (code, out) == (3, "")
    assert "run needs a POSIX system" in said
