"""Lets processes take turns that read a file, and write it again with something else in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from vaultconfig.errors import ConfigurationError

_PATIENCE: Final = 5.0  # seconds; a turn takes milliseconds
_LOOK_AGAIN: Final = 0.01


@contextmanager
def turn(path: str | os.PathLike[str]) -> Iterator[None]:
    """Wait until no other process has a turn in the directory of *path*, and take one.

    The directory itself is locked, since the file is replaced. Where the system or the file system
    has no such locks, nothing waits.

    Raises:
        ConfigurationError: Another process has had it for too long.
    """
    descriptor = -1
    with suppress(AttributeError, OSError):  # Windows; reading the file says what is wrong
        place = os.path.dirname(os.fspath(path)) or "."
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _PATIENCE
        while descriptor >= 0 and not _has_locked(descriptor):
            if time.monotonic() > until:
                raise ConfigurationError(
                    f"cannot write {os.fspath(path)}: another process has locked its directory for"
                    f" {_PATIENCE:g} s: end that one, or try again"
                )
            time.sleep(_LOOK_AGAIN)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _has_locked(descriptor: int) -> bool:
    try:
        import fcntl  # which Windows does not have

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # there are no locks here
        return True
    return True
