"""Providers that come late, hang, raise or are not there, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.telemetry.programs import PROGRAMS
from vaultconfig.devserver import DevServer

FILE = Path(__file__).with_name("programs.py")


@pytest.mark.parametrize("name", [each.__name__ for each in PROGRAMS])
def test_a_program(name: str, vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does what its own sentence says, and writes nothing."""
    if name in ("forked", "signal_in_a_counter") and not hasattr(os, "fork"):
        pytest.skip("nothing forks here")
    vault_env.put("api", {"key": "first"})
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([*filter(None, sys.path), str(FILE.parents[2])])
    )
    ended = subprocess.run(
        [sys.executable, "-P", FILE, name], capture_output=True, text=True, check=False, timeout=90
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
