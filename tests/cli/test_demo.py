"""``vaultconfig demo`` as a process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Project, only_lines

# Runs the command with a module, or a name in one, replaced.
BROKEN = "import sys; {change}; from vaultconfig.cli import main; sys.argv = ['x', 'demo']; main()"


def run(project: Project, change: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BROKEN.format(change=change)],
        cwd=project.path,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )


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
    ended = project.run("demo", env=hostile)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
    assert (ended.code, ended.err) == (0, "")
    said = ["version 1", "class Salesforce", "SecretStr('**********')", "first_secret: version 1"]
    said += ["CLIENT_SECRET=**********", "loads back equal", "client_secret is version 3"]
    places = [ended.out.index(text) for text in said]
    assert places == sorted(places)
    assert (project.names(), os.listdir(tmp_path / "tmp")) == ([".env"], [])


def test_a_step_that_fails(project: Project) -> None:
    """Where a step doesn't show what it should, it says which, and exits with 1."""
    change = "from vaultconfig.live import LiveSettings as L; L.refresh = lambda self: None"
    done = run(project, change)
    assert done.returncode == 1
    assert "the demo did not show what it should: " in done.stderr


def test_without_the_extra(project: Project) -> None:
    """Without starlette it says what to install."""
    done = run(project, "sys.modules['starlette'] = None")
    assert done.returncode == 3
    assert done.stderr == (
        "Error: the dev server needs starlette: install scaivault-config[dev-server]\n"
    )


def test_dev_server_is_wired(project: Project) -> None:
    """The dev server's own command is found under its name."""
    ended = project.run("dev-server", "--host", "0.0.0.0")
    assert ended.code == 2
    assert "--allow-remote" in " ".join(only_lines(ended))
