"""Processes that fork while a thread builds settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vaultconfig
from vaultconfig.devserver import DevServer


def test_no_child_hangs(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is forked at any step of another thread's load can load all the same."""
    vault_env.put("app", {"token": "t"})
    vault_env.put("other", {"host": "h"})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    program = Path(__file__).with_name("forking.py")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.stderr == ""
    assert {"bring", "_tidy", "given_by"} <= set(ended.stdout.split())


BUILDING = """
import os, signal, sys, threading
from typing import Annotated
from vaultconfig import VaultSettings

class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]

is_building, forks = threading.Event(), threading.Event()

def stop(frame, event, argument):
    if frame.f_back.f_code.co_name == "model_rebuild" and not is_building.is_set():
        is_building.set()
        forks.wait()

def load():
    sys.settrace(stop)
    Settings()

thread = threading.Thread(target=load)
thread.start()
is_building.wait()
os.register_at_fork(before=forks.set)
child = os.fork()
if not child:
    signal.alarm(20)
    Settings()
    os._exit(0)
print(os.waitpid(child, 0)[1])
thread.join()
"""


def test_no_child_hangs_on_the_lock_of_pydantic(vault_env: DevServer) -> None:
    """A child can load although a thread was building our deferred model when it was forked."""
    vault_env.put("app", {"token": "t"})
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BUILDING]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_nothing_is_a_cached_property() -> None:
    """In Python 3.11 one has a lock for its class, which a forked child may find held."""
    modules = Path(vaultconfig.__file__).parent.rglob("*.py")
    assert [str(file) for file in modules if "cached_property" in file.read_text()] == []
