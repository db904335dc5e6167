"""The hook for pre-commit: what the file says, run as pre-commit would run it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import COMMAND, Project
from vaultconfig.devserver import DevServer

FILE = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
GOOD = (
    "debug: bool = False",
    "region: str",
    'user: Annotated[str, "vault:environments/{environment}/{region}/db#user"]',
    'password: Annotated[SecretStr, "vault:db#password"]',
)


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return dict(found)


def commit(project: Project) -> subprocess.CompletedProcess[str]:
    """Run the entry at the root of a repository, with nothing of ours in the environment."""
    entry = shlex.split(hook()["entry"])
    assert entry[0] == "vaultconfig"
    ours = ("SCAIVAULT", "VAULTCONFIG")
    environ = {name: v for name, v in project.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [*COMMAND, *entry[1:]],
        cwd=project.path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def repository(project: Project) -> Project:
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    project.write("pyproject.toml", '[tool.vaultconfig]\nsettings = "app:Settings"\n')
    return project


def test_what_pre_commit_reads() -> None:
    """It has the keys that pre-commit requires, of the types that it requires, and no others."""
    kinds = {
        "id": str,
        "name": str,
        "description": str,
        "entry": str,
        "language": str,
        "types_or": list,
        "pass_filenames": bool,
    }
    found = hook()
    assert {name: type(value) for name, value in found.items()} == kinds
    assert found["language"] == "python"
    assert found["pass_filenames"] is False


def test_a_good_class(repository: Project, vault: DevServer) -> None:
    """It passes without network and credentials, in no environment; the vault isn't asked."""
    repository.declare(*GOOD)
    done = commit(repository)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "4 fields: 1 ok, 1 not asked, 2 not set\n"
    assert vault.requests == []


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ('x: Annotated[str, "vault:db#"]', "x: invalid reference 'vault:db#'"),
        ('x: Annotated[str, "vault:{area}/db#x"]', "x: nothing provides {area}"),
        ('x: int = Field("one", validate_default=True)', "x: Input should be a valid integer"),
    ],
)
def test_a_class_with_a_mistake(repository: Project, field: str, told: str) -> None:
    """It fails, and the hook says where."""
    repository.declare(*GOOD, field)
    done = commit(repository)
    assert done.returncode == 1
    assert told in done.stderr


def test_an_env_file_that_git_tracks(repository: Project) -> None:
    """It fails for a `.env` that is about to be committed, and says what to run."""
    repository.declare(*GOOD)
    repository.write(".env", "A=1\n").chmod(0o600)
    subprocess.run(["git", "add", "-f", ".env"], cwd=repository.path, check=True)
    done = commit(repository)
    assert done.returncode == 1
    *_, command = [line for line in done.stderr.splitlines() if line.startswith("Run: ")]
    subprocess.run(command.removeprefix("Run: "), shell=True, cwd=repository.path, check=True)
    assert commit(repository).returncode == 0
    assert (repository.path / ".env").exists()
