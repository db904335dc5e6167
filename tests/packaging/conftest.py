"""What is published, built once, and an environment with it and what its core needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
VERSION = distribution("scaivault-config").version


def build(source: Path, into: Path, *targets: str) -> None:
    """Build the distributions of *source*, without an environment of their own for it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *targets, "-d", str(into)],
        cwd=source,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=True,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with wheel and source distribution: those of ``DIST``, or fresh ones."""
    if given := os.environ.get("DIST"):
        return ROOT / given
    directory = tmp_path_factory.mktemp("dist")
    build(ROOT, directory)
    return directory


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    (file,) = built.glob("*.tar.gz")
    return file


def needed(name: str) -> Iterator[str]:
    """Name what *name* needs without any extra, and what that needs."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()
            yield from needed(requirement.name)


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and an empty directory to be in."""

    programs: Path
    directory: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; nothing of ours is behind it or in its variables."""
        return subprocess.run(
            [self.programs / command[0], *command[1:]],
            cwd=self.directory,
            env={"PATH": str(self.programs), "NO_PROXY": "127.0.0.1", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="session")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel, installed by pip where nothing is but what it needs, linked to from here."""
    directory = tmp_path_factory.mktemp("core")
    venv.create(directory / "venv", symlinks=True)
    (packages,) = directory.glob("venv/lib/python*/site-packages")
    for name in {*needed("scaivault-config")}:
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                (packages / file).symlink_to(Path(str(file.locate())).resolve())
    made = Environment(directory / "venv" / "bin", directory / "empty")
    made.directory.mkdir()
    python = str(made.programs / "python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "install", "--no-index", str(wheel)], check=True)
    return made
