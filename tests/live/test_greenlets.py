"""gevent and eventlet: what works, and what is refused with a line that says what to use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vaultconfig.devserver import DevServer

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
LIVE = """
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]

live = LiveSettings(Settings)
"""
READ = """
live.start()
assert live.current.key == "k1"
live.refresh()
live.close()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    return vault_env


def test_gevent_before_us() -> None:
    """A process that gevent patches first, as gunicorn does without --preload, works."""
    done = run(f"{PATCHES['gevent']}\n{LIVE}{READ}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", PATCHES)
def test_after_us(kind: str) -> None:
    """Patched after the import, as with --preload, they would hang: so they are refused."""
    done = run(f"{LIVE}\n{PATCHES[kind]}\n{READ}")
    assert done.returncode == 1
    assert "leave out --preload, or use gunicorn's worker class gthread" in done.stderr


def test_eventlet() -> None:
    """It is refused however early it patches."""
    done = run(f"{PATCHES['eventlet']}\n{LIVE}{READ}")
    assert done.returncode == 1
    assert "can't run in a process that eventlet patches" in done.stderr
