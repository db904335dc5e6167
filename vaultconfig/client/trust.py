"""The TLS context, made anew when the certificates of the authorities have changed."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from typing import TypeAlias

from vaultconfig.errors import ConfigurationError
from vaultconfig.log import CLIENT, say

_Mark: TypeAlias = tuple[object, ...]


class Authorities:
    """The trusted authorities: as in httpx, from SSL_CERT_FILE, SSL_CERT_DIR or certifi.

    The variables count as they are when this is made; the certificates, as they are when needed.
    Without a lock, which a signal handler could wait for: two threads may make a context each.
    """

    def __init__(self) -> None:
        file = os.environ.get("SSL_CERT_FILE")
        named = file or os.environ.get("SSL_CERT_DIR")
        self._named = os.path.abspath(named) if named else None
        self._is_directory = not file
        self._context: ssl.SSLContext | None = None
        self._mark: _Mark | None = None
        self._unusable: _Mark | None = None  # what has been told of

    def context(self) -> ssl.SSLContext:
        """Return a context for the certificates as they are now; making one takes some 20 ms.

        Raises:
            ConfigurationError: They can't be loaded, and never could.
        """
        mark = self._current_mark()
        context = self._context
        # While the file is missing it is being replaced, or we have left its directory.
        if context is None or mark not in (None, self._mark):
            return self._renew(mark)
        return context

    def renewed(self, outdated: ssl.SSLContext) -> ssl.SSLContext:
        """Return another context than *outdated*, unless the certificates can't be loaded."""
        if self._context is outdated:
            return self._renew(self._current_mark())
        return self.context()

    def _renew(self, mark: _Mark | None) -> ssl.SSLContext:
        """Load what had *mark* before: what is replaced meanwhile is read at the next look.

        What can't be loaded is tried again each time, and told once.
        """
        reason: str | None
        path = self._path
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            reason = "not a regular file"  # a pipe would be waited for without end
        else:
            try:
                is_directory = self._named is not None and self._is_directory
                file, directory = (None, path) if is_directory else (path, None)
                context = ssl.create_default_context(cafile=file, capath=directory)
                self._context, self._mark = context, mark
                return context
            except OSError as exc:
                reason = exc.strerror
        problem = f"the CA certificates can't be loaded ({reason}): check SSL_CERT_FILE"
        if self._context is None:
            raise ConfigurationError(problem)
        if self._unusable != mark:
            self._unusable = mark
            told = "%s; those that were read before stay in use"
            say(logging.WARNING, told, problem, logger=CLIENT)
        return self._context

    @property
    def _path(self) -> str:
        import certifi  # late, as in httpx: plain HTTP does without

        return self._named or certifi.where()

    def _current_mark(self) -> _Mark | None:
        """Return what differs once the certificates have changed; None while they are missing."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def distrust(exc: BaseException) -> str | None:
    """Return why a certificate was rejected, if that is what *exc* is about."""
    for link in chain(exc):
        if isinstance(link, ssl.SSLCertVerificationError):
            return link.verify_message
    return None


def chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Iterate over *exc* and what it came from."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
