"""One attempt at one request; the one place that knows httpx's client and its exceptions.

Whatever happens comes back as a value: httpx's exceptions hold the request, and with it the
token, so they never leave this module, not even as the context of another.
"""

from __future__ import annotations

import functools
import logging
import os
import urllib.request
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import httpx

from vaultconfig import telemetry
from vaultconfig.client.answer import UNNAMED, Answer
from vaultconfig.client.attempts import Deadline
from vaultconfig.client.auth import ClientCredentials
from vaultconfig.client.codes import Retry
from vaultconfig.client.failures import Failure, FailureError
from vaultconfig.client.protocol import Request
from vaultconfig.client.proxies import mounts_for
from vaultconfig.client.transport import DeadlineTransport
from vaultconfig.client.trust import Authorities, chain, distrust
from vaultconfig.connection.urls import origin
from vaultconfig.errors import (
    ConfigurationError,
    RateLimitedError,
    ResponseError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.masking.values import mask

T = TypeVar("T")

_FAULTS = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.PoolTimeout: "no free connection in time",
    httpx.TimeoutException: "no complete answer in time",
    httpx.ConnectError: "no connection",
    httpx.NetworkError: "the connection broke",
    httpx.ProxyError: "the proxy rejected it",
    httpx.RemoteProtocolError: "the connection ended early, or it does not speak HTTP",
}
_EXPECTED = (
    FailureError,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    VaultConfigError,
)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_is_ours: ContextVar[bool] = ContextVar("vaultconfig_request", default=False)


class Surroundings:
    """What the environment says of connections when a client is made; it may change later."""

    def __init__(self) -> None:
        self.authorities: Authorities = Authorities()
        self.proxies: dict[str, str] = urllib.request.getproxies()


class Wire:
    """Sends requests to one vault, over one `httpx.Client` that is made at the first of them."""

    def __init__(
        self,
        url: str,
        *,
        credentials: httpx.Auth,
        tenant: str | None,
        clock: Callable[[], float],
        surroundings: Surroundings | None = None,
    ) -> None:
        self._url = url
        self._surroundings = surroundings or Surroundings()
        self._credentials = credentials
        self._tenant = tenant
        self._clock = clock
        self._clients: dict[int, httpx.Client] = {}  # by process
        self._running: dict[object, Deadline] = {}  # of each call
        self._closed = False

    def twin(self) -> Wire:
        """Return another one to the same vault, with connections of its own."""
        return Wire(
            self._url,
            credentials=self._credentials,
            tenant=self._tenant,
            clock=self._clock,
            surroundings=self._surroundings,
        )

    def send(
        self, request: Request, decode: Callable[[Answer], T | Failure], deadline: Deadline
    ) -> T | Failure:
        """Return what *decode* finds in the server's answer, or what went wrong."""
        began = self._clock()
        call = object()  # not the thread, whose signal handlers may send, too
        try:
            self._running[call] = deadline  # before the look at _closed: close() does the reverse
            answer = _closed() if self._closed else self._attempt(request, deadline)
        finally:
            self._running.pop(call, None)
        if self._closed:
            return _closed()
        outcome: T | Failure
        if isinstance(answer, Failure):
            outcome, code = answer, _unanswered(answer, deadline)
        else:
            try:
                outcome, code = decode(answer), answer.code()
                if isinstance(outcome, Failure) and code == "ok":  # of which nothing can be used
                    code = "invalid_answer"
            except ResponseError as exc:
                outcome, code = Failure(exc.with_traceback(None)), "invalid_answer"
            if request.writes and isinstance(outcome, Failure) and not _is_undone(outcome, code):
                outcome = replace(outcome, retry=Retry.NEVER)
        telemetry.count_request(request.operation, code, self._clock() - began)
        return outcome

    def close(self) -> None:
        """Close the connections, and end what runs on them.

        Those of a parent process stay open, for the parent.
        """
        self._closed = True
        for deadline in self._running.copy().values():
            deadline.end()
        client = self._clients.get(os.getpid())
        if client is not None:
            client.close()

    def _attempt(self, request: Request, deadline: Deadline) -> Answer | Failure:
        quiet = _is_ours.set(True)
        try:
            response = self._exchange(request, deadline)
        except FailureError as exc:
            return exc.failure
        except VaultConfigError as exc:
            # Of our own credentials or transport: without the frames that it met on its way.
            exc.__traceback__ = exc.__context__ = exc.__cause__ = None
            passing = isinstance(exc, VaultUnavailableError)
            return Failure(exc, Retry.BACKOFF if passing else Retry.NEVER)
        except _EXPECTED as exc:
            return failure_of(exc, server=origin(self._url), writes=request.writes)
        except RuntimeError:  # so httpx calls the use of a client that is closed
            if not self._closed:
                raise
            return _closed()
        finally:
            _is_ours.reset(quiet)
        sent = mask(response.request.headers.get("Authorization", "").removeprefix("Bearer "))
        return Answer(
            response.status_code,
            response.headers,
            response.content,
            sent,
            credential=getattr(self._credentials, "name", UNNAMED),
            url=self._url,
        )

    def _exchange(self, request: Request, deadline: Deadline) -> httpx.Response:
        client = self._client()
        built = client.build_request(
            request.method,
            self._url + request.target,
            content=request.body,
            headers={"Content-Type": "application/json"} if request.body else None,
            extensions={
                # As `DeadlineTransport` expects it.
                "timeout": dict.fromkeys(("connect", "read", "write"), deadline),
                "writes": request.writes,
            },
        )
        try:
            return client.send(built, auth=None if request.anonymous else self._credentials)
        except _EXPECTED:
            raise
        except BaseException:
            # A signal's, most likely: it lands anywhere, also where a slot, a connection or the
            # renewal of a token has been taken that nothing gives back. Other threads finish what
            # they began; the rest is the garbage collector's.
            if self._clients.get(os.getpid()) is client:
                self._clients.pop(os.getpid(), None)
            if isinstance(self._credentials, ClientCredentials):
                self._credentials.abandon()
            raise

    def _client(self) -> httpx.Client:
        """Return the client of this process; a forked child has connections of its own."""
        process = os.getpid()
        client = self._clients.get(process)
        if client is None:
            headers = {
                "User-Agent": user_agent(),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            }
            if self._tenant is not None:
                headers["X-Tenant-ID"] = self._tenant
            around = self._surroundings
            transport = DeadlineTransport(clock=self._clock, authorities=around.authorities)
            mounts = mounts_for(transport.send, around.proxies)
            made = httpx.Client(transport=transport, mounts=mounts, headers=headers)
            # Not under a lock, which a fork or a signal could leave taken: of two that threads
            # make at once one stays, and making one opens nothing.
            client = self._clients.setdefault(process, made)
        return client


