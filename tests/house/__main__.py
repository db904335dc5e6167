"""Measures each revision, and prints a table with one column for each; it takes some seconds.

A revision is a commit, branch or tag of git, or ``.`` for the working tree. All are measured with
the libraries that are installed here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from tests.house import static

PROJECT = Path(__file__).parents[2]
BEFORE_THE_WORK, BEFORE_THE_MOVES, NOW = "823308f", "cb0cef9", "."


def tree_of(revision: str, directory: Path) -> Path:
    """Return where the package of *revision* is, with its ``pyproject.toml``."""
    if revision == NOW:
        return PROJECT
    command = ["git", "archive", "--format=zip", revision, "vaultconfig", "pyproject.toml"]
    archive = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout
    ZipFile(BytesIO(archive)).extractall(directory)
    return directory


def traced(tree: Path, directory: Path) -> dict[str, float]:
    """Run ``traced.py`` on the package in *tree*, in a process of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",  # sets have one order, so that counts repeat
    }
    script = Path(__file__).with_name("traced.py")
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        cwd=directory,  # where no .env is
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def figures_of(revision: str) -> dict[str, float]:
    """Return what was counted, in the order of the table."""
    with tempfile.TemporaryDirectory() as package, tempfile.TemporaryDirectory() as empty:
        tree = tree_of(revision, Path(package))
        return static.figures(tree) | traced(tree, Path(empty))


def main() -> None:
    """Print a row for each figure."""
    revisions = sys.argv[1:] or [BEFORE_THE_WORK, BEFORE_THE_MOVES, NOW]
    columns = [figures_of(revision) for revision in revisions]
    print_row("", revisions)
    for name in columns[0]:
        print_row(name, [f"{column[name]:,.1f}".removesuffix(".0") for column in columns])


def print_row(name: str, cells: list[str]) -> None:
    sys.stdout.write(f"{name:<46}" + "".join(f" {cell:>9}" for cell in cells) + "\n")


if __name__ == "__main__":
    main()
