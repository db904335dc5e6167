"""git is asked about a file before secrets go into it."""

import os
import subprocess
from pathlib import Path

import pytest

from vaultconfig.errors import ConfigurationError
from vaultconfig.render.files import write
from vaultconfig.render.git import standing

COMMIT = ("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x")


def git(directory: Path, *arguments: str) -> None:
    """Run git for real, untouched by the user's settings."""
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=directory,
        check=True,
        capture_output=True,
    )


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A home without git settings."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def repository(tmp_path):
    """A repository that tracks ``tracked`` and ignores ``ignored``."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "tracked").write_text("old")
    (repository / ".gitignore").write_text("ignored\n")
    git(repository, "add", ".")
    git(repository, *COMMIT)
    return repository


def test_a_tracked_file_is_refused(repository):
    """What git tracks is not written, also where it was deleted or only staged."""
    for name in ("tracked", "staged"):
        (repository / name).write_text("old")
        git(repository, "add", name)
        with pytest.raises(ConfigurationError, match=f"git tracks .*{name}"):
            write(repository / name, "canary")
        assert (repository / name).read_text() == "old"
    (repository / "tracked").unlink()
    assert standing(str(repository), "tracked") == "tracked"


def test_an_exposed_file_gets_a_warning(repository):
    """What `git add .` would take is written, with a warning that names it."""
    (warning,) = write(repository / ".env", "new")
    assert ".env: add it to .gitignore" in warning


def test_an_ignored_file_is_fine(repository, tmp_path):
    """What git ignores, or does not see, is written without a word."""
    assert write(repository / "ignored", "new") == []
    assert write(tmp_path / "outside", "new") == []
    assert write(repository / ".git" / "inside", "new") == []


def test_the_users_own_ignores_count(repository):
    """An ignore file in the user's home is honoured as git honours it."""
    ignore = Path(os.environ["HOME"]) / ".config" / "git" / "ignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text(".env\n")
    assert standing(str(repository), ".env") == "ignored"


def test_worktrees_and_submodules_count(repository, tmp_path):
    """A linked work tree and a submodule know their own files."""
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    assert standing(str(tmp_path / "linked"), "tracked") == "tracked"
    assert standing(str(tmp_path / "linked"), "new") == "exposed"
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "add", "-q", str(repository), "sub")
    assert standing(str(outer / "sub"), "tracked") == "tracked"
    assert standing(str(outer / "sub"), "ignored") == "ignored"


@pytest.mark.parametrize("name", ["--cached", "-q", ":(glob)*", "*", "[t]racked", "ü\n"])
def test_a_name_is_only_a_name(repository, name):
    """A name is never read as an option or a pattern."""
    assert standing(str(repository), name) == "exposed"
    (repository / name).write_text("x")
    git(repository, "add", "-A")
    assert standing(str(repository), name) == "tracked"


def test_the_callers_variables_do_not_count(repository, tmp_path, monkeypatch):
    """GIT_DIR, as in a hook, does not make git look elsewhere."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert standing(str(repository), "tracked") == "tracked"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_repository_counts(repository):
    """In a container root may write into the repository of its user."""
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 65534, 65534)
    assert standing(str(repository), "tracked") == "tracked"


def test_a_repository_runs_no_program_of_its_own(repository):
    """A monitor that a repository's configuration names is not run."""
    monitor = repository / ".git" / "monitor"
    monitor.write_text("#!/bin/sh\ntouch ran\n")
    monitor.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(monitor))
    assert standing(str(repository), "tracked") == "tracked"
    assert not (repository / "ran").exists()


def test_without_git_nothing_is_asked(repository, monkeypatch):
    """Where git is not installed, no path counts as tracked."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert standing(str(repository), "tracked") == "outside"


def test_a_broken_repository_is_not_trusted(repository):
    """In doubt the answer is an error."""
    (repository / ".git" / "index").write_bytes(b"garbage")
    with pytest.raises(ConfigurationError, match="git cannot say whether it tracks"):
        write(repository / "tracked", "canary")
