"""Becomes or starts another program, and says why that fails: the program, or its variables."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from shutil import which
from typing import Final, NoReturn

import click

from vaultconfig.errors import ConfigurationError

_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_IGNORED_BY_PYTHON: Final = ("SIGPIPE", "SIGXFSZ")
_PAGES: Final = 32  # that Linux allows one variable or argument


def become(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Run *command* with the variables *environ* in the place of this process.

    Raises:
        ConfigurationError: They do not fit, or this is Windows.
        click.exceptions.Exit: There is no such program, or it can't be run; the reason is printed.
    """
    if not hasattr(os, "fork"):  # Windows would start it beside us, and end us at once
        raise ConfigurationError(
            "run needs a POSIX system: render a file, or load the settings in the program itself"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], [*command], environ)  # noqa: S606 - no shell is wanted
    except OSError as exc:
        number = exc.errno or 0
    raise _failure(command, environ, number)


def start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run *command* as a child that leads a process group of its own; for the rest see `become`.

    Raises:
        ConfigurationError: As for `become`.
        click.exceptions.Exit: As for `become`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        # It inherits what `become` would hand on: open files, too.
        return subprocess.Popen(command, env=environ, process_group=0, close_fds=False)  # noqa: S603 - no shell
    except OSError as exc:
        number = exc.errno or 0
    raise _failure(command, environ, number)


def _failure(command: Sequence[str], environ: Mapping[str, str], number: int) -> Exception:
    """Return what to raise where the system did not run *command*, for the reason *number*."""
    if number == errno.E2BIG:
        return ConfigurationError(_too_long(command, environ))
    code, problem = _explained(command[0], number, environ.get("PATH", os.defpath))
    click.echo(f"Error: {command[0]}: {problem}", err=True)
    return click.exceptions.Exit(code)


def _explained(program: str, number: int, path: str) -> tuple[int, str]:
    """Return the exit code, and why *program* could not be run."""
    is_path = "/" in program
    if number in {errno.ENOENT, errno.ENOTDIR}:
        if which(program, path=path):
            return _NOT_EXECUTABLE, "the interpreter that its first line names does not exist"
        hint = "there is no such file" if is_path else _where_else(program)
        return _NOT_FOUND, hint
    if is_path and os.path.isdir(program):
        return _NOT_EXECUTABLE, "it is a directory"
    if number == errno.EACCES:
        return _NOT_EXECUTABLE, "it is not executable here: chmod +x, or name its interpreter first"
    if number == errno.ENOEXEC:
        return _NOT_EXECUTABLE, "it is not a program for this machine, nor a script that begins #!"
    return _NOT_EXECUTABLE, os.strerror(number)


def _where_else(program: str) -> str:
    if " " in program:
        return "there is no such program: write its arguments without quotes around all of them"
    if os.path.exists(program):
        return f"there is no such program in PATH: write ./{program} for the one that is here"
    return "there is no such program in PATH"


def check_lengths(values: Mapping[str, str]) -> None:
    """Reject variables that are too long for Linux, each by itself.

    Raises:
        ConfigurationError: It names them.
    """
    most = _longest_word()
    over = [key for key, size in _sizes(values).items() if most and size > most]
    if over:
        raise ConfigurationError(
            f"{', '.join(over)}: too long for an environment, where a variable and its name take "
            f"{most // 1024} KiB at most: write it into a file (vaultconfig get REF -o FILE), and "
            "choose the others with --only"
        )


def _longest_word() -> int:
    """Return how many bytes Linux allows a variable or an argument; 0 for another system."""
    return _PAGES * os.sysconf("SC_PAGE_SIZE") if sys.platform == "linux" else 0


def _sizes(environ: Mapping[str, str]) -> dict[str, int]:
    return {key: len(os.fsencode(f"{key}={value}")) + 1 for key, value in environ.items()}


def _too_long(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what makes the environment too long: an argument, or all variables together."""
    most, sizes = _longest_word(), _sizes(environ)
    if most and any(len(os.fsencode(word)) >= most for word in command):
        return f"an argument of {command[0]} is longer than {most // 1024} KiB: shorten it"
    total, limit = sum(sizes.values()), os.sysconf("SC_ARG_MAX")
    longest = sorted(sizes, key=lambda key: -sizes[key])[:3]
    return (
        f"the variables are too long together ({total // 1024} KiB; with the arguments "
        f"{limit // 1024} KiB are possible here), the longest are {', '.join(longest)}: choose "
        "fewer with --only, or raise the limit (ulimit -s)"
    )
