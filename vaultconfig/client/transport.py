"""httpx's transport: which connection a request takes, and when one is made anew.

Of httpcore it takes the connections alone, and public names only.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import httpcore
import httpx

from vaultconfig.client.sockets import DeadlineBackend
from vaultconfig.client.trust import Authorities, distrust
from vaultconfig.errors import ResponseError

MOST_CONNECTIONS = 8
IDLE_SECONDS = 5.0
LONGEST_USE = 300.0
"""Seconds after which a connection is made anew: its name may stand for another server by now."""

LARGEST_ANSWER = 8 * 1024 * 1024  # bytes
_GONE = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)

_Server: TypeAlias = tuple[bytes, bytes, int | None, httpcore.Proxy | None]


class DeadlineTransport(httpx.BaseTransport):
    """At most 8 connections, HTTP/1.1, CA bundle from the environment as in httpx.

    A connection is in one thread's hands at a time, and no lock is held meanwhile: a signal's
    handler may send while its thread is in here.

    Args:
        clock: Seconds that only grow.
        authorities: The trusted ones.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, authorities: Authorities | None = None
    ) -> None:
        self._clock = clock
        self._authorities = authorities or Authorities()
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
            encodings = {
                value.strip().lower()
                for name, value in answer.headers
                if name.lower() == b"content-encoding"
            }
            if encodings - {b"identity", b""}:
                raise ResponseError("the answer is compressed, though we asked for it plain")
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
                # it: that is not an outage. A write may have arrived all the same.
                if line.has_heard or request.extensions.get("writes", True):
                    raise
        line = _Line(server, context=context, clock=self._clock)
        try:
            return line, self._send_over(line, request)
        except httpcore.ConnectError as exc:
            if context is None or distrust(exc) is None:
                raise
            renewed = self._authorities.renewed(context)
            if renewed is context:
                raise
        # The certificates have been replaced since they were read: once more, with the new ones.
        line = _Line(server, context=renewed, clock=self._clock)
        return line, self._send_over(line, request)

    def _send_over(self, line: _Line, request: httpx.Request) -> httpcore.Response:
        try:
            self._busy.add(line)
            return line.send(request)
        except BaseException:
            self._busy.discard(line)
            line.close()
            raise

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
        if status >= 500 or not line.rests():
            line.close()
        else:
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
        """Whether it is young enough, uses *context*, and looks open."""
        now = self._clock()
        is_young = now - self._made_at < LONGEST_USE and now - self._used_at < IDLE_SECONDS
        return is_young and context is self._context and not self._connection.has_expired()

    def send(self, request: httpx.Request) -> httpcore.Response:
        """Send *request*."""
        self._heard = self._backend.heard
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        return self._connection.handle_request(
            httpcore.Request(
                method=request.method,
                url=url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )

    def rests(self) -> bool:
        """Begin to count how long it is idle; return whether it may be used again."""
        self._used_at = self._clock()
        return self._connection.is_available() and not self._holds_more()

    def _holds_more(self) -> bool:
        """Whether bytes came behind the answer: they would be taken for the next one."""
        connection: Any = self._connection
        while inner := getattr(connection, "_connection", None):  # past proxies
            connection = inner
        return bool(connection._h11_state.trailing_data[0])  # httpcore tells it in no other way

    def close(self) -> None:
        """Close the connection; any thread may do so, since no lock is needed."""
        if self._backend.stream is not None:
            self._backend.stream.close()


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
