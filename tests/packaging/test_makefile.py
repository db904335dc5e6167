"""What the Makefile would run in a fresh clone; nothing of it is run here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()


def commands(*arguments: str) -> str:
    return subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("target", sorted({*TARGETS} - {"clean", "test-pythons"}))
def test_a_target_makes_the_environment_that_it_uses(target: str, tmp_path: Path) -> None:
    """A program of an environment is run only after the environment has been made."""
    venv = tmp_path / "venv"
    made: set[str] = set()
    for line in commands(target, f"VENV={venv}").splitlines():
        if found := re.search(r"-m venv --clear (\S+)", line):
            made.add(found[1])
        else:
            assert {*re.findall(rf"{venv}[\w-]*", line)} <= made, line
    assert made


def test_clean_leaves_nothing_that_git_ignores() -> None:
    """What was made here goes, and what is somebody's own stays."""
    removed = commands("clean", "VENV=.venv").replace("\\\n", " ").split()
    ignored = {name.rstrip("/*") for name in (ROOT / ".gitignore").read_text("utf-8").split()}
    assert ignored - {*removed} == {"__pycache__", "*.egg-info", ".env"}
