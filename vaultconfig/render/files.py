"""Reads and replaces one file with the care that secrets need. Knows nothing of what is in it.

A link at the end of a path is never followed, and a file is either as before or as asked,
whatever interrupts us.
"""

from __future__ import annotations

import errno
import os
import secrets
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from vaultconfig.errors import ConfigurationError
from vaultconfig.masking.values import mask
from vaultconfig.render.git import standing
from vaultconfig.render.owners import is_foreign

_WIDEST: Final = 0o640
NOT_FOR_OTHERS: Final = 0o077 & ~_WIDEST
"""The bits of a mode that let others do more with a file than that."""

_DESCRIPTORS: Final = "/proc/self/fd"
# Windows has few of them: there the directory's own access list protects a file.
_SAFELY: Final = sum(getattr(os, n, 0) for n in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
_FOREIGN: Final = -1  # beside the numbers of the system
_ADVICE: Final = {
    _FOREIGN: "remove it, or choose another directory (-o)",
    errno.EINVAL: "name a regular file",
    errno.EISDIR: "name a regular file",
    errno.EACCES: "make it and its directory accessible, or choose another (-o)",
    errno.EPERM: "make it and its directory accessible, or choose another (-o)",
    errno.EROFS: "choose another directory (-o)",
    errno.ENOENT: "create its directory first",
    errno.ENOTDIR: "create its directory first",
    errno.ENOSPC: "make room for it",
    errno.EDQUOT: "make room for it",
    errno.EFBIG: "make room for it",
    errno.EBUSY: "it is mounted by itself, so write through it (--in-place)",
    errno.EXDEV: "it is mounted by itself, so write through it (--in-place)",
    errno.ELOOP: "give the file itself, not a link to it",
}


def read(path: str | os.PathLike[str]) -> str | None:
    """Return the text at *path* with its own line ends and byte order mark; None for no file.

    Raises:
        ConfigurationError: It is not a regular file, not readable, not UTF-8, or another user
            can have put it there.
    """
    try:
        with _directory_of(path) as (directory, name):
            return _read(directory, name)
    except OSError as exc:
        problem = _explain(exc)
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        problem = f"line {line} is not UTF-8 (byte {exc.start} of the file): convert it"
    # Out here, because the exceptions hold what was read.
    raise ConfigurationError(f"cannot read {os.fspath(path)}: {problem}")


def edit(path: str | os.PathLike[str], before: str, after: str) -> None:
    """Make *after* the text at *path*, if that is still *before*; mode and owner stay.

    Unlike `write` it brings nothing new into a file, so that git may know it.

    Raises:
        ConfigurationError: It has changed, or cannot be read or written.
    """
    before, after = mask(before), mask(after)  # hidden from tracebacks that show locals
    if read(path) != before:
        raise ConfigurationError(f"{os.fspath(path)} has changed meanwhile: try again")
    try:
        with _directory_of(path) as (directory, name):
            status = _status(directory, name)
            if status is not None:
                _replace(directory, name, after, mode=stat.S_IMODE(status.st_mode))
                return
            problem = "it is not there any more"
    except OSError as exc:
        problem = exc.strerror or "the system does not say why"
    raise ConfigurationError(f"cannot write {os.fspath(path)}, which stays as it was: {problem}")


def write_plain(path: str | os.PathLike[str], text: str, *, replace: bool = False) -> None:
    """Make *text*, which holds no secret, the file at *path*, all of it or nothing.

    Args:
        path: A regular file, or none yet, in a directory that exists.
        text: Is written as UTF-8.
        replace: Whether there may be a file, whose mode and owner stay.

    Raises:
        FileExistsError: There is one, and it may not be replaced.
        ConfigurationError: The file is a link or not a regular file, or it cannot be written.
    """
    try:
        with _directory_of(path) as (directory, name):
            status = _status(directory, name)
            if status is not None and not replace:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path))
            mode = 0o644 if status is None else stat.S_IMODE(status.st_mode)
            _replace(directory, name, text, mode=mode)
            return
    except FileExistsError:
        raise
    except OSError as exc:
        problem = _explain(exc)
    raise ConfigurationError(f"cannot write {os.fspath(path)}: {problem}")


def write(
    path: str | os.PathLike[str], content: str | bytes, *, mode: int = 0o600, in_place: bool = False
) -> list[str]:
    """Make *content* the file at *path*, all of it or nothing, and return warnings.

    Args:
        path: A regular file, or none yet, in a directory that exists.
        content: Text is written as UTF-8, with its line ends as they are.
        mode: At the widest 0640. The owner and group of an existing file are kept where the
            system permits it.
        in_place: Write through the existing file, for one that is mounted by itself. A reader
            may find half of it meanwhile, and after a kill or on a full disk it stays so.

    Raises:
        ConfigurationError: The file is a link or not a regular file, another user can have put
            it there, git tracks it, or it cannot be written.
    """
    content = mask(content)  # hidden from tracebacks that show locals
    if mode & ~_WIDEST or not mode & stat.S_IRUSR:
        raise ConfigurationError(f"mode {mode:04o} is not between 0400 and 0640: use 0600 or 0640")
    save = _overwrite if in_place else _replace
    try:
        with _directory_of(path) as (directory, name):
            _check(directory, _status(directory, name))
            in_git = standing(os.path.dirname(os.fspath(path)) or ".", name)
            if in_git == "tracked":
                raise ConfigurationError(
                    f"git tracks {os.fspath(path)}, so that secrets in it would be committed: "
                    "choose another file (-o), or take it out of the repository (git rm --cached)"
                )
            save(directory, name, content, mode=mode)
            exposed = f"git does not ignore {os.fspath(path)}: add it to .gitignore"
            return [exposed] if in_git == "exposed" else []
    except OSError as exc:
        problem = _explain(exc)
    except UnicodeEncodeError:
        problem = "a lone surrogate is not text: correct the value"
    raise ConfigurationError(f"cannot write {os.fspath(path)}: {problem}")


