"""A shelf in a directory: one file an entry, which is replaced whole.

Nothing is synced to the disk: a file that a power cut has left empty or torn counts as absent, or
does not unseal, and is then read from the vault again.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from vaultconfig.errors import ConfigurationError
from vaultconfig.log import say
from vaultconfig.store.shelf import FUTURE, LARGEST, ShelfError, Swap

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_HEADER: Final = struct.Struct("<2d")  # written at, ends at: seconds since the epoch
_LOOK_AGAIN: Final = 0.005
_SWEEP_EVERY: Final = 3600.0
_LOCK: Final = "lock"
_NAME: Final = re.compile("([0-9a-f]+)/([0-9a-f]+)")
# Windows has neither.
_SAFELY: Final = sum(getattr(os, n, 0) for n in ("O_NOFOLLOW", "O_NONBLOCK"))
# What is not a regular file is not an entry, whatever it is, and is replaced by one.
_NO_ENTRY: Final = {errno.ENOENT, errno.ELOOP, errno.ENXIO}
_ADVICE: Final = {
    errno.ENOSPC: "make room for it",
    errno.EDQUOT: "make room for it",
    errno.EFBIG: "make room for it",
    errno.EAGAIN: "end it if it is stopped",
}


class Directory:
    """Files in ``DIRECTORY/vaultconfig-SCOPE/``, which only this user can write to.

    A process that is killed while it renames the files of one swap leaves the first of them new,
    in the order of the swap; so what announces the others stands last in it.

    Args:
        path: The directory; made when it is first written to. Others may write to it, as to an
            emptyDir of Kubernetes: what is in there is in a directory of this user's own.
        patience: Seconds to wait for another process that is writing; it takes milliseconds. Less
            than `PATIENCE`, so that a `ShelfError` can say what it is.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: The system has no locks for files.
    """

    def __init__(
        self, path: str, *, patience: float = 0.4, clock: Callable[[], float] = time.time
    ) -> None:
        if fcntl is None:
            raise ConfigurationError(
                "a store in a directory needs a POSIX system: name a Redis server in"
                " VAULTCONFIG_STORE, or unset it"
            )
        self._path = os.path.abspath(path)
        self._patience = patience
        self._clock = clock
        self._has_told = False  # of files from the future

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what stands under each of *names*, all of one scope."""
        if not names:
            return []
        scope, entries = _split(names)
        try:
            with self._opened(scope) as directory:
                return [self._read(directory, entry) for entry in entries]
        except FileNotFoundError:  # nothing has been written yet
            return [None] * len(names)
        except OSError as error:
            problem = _explain(error)
        raise ShelfError(f"cannot read {self._path}: {problem}")

    def swap(self, swaps: Mapping[str, Swap], *, keep: float) -> bool:
        """Make all *swaps*, or none."""
        if not swaps:
            return True
        scope, entries = _split(swaps)
        changes = dict(zip(entries, swaps.values(), strict=True))
        try:
            self._make(scope)
            with self._opened(scope) as directory, self._locked(directory):
                for entry, (before, _) in changes.items():
                    if before is not ... and self._read(directory, entry) != (before or None):
                        return False
                self._write(directory, {e: after for e, (_, after) in changes.items()}, keep)
                with suppress(OSError):  # the swap is made
                    self._sweep(directory)
                return True
        except OSError as error:
            problem = _explain(error)
        raise ShelfError(f"cannot write to {self._path}: {problem}")

    def clear(self, scope: str) -> int:
        """Remove every entry of *scope*, and return their number; its lock stays."""
        scope, _ = _split([f"{scope}/0"])
        try:
            with self._opened(scope) as directory, self._locked(directory):
                files = [file for file in os.listdir(directory) if file != _LOCK]
                for file in files:
                    os.unlink(file, dir_fd=directory)
                return len(list(filter(_is_entry, files)))
        except FileNotFoundError:
            return 0
        except OSError as error:
            problem = _explain(error)
        raise ShelfError(f"cannot write to {self._path}: {problem}")

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _make(self, scope: str) -> None:
        place = self._place(scope)
        if not os.path.lexists(place):
            os.makedirs(self._path, 0o700, exist_ok=True)
            with suppress(FileExistsError):  # another process has been faster
                os.mkdir(place, 0o700)

    def _place(self, scope: str) -> str:
        return os.path.join(self._path, f"vaultconfig-{scope}")

    @contextmanager
    def _opened(self, scope: str) -> Iterator[int]:
        """Hold the directory of *scope* open, so that it can't be exchanged meanwhile."""
        directory = os.open(self._place(scope), os.O_RDONLY | os.O_DIRECTORY | _SAFELY)
        try:
            status = os.fstat(directory)
            if status.st_uid != os.geteuid():
                raise PermissionError(
                    errno.EPERM, f"vaultconfig-{scope} in it belongs to another user"
                )
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError(
                    errno.EPERM, f"others can write to vaultconfig-{scope} in it (chmod go-w)"
                )
            yield directory
        finally:
            os.close(directory)

    @contextmanager
    def _locked(self, directory: int) -> Iterator[None]:
        """Hold the lock of *directory*; the system takes it from a process that is killed."""
        lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | _SAFELY, 0o600, dir_fd=directory)
        try:
            until = time.monotonic() + self._patience
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise
                time.sleep(_LOOK_AGAIN)
            try:
                yield
            finally:  # a child that was forked meanwhile has the descriptor, and with it the lock
                fcntl.flock(lock, fcntl.LOCK_UN)
        finally:
            os.close(lock)

    def _read(self, directory: int, entry: str) -> bytes | None:
        try:
            file = os.open(entry, os.O_RDONLY | _SAFELY, dir_fd=directory)
        except OSError as error:
            if error.errno in _NO_ENTRY:
                return None
            raise
        try:
            status = os.fstat(file)
            size = min(status.st_size, _HEADER.size + LARGEST + 1)
            content = os.read(file, size) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(file)
        return content[_HEADER.size :] if self._holds(content) else None

    def _holds(self, content: bytes) -> bool:
        """Whether a file has something that has not ended; nor is from the future."""
        if len(content) <= _HEADER.size:
            return False
        written, ends = _HEADER.unpack_from(content)
        now = self._clock()
        if written - FUTURE > now and not self._has_told:
            self._has_told = True
            say(
                logging.WARNING,
                "files of the store are from the future, and ignored: check the clock",
            )
        return bool(written - FUTURE <= now < ends)

    def _write(self, directory: int, contents: Mapping[str, bytes | None], keep: float) -> None:
        now = self._clock()
        header = _HEADER.pack(now, now + keep)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFELY
        # All are written before the first is put in its place: a full disk changes nothing. The
        # files of a killed process have these names too, and are used again.
        written = {entry: f"new-{n}" for n, entry in enumerate(contents) if contents[entry]}
        for entry, new in written.items():
            with open(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(header + (contents[entry] or b""))
        for entry in contents:
            if entry in written:
                os.replace(written[entry], entry, src_dir_fd=directory, dst_dir_fd=directory)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry, dir_fd=directory)

    def _sweep(self, directory: int) -> None:
        """Remove what has ended, once an hour: nothing asks again for a secret that is not used."""
        now = self._clock()
        if now - os.stat(_LOCK, dir_fd=directory).st_mtime < _SWEEP_EVERY:
            return
        os.utime(_LOCK, (now, now), dir_fd=directory)
        for entry in filter(_is_entry, os.listdir(directory)):
            if self._read(directory, entry) is None:
                os.unlink(entry, dir_fd=directory)


def _split(names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the scope of *names*, which is one, and what they are called in it."""
    found = [_NAME.fullmatch(name) for name in names]
    scopes = {match[1] for match in found if match}
    if len(scopes) != 1 or None in found:
        raise ValueError("names are SCOPE/NAME, both hexadecimal, and of one scope")
    return scopes.pop(), [match[2] for match in found if match]


def _is_entry(file: str) -> bool:
    return _NAME.fullmatch(f"0/{file}") is not None


def _explain(error: OSError) -> str:
    is_locked = isinstance(error, BlockingIOError)
    reason = "another process is writing there" if is_locked else error.strerror
    advice = _ADVICE.get(error.errno or 0, "give it to this user, or choose another directory")
    return f"{reason}: {advice}"
