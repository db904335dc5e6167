"""Stand-ins for standard streams that are closed, as by ``>&-``: Python has None in their place."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn

from vaultconfig.errors import ConfigurationError


class _Closed(io.RawIOBase):
    """Says that it is closed as soon as it is used, and is no terminal."""

    def __init__(self, told: str) -> None:
        self._told = told

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> NoReturn:
        raise ConfigurationError(self._told)

    def write(self, _text: Any) -> NoReturn:
        raise ConfigurationError(self._told)


def stand_in_for_closed() -> None:
    """Let a command that needs a closed stream say so, and every other one go on without it."""
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(_Closed("standard input is closed: name a file"))
    if sys.stdout is None:
        told = "standard output is closed: write to a file or a pipe"
        sys.stdout = io.TextIOWrapper(_Closed(told), write_through=True)
    if sys.stderr is None:  # there is nowhere to say anything
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open
