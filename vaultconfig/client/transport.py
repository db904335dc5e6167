"""httpx's transport on sockets that keep the deadline of the call, whatever the server does.

httpx's own time-outs are for one socket operation each, so that headers or a body that drip
outlive them all. Here each operation gets what is left of the `Deadline` that the request
carries as its time-outs. All of it stands on public names of httpx and httpcore.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR, SOCK_STREAM, getaddrinfo
from typing import TypeAlias
from weakref import WeakSet

import httpcore
import httpx

from vaultconfig.client.attempts import LONGEST_DEADLINE, Deadline
from vaultconfig.client.names import resolved
from vaultconfig.client.trust import Authorities, distrust
from vaultconfig.errors import ResponseError
from vaultconfig.forks import in_forked_child

MOST_CONNECTIONS = 8
IDLE_SECONDS = 5.0
LONGEST_USE = 300.0
"""Seconds after which a connection is made anew: its name may stand for another server by now."""

LARGEST_ANSWER = 8 * 1024 * 1024  # bytes
_PIECE = 16 * 1024  # bytes; what a socket that reports itself writable takes at once
_GONE = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)

_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)
_Server: TypeAlias = tuple[bytes, bytes, int | None, httpcore.Proxy | None]


class DeadlineTransport(httpx.BaseTransport):
    """At most 8 connections, HTTP/1.1, CA bundle from the environment as in httpx.

    A connection is in one thread's hands at a time, and no lock is held meanwhile: a signal's
    handler may send while its thread is in here.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._authorities = Authorities()
        self._slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(MOST_CONNECTIONS):
            self._slots.put(None)
        self._idle: dict[_Server, list[_Line]] = {}
        self._busy: set[_Line] = set()
        self._is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, whose time-out for reading is the deadline of the call."""
        return self.send(request)

    def send(self, request: httpx.Request, proxy: httpcore.Proxy | None = None) -> httpx.Response:
        """Send *request*, through *proxy* if one is given."""
        with ExitStack() as stack:
            self._take_slot(request)
            stack.callback(self._slots.put, None)
            with _httpx_errors(request):
                line, answer = self._exchange(request, proxy)
            stack.callback(self._give_back, line, answer.status)
            stack.callback(answer.close)
            _check_plain(answer)
            body = _Body(request, chunks=answer.iter_stream(), closing=stack.pop_all())
        return httpx.Response(
            answer.status,
            # httpx parses a Location that it does not follow, and fails on a broken one.
            headers=[item for item in answer.headers if item[0].lower() != b"location"],
            stream=body,
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close all connections, and end what waits on them."""
        self._is_closed = True
        for line in self._busy.copy():
            line.close()
        self._close_idle()

    def _take_slot(self, request: httpx.Request) -> None:
        left = request.extensions["timeout"]["read"].remaining()
        try:
            self._slots.get(timeout=max(left, 0.0))
        except Empty:
            pass
        else:
            return
        raise httpx.PoolTimeout("all connections are in use", request=request)

    def _exchange(
        self, request: httpx.Request, proxy: httpcore.Proxy | None
    ) -> tuple[_Line, httpcore.Response]:
        """Send *request* over a kept connection, or over a fresh one."""
        url = request.url
        context = self._authorities.context() if url.scheme == "https" else None
        server = (url.raw_scheme, url.raw_host, url.port, proxy)
        line = self._kept(server, context)
        if line is not None:
            try:
                return line, self._send_over(line, request)
            except _GONE:
                # The other side has closed it at this very moment, or before a firewall forgot
                # it: that is no outage. A write may have arrived all the same.
                if line.has_heard or request.extensions.get("writes", True):
                    raise
        line = _Line(server, context=context, clock=self._clock)
        try:
            return line, self._send_over(line, request)
        except httpcore.ConnectError as exc:
            renewed = self._renewed(context, exc)
            if renewed is context:
                raise
        line = _Line(server, context=renewed, clock=self._clock)
        return line, self._send_over(line, request)

    def _send_over(self, line: _Line, request: httpx.Request) -> httpcore.Response:
        try:
            self._busy.add(line)
            return line.send(_for_httpcore(request))
        except BaseException:
            self._busy.discard(line)
            line.close()
            raise

    def _renewed(
        self, context: ssl.SSLContext | None, exc: httpcore.ConnectError
    ) -> ssl.SSLContext | None:
        """Return another context where *exc* is about the certificates of *context*."""
        if context is None or distrust(exc) is None:
            return context
        return self._authorities.renewed(context)

    def _kept(self, server: _Server, context: ssl.SSLContext | None) -> _Line | None:
        idle = self._idle.setdefault(server, [])
        for line in idle.copy():
            if not line.is_usable(context):
                with suppress(ValueError):  # another thread has taken it
                    idle.remove(line)
                    line.close()
        with suppress(IndexError):
            return idle.pop()
        return None

    def _give_back(self, line: _Line, status: int) -> None:
        self._busy.discard(line)
        # After a 5xx the name is looked up anew: it may stand for a healthy server by now.
        if status >= 500:
            line.close()
        elif line.rests():
            self._idle[line.server].append(line)
            if self._is_closed:  # meanwhile
                self._close_idle()

    def _close_idle(self) -> None:
        for idle in self._idle.copy().values():
            with suppress(IndexError):
                while True:
                    idle.pop().close()


