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


def test_nothing_is_a_cached_property() -> None:
    """In Python 3.11 one has a lock for its class, which a forked child may find held."""
    modules = Path(vaultconfig.__file__).parent.rglob("*.py")
    assert [str(file) for file in modules if "cached_property" in file.read_text()] == []
