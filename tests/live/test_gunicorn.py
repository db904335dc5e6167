"""Four workers of gunicorn, with and without --preload."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.live.rig import LONG, eventually, followed
from vaultconfig.devserver import DevServer

WORKERS = 4
TTL = 1  # second
HERE = Path(__file__).parent


@pytest.fixture(params=[(), ("--preload",)], ids=["plain", "preload"])
def server(
    vault_env: DevServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    vault_env.put("api", {"key": "first"})
    monkeypatch.setenv("VAULTCONFIG_TTL", str(TTL))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(HERE), "--bind"]
    options = [f"127.0.0.1:{port}", "--workers", str(WORKERS), "--log-level", "warning"]
    with subprocess.Popen([*command, *options, *request.param, "wsgi:application"]) as process:
        yield f"http://127.0.0.1:{port}", process
        process.terminate()
        assert process.wait(LONG) == 0


def answers(url: str) -> dict[int, str]:
    """Return what the workers that happen to be asked read, by process."""
    opener = build_opener(ProxyHandler({}))
    found: dict[int, str] = {}
    for _ in range(4 * WORKERS):
        try:
            with opener.open(url, timeout=LONG) as answer:
                pid, value = answer.read().decode().split()
        except URLError:  # it is still starting
            time.sleep(0.01)
        else:
            found[int(pid)] = value
    return found


def await_all(url: str, value: str) -> set[int]:
    """Return the workers once there are four of them and all read *value*."""
    seen: dict[int, str] = {}

    def do_all() -> bool:
        seen.update(answers(url))
        for pid in [pid for pid in seen if not Path(f"/proc/{pid}").exists()]:
            del seen[pid]
        return len(seen) == WORKERS and set(seen.values()) == {value}

    eventually(do_all)
    return set(seen)


def test_every_worker_follows_the_vault(
    vault: DevServer, server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """A worker that was not asked for three ttls answers its first request with the new value.

    All show a rotation; those that are killed come back and do too; nothing is left.
    """
    url, process = server
    followers = WORKERS + ("--preload" in process.args)  # type: ignore[operator]  # it is a list
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    eventually(lambda: len(children.read_text().split()) == WORKERS)
    eventually(lambda: vault.requests)
    vault.rotate("api", {"key": "second"})
    loaded = time.monotonic()
    eventually(lambda: time.monotonic() - loaded > 3 * TTL)
    assert set(answers(url).values()) == {"second"}

    first = await_all(url, "second")
    vault.rotate("api", {"key": "third"})
    assert await_all(url, "third") == first
    eventually(lambda: followed(vault) == followers)
    victim = first.pop()
    os.kill(victim, signal.SIGKILL)
    vault.rotate("api", {"key": "fourth"})
    last = await_all(url, "fourth")
    assert victim not in last
    eventually(lambda: followed(vault) == followers + 1)
    process.terminate()
    assert process.wait(LONG) == 0
    assert not [pid for pid in last if Path(f"/proc/{pid}").exists()]
    # All have unsubscribed but the one that was killed.
    eventually(lambda: sum(r.method == "DELETE" for r in vault.requests) == followers)
    assert len(vault.subscriptions) == 1