class _Line:
    """A connection to one server, for one request at a time.

    Of httpcore's pool it has the connection alone, proxies included. The pool itself has a lock:
    a signal that raises while it is taken makes the pool wait for itself.
    """

    def __init__(
        self, server: _Server, *, context: ssl.SSLContext | None, clock: Callable[[], float]
    ) -> None:
        self.server = server
        self._context = context
        self._clock = clock
        self._made_at = self._used_at = clock()
        self._backend = DeadlineBackend()
        self._heard = 0
        scheme, host, port, proxy = server
        pool = httpcore.ConnectionPool(
            ssl_context=context, proxy=proxy, network_backend=self._backend
        )
        url = httpcore.URL(scheme=scheme, host=host, port=port, target=b"/")
        self._connection = pool.create_connection(url.origin)

    @property
    def has_heard(self) -> bool:
        """Whether as much as a byte of an answer to the last request has come."""
        return self._backend.heard > self._heard

    def is_usable(self, context: ssl.SSLContext | None) -> bool:
        """Whether it is young enough, trusts whom *context* trusts, and looks open."""
        now = self._clock()
        is_young = now - self._made_at < LONGEST_USE and now - self._used_at < IDLE_SECONDS
        return is_young and context is self._context and not self._connection.has_expired()

    def send(self, request: httpcore.Request) -> httpcore.Response:
        """Send *request*."""
        self._heard = self._backend.heard
        return self._connection.handle_request(request)

    def rests(self) -> bool:
        """Begin to count how long it is idle; return whether it may be used again."""
        self._used_at = self._clock()
        return self._connection.is_available()

    def close(self) -> None:
        """Close the connection; any thread may do so, since no lock is needed."""
        if self._backend.stream is not None:
            self._backend.stream.close()


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
        """Close the socket in a forked child, of which the other side hears nothing."""
        connection = self._stream.get_extra_info("socket")
        with suppress(OSError):
            connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Do the whole handshake; Python's own time-out for that is one for all of it."""
        left = _left(timeout, httpcore.ConnectTimeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return DeadlineStream(secured, backend=self._backend)

    def get_extra_info(self, info: str) -> object:
        """Return what the socket says about itself."""
        return self._stream.get_extra_info(info)


_open: WeakSet[DeadlineStream] = WeakSet()


def _after_fork() -> None:
    # One that a thread of the parent was using would stay open here as long as this process.
    for stream in list(_open):
        stream.leave_to_parent()
    _open.clear()


in_forked_child("sockets", _after_fork)


class _Body(httpx.SyncByteStream):
    """The bytes of an answer, up to what we accept; closing it frees the connection."""

    def __init__(
        self, request: httpx.Request, *, chunks: Iterator[bytes], closing: ExitStack
    ) -> None:
        self._request = request
        self._chunks = chunks
        self._closing = closing

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        with _httpx_errors(self._request):
            for chunk in self._chunks:
                size += len(chunk)
                if size > LARGEST_ANSWER:
                    raise ResponseError("the answer is larger than 8 MiB: it was rejected")
                yield chunk

    def close(self) -> None:
        self._closing.close()


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


def _check_plain(answer: httpcore.Response) -> None:
    encodings = {value for name, value in answer.headers if name.lower() == b"content-encoding"}
    if encodings - {b"identity"}:
        raise ResponseError("the answer is compressed, though we asked for it plain")


def _for_httpcore(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def _httpx_errors(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's exceptions as httpx's of the same name, as a transport should."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as exc:
        raise getattr(httpx, type(exc).__name__)(str(exc), request=request) from exc
