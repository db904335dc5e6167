"""Celery's prefork pool: the parent loads, and its children refresh by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from celery import Celery

from tests.live.rig import LONG, eventually, followed
from vaultconfig.devserver import DevServer

HERE = Path(__file__).parent


@pytest.fixture
def box(vault_env: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the broker, while a worker with two processes is running."""
    vault_env.put("api", {"key": "first"})
    monkeypatch.setenv("VAULTCONFIG_TTL", "1")
    monkeypatch.setenv("CELERY_BOX", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *filter(None, sys.path)]))
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool=prefork"]
    options = ["--concurrency=2", "--loglevel=error", "--without-gossip", "--without-mingle"]
    with subprocess.Popen([*command, *options], cwd=tmp_path, stdout=subprocess.DEVNULL) as worker:
        yield tmp_path
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(LONG) == 0
    eventually(lambda: vault_env.subscriptions == ())


def test_each_child_follows_the_vault(vault: DevServer, box: Path) -> None:
    """Both processes of the pool show a rotation that came after the fork."""
    numbers = count()
    sender = Celery(broker="filesystem://")
    sender.conf.broker_transport_options = dict.fromkeys(
        ("data_folder_in", "data_folder_out", "control_folder"), str(box)
    )

    def answer() -> tuple[int, str]:
        number = next(numbers)
        sender.send_task("celery_app.read", [number])
        file = box / f"answer-{number}"
        eventually(lambda: file.exists() and file.read_text())
        pid, value = file.read_text().split()
        return int(pid), value

    assert answer()[1] == "first"
    vault.rotate("api", {"key": "second"})
    seen: dict[int, str] = {}

    def both_have_it() -> bool:
        pid, value = answer()
        seen[pid] = value
        return len(seen) == 2 and set(seen.values()) == {"second"}

    eventually(both_have_it)
    eventually(lambda: followed(vault) == 3)  # else the end comes before there is one to delete
