"""httpx's transport on sockets that keep the deadline of the call, whatever the server does.

httpx's own time-outs are for one socket operation each, so that headers or a body that drip
outlive them all. Here each operation gets what is left of the `Deadline` that the request
carries as its time-outs. All of it stands on public names of httpx and httpcore.
"""

from __future__ import annotations

import os
import ssl
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from socket import SHUT_RDWR, SOCK_STREAM, getaddrinfo, socket
from weakref import WeakSet

import httpcore
import httpx

from vaultconfig.client.deadline import Deadline
from vaultconfig.errors import ConfigurationError, ResponseError
from vaultconfig.urls import is_loopback

MOST_CONNECTIONS = 8
IDLE_SECONDS = 5.0
LARGEST_ANSWER = 8 * 1024 * 1024  # bytes
_PIECE = 16 * 1024  # bytes; what a socket that reports itself writable takes at once

_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class DeadlineTransport(httpx.BaseTransport):
    """At most 8 connections, HTTP/1.1, proxies and CA bundle from the environment as in httpx."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, whose time-out for reading is the deadline of the call."""
        with ExitStack() as stack:
            self._take_slot(request)
            stack.callback(self._slots.release)
            with _httpx_errors(request):
                answer = self._pool(request.url).handle_request(_for_httpcore(request))
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
        """Close all connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _take_slot(self, request: httpx.Request) -> None:
        # Not left to the pool: its wait begins anew when another request is faster.
        left = request.extensions["timeout"]["read"].remaining()
        if not self._slots.acquire(timeout=max(left, 0.0)):
            raise httpx.PoolTimeout("all connections are in use", request=request)

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        with self._lock:
            server = (url.scheme, url.host)
            if server not in self._pools:
                self._pools[server] = _pool_for(url)
            return self._pools[server]


class DeadlineBackend(httpcore.NetworkBackend):
    """Connects within a deadline, and gives streams that keep it."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of *host*'s addresses that answers, with a fair share for each."""
        addresses = _addresses(host, port)
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
                return DeadlineStream(stream)
        raise problem


class DeadlineStream(httpcore.NetworkStream):
    """A stream each of whose operations gets what is left of the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        _open.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read once."""
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all, looking at the clock for each piece."""
        for start in range(0, len(buffer), _PIECE):
            piece = buffer[start : start + _PIECE]
            self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the socket, and end what another thread waits for on it."""
        connection = self._stream.get_extra_info("socket")
        with suppress(OSError):  # it may be over already
            socket.shutdown(connection, SHUT_RDWR)
        self._stream.close()

    def leave_to_parent(self) -> None:
        """Close the socket in a forked child, of which the other side hears nothing."""
        connection = self._stream.get_extra_info("socket")
        with suppress(OSError):
            socket.close(connection)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Do the whole handshake; Python's own time-out for that is one for all of it."""
        left = _left(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> object:
        """Return what the socket says about itself."""
        return self._stream.get_extra_info(info)


_open: WeakSet[DeadlineStream] = WeakSet()


def _after_fork() -> None:
    # One that a thread of the parent was using would stay open here as long as this process.
    for stream in list(_open):
        stream.leave_to_parent()
    _open.clear()


os.register_at_fork(after_in_child=_after_fork)


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
                    raise ResponseError("the answer is larger than 8 MiB: it is refused")
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


def _addresses(host: str, port: int) -> list[str]:
    # The one step that no time-out reaches: the resolver's own holds.
    try:
        found = getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise httpcore.ConnectError(exc) from exc
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


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


def _pool_for(url: httpx.URL) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=_ssl_context(url),
        proxy=_proxy_for(url),
        max_connections=MOST_CONNECTIONS,
        keepalive_expiry=IDLE_SECONDS,
        network_backend=DeadlineBackend(),
    )


def _proxy_for(url: httpx.URL) -> httpcore.Proxy | None:
    if is_loopback(url.host):  # plain HTTP is allowed there because it leaves no machine
        return None
    found = urllib.request.getproxies()
    address = found.get(url.scheme) or found.get("all")
    if not address or urllib.request.proxy_bypass(url.host):
        return None
    proxy = _parsed_proxy(address if "://" in address else f"http://{address}")
    if proxy is None:  # not quoted: it may hold a password
        raise ConfigurationError(
            f"the proxy for {url.scheme} in the environment is not a proxy URL"
        )
    return httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth)


def _parsed_proxy(address: str) -> httpx.Proxy | None:
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        return None


def _ssl_context(url: httpx.URL) -> ssl.SSLContext | None:
    if url.scheme != "https":
        return None
    try:
        return httpx.create_ssl_context()
    except OSError as exc:
        reason = exc.strerror
    raise ConfigurationError(f"the CA certificates can't be loaded ({reason}): check SSL_CERT_FILE")
