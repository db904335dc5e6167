"""Asks git whether it tracks or ignores a file. Changes nothing, and runs no hooks."""

from __future__ import annotations

import os
import subprocess
from typing import Final, Literal

from vaultconfig.errors import ConfigurationError

Standing = Literal["tracked", "ignored", "exposed", "outside"]

# Not GIT_DIR and its like, which would answer for another repository, and not our credentials.
_ENVIRONMENT: Final = ("PATH", "HOME", "XDG_CONFIG_HOME")
_COMMAND: Final = (
    "git",
    *("-c", "core.fsmonitor=false"),  # would run a program that the repository names
    *("-c", "safe.directory=*"),  # a container's root may ask about its user's repository
)
_OUTSIDE: Final = ("not a git repository", "must be run in a work tree")


def standing(directory: str, name: str) -> Standing:
    """Return how git treats the file *name* in *directory*, which need not exist yet.

    ``outside`` is also the answer where git is not installed; ``exposed`` is a file that
    ``git add .`` would take.

    Raises:
        ConfigurationError: There is a repository, and git cannot read it.
    """
    listed = _run(directory, "--literal-pathspecs", "ls-files", "-z", "--", name)
    # Knows no literal pathspecs; a leading "./" makes the name one.
    ignored = _run(directory, "check-ignore", "-q", "--", f"./{name}")
    if listed is None or ignored is None:
        return "outside"
    if any(words in listed.stderr + ignored.stderr for words in _OUTSIDE):
        return "outside"
    if listed.returncode or ignored.returncode not in {0, 1}:
        raise ConfigurationError(
            f"git cannot say whether it tracks {os.path.join(directory, name)}: "
            "fix the repository, or write outside of it"
        )
    if listed.stdout:
        return "tracked"
    return "exposed" if ignored.returncode else "ignored"


def _run(directory: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"LC_ALL": "C", "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1"}
    try:
        return subprocess.run(  # noqa: S603 - a fixed command; the name follows "--"
            [*_COMMAND, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return None
