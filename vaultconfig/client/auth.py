"""Credentials for the vault, as `httpx.Auth`: a token, a file that holds one, client credentials.

No token or secret shows in a repr, a message or a traceback with locals: they are masked as
soon as they come in.
"""

from __future__ import annotations

import base64
import math
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from typing import Any, Literal, TypeAlias
from urllib.parse import quote_plus, urlencode

import httpx

from vaultconfig import telemetry
from vaultconfig.client.answer import UNNAMED, Answer, text
from vaultconfig.client.attempts import Deadline
from vaultconfig.client.codes import VERDICTS, Retry
from vaultconfig.client.failures import Failure, FailureError, foreign, rate_limited, unavailable
from vaultconfig.connection.secret_files import LONGEST, text_of, token_problem
from vaultconfig.connection.urls import checked_url
from vaultconfig.errors import (
    AuthenticationError,
    ConfigurationError,
    ResponseError,
    VaultUnavailableError,
)
from vaultconfig.latch import Latch
from vaultconfig.masking.values import mask, masked_json

RENEW_EARLY = 60.0
"""Seconds before its end at which a token is renewed."""

_NO_END = 1e9  # seconds; a token that is to live for thirty years has no end

Flow: TypeAlias = Generator[httpx.Request, httpx.Response, None]
Style: TypeAlias = Literal["form", "basic"]


