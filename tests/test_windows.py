"""What Windows lacks: settings, `.env` and the command line do without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import vaultconfig

# What of others is needed is there before anything is taken away: they have their own ways.
PROGRAM = """
import asyncio, importlib, logging, multiprocessing, os, random, signal, subprocess, sys, threading
import click, dotenv, fastapi, httpx, opentelemetry.metrics, pydantic_settings, starlette, uvicorn
import yaml

ON_WINDOWS = {"SIGABRT", "SIGBREAK", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
for name in [name for name in dir(signal) if name.startswith("SIG") and name[3] != "_"]:
    if name not in ON_WINDOWS and name.isupper():
        delattr(signal, name)
for name in (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fchmod", "fchown", "fork",
    "getegid", "geteuid", "getgid", "getuid", "killpg", "mkfifo", "register_at_fork", "setsid",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None

failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print(*failed, sep="\\n")

import vaultconfig
os.environ.update(VAULTCONFIG_ENVIRONMENT="development")
open(".env", "w").write("PASSWORD=from .env")
class Settings(vaultconfig.VaultSettings):
    password: str
assert Settings().password == "from .env"
"""


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    """No module needs forks, POSIX's signals or its modules in order to be imported."""
    root = Path(vaultconfig.__file__).parent
    files = [file.relative_to(root.parent).with_suffix("") for file in root.rglob("*.py")]
    names = sorted(".".join(file.parts).removesuffix(".__init__") for file in files)
    names = [name for name in names if not name.endswith("__main__") and "django" not in name]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