def _explain(exc: OSError) -> str:
    advice = _ADVICE.get(exc.errno or 0, "check the disk")
    return f"{exc.strerror}: {advice}"


@contextmanager
def _directory_of(path: str | os.PathLike[str]) -> Iterator[tuple[int | None, str]]:
    """Hold the directory open, so that it cannot be replaced by another one meanwhile.

    Yields:
        The directory, and the name in it; on Windows, which opens none, None and the whole path.
    """
    parent, name = os.path.split(os.fspath(path))
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not hasattr(os, "O_DIRECTORY"):
        yield None, os.fspath(path)
        return
    directory = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory, name
    finally:
        os.close(directory)


def _status(directory: int | None, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _check_regular(status: os.stat_result | None) -> None:
    if status is None or stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link")
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    raise OSError(errno.EINVAL, "it is not a regular file")


def _check(directory: int | None, status: os.stat_result | None) -> None:
    """Reject what is not a regular file, or what another user can have put there as their own."""
    _check_regular(status)
    if status is None or directory is None:
        return
    if is_foreign(status, _upwards(directory), trusted={0, os.geteuid()}):
        raise OSError(_FOREIGN, "it belongs to another user, where others can make files")


def _upwards(directory: int) -> Iterator[os.stat_result]:
    """Yield what *directory* is, and each one above it; an open one can't be replaced meanwhile."""
    way, place, below = ".", os.fstat(directory), None
    while below is None or not os.path.samestat(place, below):
        yield place
        way, below = os.path.join(way, ".."), place
        place = os.stat(way, dir_fd=directory)


def _open_checked(directory: int | None, name: str, flags: int) -> int:
    flags |= _SAFELY | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        _check(directory, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _read(directory: int | None, name: str) -> str | None:
    status = _status(directory, name)
    if status is None:
        return None
    _check_regular(status)
    with open(_open_checked(directory, name, os.O_RDONLY), "rb") as file:
        return file.read().decode()


def _overwrite(directory: int | None, name: str, content: str | bytes, *, mode: int) -> None:
    with open(_open_checked(directory, name, os.O_WRONLY | os.O_CREAT), "wb") as file:
        _set_mode(file.fileno(), mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _replace(directory: int | None, name: str, content: str | bytes, *, mode: int) -> None:
    temporary = os.path.join(os.path.dirname(name), f".{secrets.token_hex(16)}.tmp")
    with _endings_unwind():
        try:
            _stage(directory, name, content, mode=mode, temporary=temporary)
            os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
    if directory is not None:
        with suppress(OSError):  # the file is in place; some file systems cannot sync a directory
            os.fsync(directory)


def _stage(
    directory: int | None, name: str, content: str | bytes, *, mode: int, temporary: str
) -> None:
    """Write a complete new file to *temporary*."""
    descriptor, named = _create(directory, temporary)
    with open(descriptor, "wb") as file:
        existing = _status(directory, name)
        _check(directory, existing)  # once more: it decides who owns the new file
        if existing is not None and hasattr(os, "fchown"):
            for owner, group in ((-1, existing.st_gid), (existing.st_uid, -1)):
                # Only root may give files away, others only to their groups.
                with suppress(OSError):
                    os.fchown(descriptor, owner, group)
        _set_mode(descriptor, mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(descriptor)
        if not named:
            link = f"{_DESCRIPTORS}/{descriptor}"
            os.link(link, temporary, dst_dir_fd=directory, follow_symlinks=True)


def _create(directory: int | None, temporary: str) -> tuple[int, bool]:
    """Open a new file, and tell whether it has a name yet.

    On Linux it gets no name until it is complete, so that even a SIGKILL leaves nothing.
    """
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is not None and os.path.isdir(_DESCRIPTORS):
        with suppress(OSError):  # not every file system can
            flags = unnamed | os.O_WRONLY | _SAFELY
            return os.open(".", flags, 0o600, dir_fd=directory), False
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY
    return os.open(temporary, flags, 0o600, dir_fd=directory), True


def _set_mode(descriptor: int, mode: int) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)


@contextmanager
def _endings_unwind() -> Iterator[None]:
    """Let a signal that would end the process clean up first, and end it then."""
    received: list[int] = []

    def unwind(number: int, _frame: FrameType | None) -> None:
        if not received:
            received.append(number)
            raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    endings = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP", "SIGQUIT")]
    ours = [number for number in endings if number and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if received:
            os.kill(os.getpid(), received[0])
