"""The dialects of one assignment a line: ``shell`` and ``docker``. Pure.

Each reads a text by its own rules, not by how the other half of this module writes it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from vaultconfig.errors import ConfigurationError
from vaultconfig.render.rules import ForeignFileError

# Variables that bash or dash keep for themselves: assigning them fails, or does something else.
_TAKEN_BY_SHELLS: Final = {
    *("_", "BASHOPTS", "BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV", "BASH_ARGV0"),
    *("BASH_CMDS", "BASH_COMMAND", "BASH_LINENO", "BASH_SOURCE", "BASH_SUBSHELL", "BASH_VERSINFO"),
    *("COMP_WORDBREAKS", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME"),
    *("GROUPS", "HISTCMD", "LINENO", "OPTIND", "PPID", "RANDOM", "SECONDS", "SHELLOPTS"),
    *("SRANDOM", "UID"),
}
# Docker reads lines with Go's bufio.Scanner in a buffer of this size, line end included.
_LONGEST_LINE: Final = 64 * 1024 - 1

SHELL_LIMITS: Final = "a shell keeps the name for itself"
DOCKER_LIMITS: Final = "a line break, or more than 64 KiB in a line"


def encode_shell(values: Mapping[str, str]) -> str:
    """Return lines that a POSIX shell sources: exports in single quotes, which expand nothing."""
    taken = _TAKEN_BY_SHELLS.intersection(values)
    if taken:
        raise ConfigurationError(f"{', '.join(sorted(taken))}: {SHELL_LIMITS}")
    quoted = {key: value.replace("'", r"'\''") for key, value in values.items()}
    return "".join(f"export {key}='{value}'\n" for key, value in quoted.items())


def parse_shell(text: str) -> dict[str, str | None]:
    """Return what sourcing *text* assigns, if it holds nothing but assignments.

    Raises:
        ForeignFileError: It holds something else.
    """
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        words = [""]
    assignments = [word.partition("=") for word in words if word != "export"]
    if not all(key and equals for key, equals, _ in assignments):
        raise ForeignFileError("the file holds more than shell assignments: remove the rest")
    return {key: value for key, _, value in assignments}


def encode_docker(values: Mapping[str, str]) -> str:
    """Return lines for ``docker run --env-file``, which knows no quotes."""
    return "".join(f"{key}={value}\n" for key, value in values.items())


def parse_docker(text: str) -> dict[str, str | None]:
    """Return what docker's command line reads from *text*: what follows ``=`` is the value.

    Raises:
        ForeignFileError: A line is invalid.
    """
    values: dict[str, str | None] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.removesuffix("\r").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not key or " " in key or "\t" in key or len(line.encode()) > _LONGEST_LINE:
            raise ForeignFileError(
                f"line {number} is not valid in a Docker env file: fix or remove it"
            )
        values[key] = value if equals else None
    return values
