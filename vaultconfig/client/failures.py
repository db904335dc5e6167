"""From what went wrong to the error that a caller gets, and whether to try again. Pure.

The codes are those of ScaiVault's error envelope. A verdict (denied, not found, a rejected token)
needs one: by its status alone a page may be that of a proxy, and says nothing about a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from vaultconfig.client.answer import Problem
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    RateLimitedError,
    ResponseError,
    SecretError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
    VersionNotFoundError,
    advice_on,
)


class Retry(Enum):
    """Whether another attempt may help."""

    NEVER = auto()
    ONCE = auto()
    BACKOFF = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that has not been raised yet."""

    error: VaultConfigError
    retry: Retry = Retry.NEVER

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait."""
        return self.error.retry_after if isinstance(self.error, RateLimitedError) else None


class FailureError(Exception):
    """Carries a failure through httpx, where credentials can do nothing but raise."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


@dataclass(frozen=True, slots=True)
class BatchMissing(Failure):
    """The server does not know the batch read, or rejects it as a whole: read one by one.

    Attributes:
        for_good: Whether to remember it, once a single read has worked.
    """

    for_good: bool = True


class _Kind(Enum):
    AUTHENTICATION = auto()
    DENIED = auto()
    NOT_FOUND = auto()
    VERSION_NOT_FOUND = auto()
    RATE_LIMITED = auto()
    INTERNAL = auto()
    UNAVAILABLE = auto()
    FOREIGN = auto()
    REFUSED = auto()


_BY_CODE = {
    **dict.fromkeys(
        (
            "authentication_required",
            "token_expired",
            "token_invalid",
            "token_revoked",
            "tenant_not_found",
        ),
        _Kind.AUTHENTICATION,
    ),
    **dict.fromkeys(
        (
            "access_denied",
            "insufficient_scope",
            "mfa_required",
            "ip_not_allowed",
            "time_window_violation",
            "tenant_access_denied",
            "forbidden",
        ),
        _Kind.DENIED,
    ),
    "secret_not_found": _Kind.NOT_FOUND,
    "version_not_found": _Kind.VERSION_NOT_FOUND,
    "rate_limited": _Kind.RATE_LIMITED,
    "service_unavailable": _Kind.UNAVAILABLE,
    "internal_error": _Kind.INTERNAL,
}
# What counts where the code is unknown or missing, but for VERDICTS without one.
_BY_STATUS = {
    403: _Kind.DENIED,
    429: _Kind.RATE_LIMITED,
    500: _Kind.INTERNAL,
    502: _Kind.UNAVAILABLE,
    503: _Kind.UNAVAILABLE,
    504: _Kind.UNAVAILABLE,
}
VERDICTS = (401, 403, 404, 407)
"""Statuses that count as somebody's verdict with a code alone: else a proxy may have said so."""


def failure_of_secret(problem: Problem, *, path: str, version: int | None = None) -> Failure:
    """Return what *problem* means for the secret that was asked for."""
    request_id = problem.request_id
    match _kind(problem):
        case _Kind.DENIED:
            code = problem.code or "access_denied"
            return Failure(AccessDeniedError(path, code=code, request_id=request_id))
        case _Kind.NOT_FOUND:
            return Failure(SecretNotFoundError(path, request_id=request_id))
        case _Kind.VERSION_NOT_FOUND if version is not None:
            return Failure(VersionNotFoundError(path, version, request_id=request_id))
        case _Kind.REFUSED | _Kind.VERSION_NOT_FOUND if (problem.status or 400) // 100 == 4:
            if problem.code is None and problem.status is not None:
                return Failure(foreign(problem, server="the vault"))
            message = f"the vault rejected the request for {path} ({_said(problem)})"
            return Failure(SecretError(message, path=path, request_id=request_id))
    return failure_of_request(problem, what=path)


