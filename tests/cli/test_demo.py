"""``vaultconfig demo``, and what it needs."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Project, only_lines
from vaultconfig import LiveSettings


def test_the_whole_story(project: Project, tmp_path: Path) -> None:
    """It shows each step in seconds, whatever the caller's environment, and leaves nothing."""
    project.write(".env", "CLIENT_SECRET=mine\nVAULTCONFIG_TTL=wrong\n")
    (tmp_path / "tmp").mkdir()
    hostile = {
        "SCAIVAULT_URL": "http://192.0.2.1",
        "SCAIKEY_CLIENT_ID": "x",
        "VAULTCONFIG_DEADLINE": "wrong",
        "VAULTCONFIG_ENVIRONMENT": "development",
        "HTTP_PROXY": "http://192.0.2.1",
        "CLIENT_ID": "given",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ended = project.run_apart("demo", env=hostile)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
    assert (ended.code, ended.err) == (0, "")
    said = ["version 1", "class Salesforce", "SecretStr('**********')", "first_secret: version 1"]
    said += ["CLIENT_SECRET=**********", "loads back equal", "client_secret is version 3"]
    places = [ended.out.index(text) for text in said]
    assert places == sorted(places)
    assert (project.names(), os.listdir(tmp_path / "tmp")) == ([".env"], [])


def test_a_step_that_fails(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a step doesn't show what it should, it says which, and exits with 1."""
    monkeypatch.setattr(LiveSettings, "refresh", lambda self: None)
    ended = project.run("demo")
    assert ended.code == 1
    assert "the demo did not show what it should: " in only_lines(ended)[0]


def test_without_the_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without starlette it says what to install."""
    monkeypatch.setitem(sys.modules, "starlette", None)  # as if it were not installed
    for name in [name for name in sys.modules if name.startswith("vaultconfig.devserver")]:
        monkeypatch.delitem(sys.modules, name)
    for command in ("demo", "dev-server"):
        ended = project.run(command)
        assert (ended.code, ended.err) == (
            3,
            "Error: the dev server needs starlette: pip install 'scaivault-config[dev-server]'\n",
        )


def test_dev_server_is_wired(project: Project) -> None:
    """The dev server's own command is found under its name."""
    ended = project.run("dev-server", "--host", "0.0.0.0")
    assert ended.code == 2
    assert "--allow-remote" in " ".join(only_lines(ended))
