"""What a command does with standard streams that are closed, or that take no more."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from typing import Any, NoReturn


def prepare() -> None:
    """Let only a command that needs a stream fail for it, and say so.

    Python has None in place of a stream that is closed, as by ``>&-``.
    """
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(_Closed("standard input is closed: name a file"))
    if sys.stdout is None:
        told = "standard output is closed: write to a file or a pipe"
        sys.stdout = io.TextIOWrapper(_Closed(told), write_through=True)
    if sys.stderr is None:  # there is nowhere to say anything
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open
    else:
        stderr = sys.stderr
        sys.stderr = _Lossy(stderr.buffer, stderr.encoding, stderr.errors, line_buffering=True)


def aside() -> AbstractContextManager[object]:
    """Return a context in which code of the user prints on standard error, beside the results."""
    return redirect_stdout(sys.stderr)


class _Closed(io.RawIOBase):
    """Says that it is closed as soon as it is used, and is no terminal."""

    def __init__(self, told: str) -> None:
        self._told = told

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> NoReturn:
        self._fail()

    def write(self, _text: Any) -> NoReturn:
        self._fail()

    def _fail(self) -> NoReturn:
        from vaultconfig.errors import ConfigurationError

        raise ConfigurationError(self._told)


class _Lossy(io.TextIOWrapper):
    """Drops what can't be written, as on a full disk: a command has to watch on, or to clean up."""

    def write(self, text: str) -> int:
        with _losing():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with _losing():
            super().flush()


@contextmanager
def _losing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # nobody reads any more, which ends a command
        raise
    except OSError:
        pass
