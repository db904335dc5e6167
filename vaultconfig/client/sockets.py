"""Sockets that keep the deadline of the call, whatever the server does.

httpx's own time-outs are for one socket operation each, so that headers or a body that drip
outlive them all. Here each operation gets what is left of the `Deadline` that stands in the
place of its time-out. All of it stands on public names of httpcore.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterable
from contextlib import suppress
from socket import SHUT_RDWR, SOCK_STREAM, getaddrinfo
from typing import Any
from weakref import WeakSet

import httpcore

from vaultconfig.client.attempts import LONGEST_DEADLINE, Deadline
from vaultconfig.client.names import resolved
from vaultconfig.forks import in_forked_child

_PIECE = 16 * 1024  # bytes; what a socket that reports itself writable takes at once
_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class DeadlineBackend(httpcore.NetworkBackend):
    """Connects within a deadline, and gives streams that keep it.

    Attributes:
        stream: The last one that it gave.
        heard: Grows with each piece that comes in over it.
    """

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()
        self.stream: DeadlineStream | None = None
        self.heard = 0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of *host*'s addresses that answers, with a fair share for each."""
        addresses = _addresses(host, port, _left(timeout, httpcore.ConnectTimeout))
        problem: Exception = httpcore.ConnectError("the name has no address")
        for tried, address in enumerate(addresses):
            left = _left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - tried)
            try:
                stream = self._plain.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                problem = exc
            else:
                return DeadlineStream(stream, backend=self)
        raise problem


class DeadlineStream(httpcore.NetworkStream):
    """A stream each of whose operations gets what is left of the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, *, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend
        backend.stream = self
        _open.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read once."""
        data = self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        if data:
            self._backend.heard += 1
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all, looking at the clock for each piece."""
        for start in range(0, len(buffer), _PIECE):
            piece = buffer[start : start + _PIECE]
            self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the socket, and end what another thread waits for on it."""
        connection = self._stream.get_extra_info("socket")
        if isinstance(connection, ssl.SSLSocket):
            # Its own shutdown() would let another thread that is writing go on in clear.
            connection = super(ssl.SSLSocket, connection)
        with suppress(OSError):  # it may be over already
            connection.shutdown(SHUT_RDWR)
        self._stream.close()

    def leave_to_parent(self) -> None:
        """Close the socket in a forked child, and send the other side nothing."""
        with suppress(OSError):
            self._stream.get_extra_info("socket").close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Do the whole handshake; Python's own time-out for that is one for all of it."""
        try:
            left = _left(timeout, httpcore.ConnectTimeout)
        except httpcore.ConnectTimeout:
            self.close()  # as httpcore's own does where the handshake fails
            raise
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return DeadlineStream(secured, backend=self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return what the socket says about itself."""
        return self._stream.get_extra_info(info)


_open: WeakSet[DeadlineStream] = WeakSet()


def _close_in_child() -> None:
    # One that a thread of the parent was using would stay open here as long as this process.
    for stream in list(_open):
        stream.leave_to_parent()
    _open.clear()


in_forked_child("sockets", _close_in_child)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    if not isinstance(timeout, Deadline):
        return timeout
    left = timeout.remaining()
    if left <= 0:
        raise late("the deadline has passed")
    return left


def _addresses(host: str, port: int, left: float | None) -> list[str]:
    look_up = functools.partial(getaddrinfo, host, port, type=SOCK_STREAM)
    try:
        return resolved(
            look_up, name=(host, port), seconds=LONGEST_DEADLINE if left is None else left
        )
    except TimeoutError as exc:
        raise httpcore.ConnectTimeout(exc) from exc
    except (OSError, UnicodeError) as exc:
        raise httpcore.ConnectError(exc) from exc