@functools.cache
def user_agent() -> str:
    """Return the name under which the vault logs our requests."""
    try:
        return f"vaultconfig/{version('scaivault-config')}"
    except PackageNotFoundError:
        return "vaultconfig/0"


def failure_of(exc: Exception, *, server: str, writes: bool) -> Failure:
    """Return what *exc*, raised by httpx, means; of its text nothing is repeated."""
    untrusted = distrust(exc)
    if untrusted is not None:
        message = f"the certificate of {_asked(exc, server)} is not trusted ({untrusted})"
        return Failure(ConfigurationError(f"{message}: check the URL and SSL_CERT_FILE"))
    for kind, fault in _FAULTS.items():
        if isinstance(exc, kind):
            reasons = (e.strerror for e in chain(exc) if isinstance(e, OSError) and e.strerror)
            reason = next((f" ({reason})" for reason in reasons), "")
            message = f"{_asked(exc, server)}: {fault}{reason}: check the address and the network"
            # A write that may have arrived is not sent twice.
            again = isinstance(exc, _NOT_SENT) or not writes
            return Failure(VaultUnavailableError(message), Retry.BACKOFF if again else Retry.NEVER)
    name = type(exc).__name__
    if isinstance(exc, (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return Failure(ConfigurationError(f"no request can be made to {server} ({name})"))
    return Failure(ResponseError(f"the answer of {server} can't be read ({name})"))


def _is_undone(failure: Failure, code: str) -> bool:
    """Whether an answer says that nothing was done; a gateway's 504 may come after a write."""
    return isinstance(failure.error, RateLimitedError) or code == "service_unavailable"


def _unanswered(failure: Failure, deadline: Deadline) -> str:
    """Return the word for *failure* that stands in the metrics in place of a code."""
    if isinstance(failure.error, VaultUnavailableError):
        return "unavailable" if deadline.remaining() > 0 else "timeout"
    return "invalid_answer" if isinstance(failure.error, ResponseError) else "error"


def _closed() -> Failure:
    return Failure(ConfigurationError("this client of the vault has been closed"))


# At INFO httpx shows URLs, which hold paths; at DEBUG httpcore shows what it could not parse,
# which may hold a value. Only our requests are left out: the application's own use of httpx, and
# its logging configuration, stay as they are.
for _name in (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "httpcore.socks",
):
    logging.getLogger(_name).addFilter(lambda _record: not _is_ours.get())


def _asked(exc: Exception, server: str) -> str:
    # The token endpoint is another server than the vault.
    try:
        return origin(str(exc.request.url)) if isinstance(exc, httpx.RequestError) else server
    except RuntimeError:  # it knows no request
        return server