class StaticToken(httpx.Auth):
    """A token that stays as it is.

    Args:
        token: The token.
        name: What errors call it.

    Raises:
        ConfigurationError: It is empty, or holds characters that are not valid in a token.
    """

    def __init__(self, token: str, *, name: str = UNNAMED) -> None:
        token = mask(token)
        self.name: str = name
        self._token = _checked_token(token, where=name)

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Sign *request*."""
        yield _signed(request, self._token)


class TokenFile(httpx.Auth):
    """A file that holds a token, and is read for each request, since other programs rotate it.

    Args:
        path: The file, of 64 KiB at most; line ends behind the token don't count.

    Attributes:
        name: What errors call the token.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name: str = f"the token from the token file {self._path}"

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Sign *request*; where the vault rejects it and the file has changed, once again.

        Raises:
            ConfigurationError: There is no such file, or no token in it.
        """
        token = self._read()
        response = yield _signed(request, token)
        if response.status_code == 401:
            renewed = self._read()
            if renewed != token:
                yield _signed(request, renewed)

    def _read(self) -> str:
        where = f"the token file {self._path}"
        content = text_of(self._path)
        if isinstance(content, OSError):
            # Where it is a link, as in a Secret that Kubernetes mounts, what that led to may just
            # have been removed: by now the link leads to the next one.
            content = text_of(self._path)
        if isinstance(content, OSError):
            raise ConfigurationError(f"{where} can't be read ({content.strerror})")
        if len(content) > LONGEST:
            raise ConfigurationError(f"{where} is larger than 64 KiB: it does not hold a token")
        if problem := token_problem(content):
            raise ConfigurationError(f"{where}: {problem}")
        return _checked_token(content, where=where)


@dataclass(frozen=True, slots=True)
class _Grant:
    token: str = field(repr=False)
    due: float  # on the clock of the credentials


class _Renewal:
    """A token that is being fetched."""

    def __init__(self) -> None:
        self.thread = get_ident()
        self.over = Latch()


class ClientCredentials(httpx.Auth):
    """OAuth 2.0 client credentials (RFC 6749 section 4.4).

    A token is fetched once however many threads ask, renewed a minute before it ends, and once
    when the vault rejects it.

    Args:
        client_id: The id.
        client_secret: The secret.
        token_url: Where tokens are issued.
        scope: For which scope; empty for the one that is usual there.
        style: Whether id and secret go in the ``form``, or by HTTP ``basic``.
        allow_http: Whether plain HTTP may go to other machines.
        clock: Seconds that only grow.
        name: What errors call these credentials.

    Raises:
        ConfigurationError: Something is empty, or the token URL is not one to send a secret to.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        token_url: str,
        scope: str,
        style: Style = "form",
        allow_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
        name: str = "the client credentials",
    ) -> None:
        client_secret = mask(client_secret)
        self.name: str = f"the token for {name}"
        self._own_name = name
        if not client_id or not client_secret:
            raise ConfigurationError("client credentials need both an id and a secret")
        if not (client_id.isprintable() and client_secret.isprintable()):
            raise ConfigurationError(
                "the client id or secret holds line ends or control characters"
            )
        if style not in ("form", "basic"):
            raise ConfigurationError("the style of client credentials is 'form' or 'basic'")
        self._client_id, self._client_secret = client_id, client_secret
        self._token_url = checked_url(token_url, name="token URL", allow_http=allow_http)
        self._scope, self._style, self._clock = scope, style, clock
        self._grant: _Grant | None = None
        self._renewals: dict[int, _Renewal] = {}  # by process: a forked child has not its own yet

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Sign *request*, after fetching a token where one is due.

        Raises:
            AuthenticationError: The token endpoint rejects the credentials.
            VaultUnavailableError: It gives no usable answer in time.
            ResponseError: Its answer breaks the protocol.
        """
        grant = yield from self._current(request, rejected=None)
        response = yield _signed(request, grant.token)
        if response.status_code == 401:
            response.read()  # frees the connection, which the token's request may need
            grant = yield from self._current(request, rejected=grant)
            yield _signed(request, grant.token)

    def abandon(self) -> None:
        """End the wait for a renewal: a signal may have interrupted the thread that makes it."""
        for process, renewal in self._renewals.copy().items():
            self._renewals.pop(process, None)
            renewal.over.open()

    def _current(
        self, request: httpx.Request, *, rejected: _Grant | None
    ) -> Generator[httpx.Request, httpx.Response, _Grant]:
        # Without a lock, which a signal could leave locked, and its handler could wait for.
        own, process = _Renewal(), os.getpid()
        try:
            while (grant := self._usable(rejected)) is None:
                running = self._renewals.setdefault(process, own)
                if running.thread != own.thread:
                    left = request.extensions["timeout"]["read"].remaining()
                    if not running.over.wait(left):
                        raise VaultUnavailableError(
                            "no token in time: another thread still waits for one"
                        )
                elif (grant := self._usable(rejected)) is None:  # no other thread has brought one
                    self._grant = grant = yield from self._fetched(request)
                    break
            return grant
        finally:
            if self._renewals.get(process) is own:
                self._renewals.pop(process, None)
            own.over.open()

    def _usable(self, rejected: _Grant | None) -> _Grant | None:
        grant = self._grant
        if grant is None or grant is rejected or grant.due <= self._clock():
            return None
        return grant

    def _fetched(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, _Grant]:
        asked, code = self._clock(), None
        try:
            response = yield self._token_request(request)
            response.read()
            answer = Answer(
                response.status_code,
                response.headers,
                response.content,
                sent=self._client_secret,
                peer=f"the token endpoint {self._token_url}",
            )
            code = answer.code(is_oauth=True)
        finally:  # httpx closes this generator where there is no answer
            left = request.extensions.get("timeout", {}).get("read")  # another client has no such
            is_late = isinstance(left, Deadline) and left.remaining() <= 0
            code = code or ("timeout" if is_late else "unavailable")
            telemetry.count_request("token", code, self._clock() - asked)
        if answer.status != 200:
            raise FailureError(self._rejection(answer))
        payload = masked_json(answer.body)
        payload = payload if isinstance(payload, dict) else {}
        token, kind = payload.get("access_token"), text(payload.get("token_type")) or "bearer"
        if not isinstance(token, str) or _flaw_of(token) or kind.lower() != "bearer":
            raise ResponseError(
                f"{answer.peer} answered without a bearer token: "
                "check the token URL (SCAIKEY_TOKEN_URL)"
            )
        return _Grant(token, due=asked + _useful(payload.get("expires_in")))

    def _token_request(self, request: httpx.Request) -> httpx.Request:
        form = {"grant_type": "client_credentials"}
        if self._scope:
            form["scope"] = self._scope
        headers = {name: request.headers[name] for name in ("User-Agent", "Accept-Encoding")}
        if self._style == "basic":
            # RFC 6749 section 2.3.1: form-encoded before it is joined.
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        headers |= {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return httpx.Request(
            "POST",
            self._token_url,
            content=urlencode(form).encode(),
            headers=headers,
            extensions=request.extensions,
        )

    def _rejection(self, answer: Answer) -> Failure:
        report = answer.report(is_oauth=True)
        # Here the status decides: of the codes of RFC 6749 most come with a 400.
        if answer.status in (400, 401) or (answer.status == 403 and report.code):
            rejected = f"{answer.peer} rejected {self._own_name} ({report.said})"
            return Failure(
                AuthenticationError(
                    f"{rejected}: check id, secret and scope",
                    code=report.code,
                    request_id=report.request_id,
                )
            )
        if answer.status in VERDICTS and report.code is None:
            return Failure(foreign(report))
        if answer.status == 429:
            return Failure(rate_limited(report), Retry.BACKOFF)
        if answer.status >= 500:
            return Failure(unavailable(report), Retry.BACKOFF)
        said = f"{answer.peer} answered {report.said}"
        return Failure(ResponseError(f"{said}: check the token URL (SCAIKEY_TOKEN_URL)"))


def _useful(expires_in: Any) -> float:
    """Return for how many seconds a token is used; without an end, until the vault rejects it."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)):
        return math.inf
    is_real = 0 < expires_in < _NO_END
    return max(expires_in - RENEW_EARLY, expires_in / 2) if is_real else math.inf


def _signed(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _checked_token(token: str, *, where: str) -> str:
    flaw = _flaw_of(token)
    if flaw is not None:
        raise ConfigurationError(f"{where} {flaw}")
    return token


def _flaw_of(token: str) -> str | None:
    if not token:
        return "is empty"
    if not all("!" <= character <= "~" for character in token):
        return "holds blanks, line ends or other characters that are not valid in a token"
    return None