def failure_of_request(problem: Problem, *, what: str) -> Failure:
    """Return what *problem* means for a request as a whole; *what* names it in the message."""
    match _kind(problem):
        case _Kind.AUTHENTICATION | _Kind.DENIED:
            return Failure(_rejection(problem, what=what))
        case _Kind.FOREIGN:
            return Failure(foreign(problem, server="the vault"))
        case _Kind.RATE_LIMITED:
            return Failure(rate_limited(problem, server="the vault"), Retry.BACKOFF)
        case (_Kind.INTERNAL | _Kind.UNAVAILABLE) as kind:
            retry = Retry.ONCE if kind is _Kind.INTERNAL else Retry.BACKOFF
            return Failure(unavailable(problem, server="the vault"), retry)
    if problem.status is not None and problem.status >= 500:
        return Failure(unavailable(problem, server="the vault"))
    hint = "redirects are not followed" if _is_redirect(problem) else "unexpected"
    message = f"the answer to {what} is {_said(problem)}: {hint}; check the vault's URL"
    return Failure(ResponseError(message, request_id=problem.request_id))


def failure_of_batch(problem: Problem) -> Failure:
    """Return what *problem* means for a batch read as a whole."""
    if problem.status in (404, 405, 501) and _kind(problem) is not _Kind.AUTHENTICATION:
        about_a_secret = _kind(problem) in (_Kind.NOT_FOUND, _Kind.VERSION_NOT_FOUND)
        error = ResponseError("the vault has no batch read", request_id=problem.request_id)
        return BatchMissing(error, for_good=not about_a_secret)
    if problem.status in (400, 422) and problem.code in ("invalid_path", "validation_error"):
        # One path of them is bad; alone it gets an error of its own, and the others are read.
        error = ResponseError("the vault rejected the batch", request_id=problem.request_id)
        return BatchMissing(error, for_good=False)
    return failure_of_request(problem, what="the batch read")


def failure_of_subscription(problem: Problem, *, name: str) -> Failure:
    """Return what *problem* means for the subscription *name*, which needs a scope of its own."""
    kind = _kind(problem)
    if kind is _Kind.DENIED:
        code = problem.code or "access_denied"
        denied = AccessDeniedError(f"subscription {name}", code=code, request_id=problem.request_id)
        return Failure(denied)
    if kind is _Kind.FOREIGN and problem.status == 404:
        # Whoever says so: not every vault has subscriptions, and another one is soon made.
        message = f"the vault does not know the subscription {name}"
        return Failure(ResponseError(message, request_id=problem.request_id))
    return failure_of_request(problem, what=f"the subscription {name}")


def foreign(problem: Problem, *, server: str) -> VaultUnavailableError:
    """Return an error that says that *server* itself has not answered."""
    return VaultUnavailableError(
        f"something between us and {server} answered {problem.status}{_at(problem)}: "
        "check the address and the proxies on the way",
        request_id=problem.request_id,
    )


def rate_limited(problem: Problem, *, server: str) -> RateLimitedError:
    """Return an error that says when to come back."""
    when = "" if problem.retry_after is None else f" for {problem.retry_after:g} s"
    return RateLimitedError(
        f"{server} asks us to wait{when} ({_said(problem)})",
        retry_after=problem.retry_after,
        request_id=problem.request_id,
    )


def unavailable(problem: Problem, *, server: str) -> VaultUnavailableError:
    """Return an error that says *server* is up and can't serve."""
    return VaultUnavailableError(
        f"{server} is unavailable ({_said(problem)})", request_id=problem.request_id
    )


def _rejection(problem: Problem, *, what: str) -> AuthenticationError:
    is_denial = _kind(problem) is _Kind.DENIED
    verdict = f"denied {what} to" if is_denial else "rejected"
    advice = advice_on(problem.code, otherwise="check the credentials, scopes and tenant")
    return AuthenticationError(
        f"the vault {verdict} {problem.credential} ({problem.code}){_at(problem)}: {advice}",
        code=problem.code,
        request_id=problem.request_id,
    )


def _kind(problem: Problem) -> _Kind:
    status = problem.status or 0
    if problem.code is None and status in VERDICTS:
        return _Kind.FOREIGN
    if status == 401:  # whatever the code
        return _Kind.AUTHENTICATION
    return _BY_CODE.get(problem.code or "", _BY_STATUS.get(status, _Kind.REFUSED))


def _at(problem: Problem) -> str:
    return f" at {problem.server}" if problem.server else ""


def _said(problem: Problem) -> str:
    return problem.code or f"status {problem.status}"


def _is_redirect(problem: Problem) -> bool:
    return problem.status is not None and 300 <= problem.status < 400
