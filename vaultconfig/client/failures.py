"""From what went wrong to the error that a caller gets, and whether to try again. Pure.

A verdict (denied, not found, a rejected token) needs a code of the vault's: by its status alone a
page may be that of a proxy, and says nothing about a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from vaultconfig.client.answer import ErrorReport
from vaultconfig.client.codes import BY_STATUS, CODES, VERDICTS, Kind, Meaning, Retry
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
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that has not been raised yet."""

    error: VaultConfigError
    retry: Retry = Retry.NEVER

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, as the server asks for."""
        return self.error.retry_after if isinstance(self.error, RateLimitedError) else None


class FailureError(Exception):
    """Carries a failure through httpx, where credentials can do nothing but raise."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


@dataclass(frozen=True, slots=True)
class BatchMissing(Failure):
    """The server does not know the batch read, rejects it as a whole, or leaves a path open.

    What it is about is read one by one.

    Attributes:
        proof: Whether `any` or `all` single reads have to work for it to be remembered; None if it
            is about these paths alone.
    """

    proof: Callable[[Iterable[bool]], bool] | None = any


def failure_of_secret(report: ErrorReport, *, path: str, version: int | None = None) -> Failure:
    """Return what *report* means for the secret that was asked for."""
    kind, request_id = meaning_of(report).kind, report.request_id
    if kind is Kind.DENIED:
        return _denied(report, path)
    if kind is Kind.NOT_FOUND:
        return Failure(SecretNotFoundError(path, request_id=request_id))
    if kind is Kind.VERSION_NOT_FOUND and version is not None:
        return Failure(VersionNotFoundError(path, version, request_id=request_id))
    is_rejected = kind in (Kind.REJECTED, Kind.VERSION_NOT_FOUND)
    if is_rejected and 400 <= (report.status or 400) < 500:
        message = f"the vault rejected the request for {path} ({report.said}){_advice(report)}"
        return Failure(SecretError(message, path=path, request_id=request_id))
    return failure_of_request(report, what=path)


def failure_of_request(report: ErrorReport, *, what: str) -> Failure:
    """Return what *report* means for a request as a whole; *what* names it in the message."""
    meaning = meaning_of(report)
    match meaning.kind:
        case (Kind.TOKEN | Kind.DENIED) as kind:
            verdict = f"denied {what} to" if kind is Kind.DENIED else "rejected"
            said = f"{report.answer.credential} ({report.code}){_at(report)}"
            advice = _advice(report) or ": check the credentials, scopes and tenant"
            message = f"the vault {verdict} {said}{advice}"
            return Failure(
                AuthenticationError(message, code=report.code, request_id=report.request_id)
            )
        case Kind.FOREIGN:
            return Failure(foreign(report))
        case Kind.RATE_LIMITED:
            return Failure(rate_limited(report), meaning.retry)
        case Kind.UNAVAILABLE:
            return Failure(unavailable(report), meaning.retry)
    status = report.status or 0
    if status >= 500:  # such as 507, which need not pass
        return Failure(unavailable(report))
    hint = "redirects are not followed" if 300 <= status < 400 else "unexpected"
    message = f"the answer to {what} is {report.said}: {hint}; check the vault's URL"
    return Failure(ResponseError(message, request_id=report.request_id))


def failure_of_batch(report: ErrorReport) -> Failure:
    """Return what *report* means for a batch read as a whole."""
    kind = meaning_of(report).kind
    if report.status in (404, 405, 501) and kind is not Kind.TOKEN:
        error = ResponseError("the vault has no batch read", request_id=report.request_id)
        is_about_secrets = kind in (Kind.NOT_FOUND, Kind.VERSION_NOT_FOUND)
        return BatchMissing(error, proof=all if is_about_secrets else any)
    if report.status in (400, 422) and report.code in ("invalid_path", "validation_error"):
        # One path of them is bad; alone it gets an error of its own, and the others are read.
        error = ResponseError("the vault rejected the batch", request_id=report.request_id)
        return BatchMissing(error, proof=None)
    return failure_of_request(report, what="the batch read")


def failure_of_subscription(report: ErrorReport, *, name: str) -> Failure:
    """Return what *report* means for the subscription *name*, which needs a scope of its own."""
    kind = meaning_of(report).kind
    if kind is Kind.DENIED:
        return _denied(report, f"subscription {name}")
    if report.code is None and report.status in (404, 405):
        # A proxy's count, too: not every vault has subscriptions, and a new one is soon made.
        message = f"the vault does not know the subscription {name}"
        return Failure(ResponseError(message, request_id=report.request_id))
    return failure_of_request(report, what=f"the subscription {name}")


def meaning_of(report: ErrorReport) -> Meaning:
    """Return what *report* says: its code decides, and its status where the code is unknown."""
    status = report.status or 0
    if report.code is None and status in VERDICTS:
        return Meaning(Kind.FOREIGN)
    meaning = CODES.get(report.code or "") or BY_STATUS.get(status, Meaning(Kind.REJECTED))
    return replace(meaning, kind=Kind.TOKEN) if status == 401 else meaning


def foreign(report: ErrorReport) -> VaultUnavailableError:
    """Return an error that says that the server itself has not answered."""
    return VaultUnavailableError(
        f"something between us and {report.answer.peer} answered {report.status}{_at(report)}: "
        "check the address and the proxies on the way",
        request_id=report.request_id,
    )


def rate_limited(report: ErrorReport) -> RateLimitedError:
    """Return an error that says when to come back."""
    pause = report.answer.retry_after
    when = "" if pause is None else f" for {pause:g} s"
    return RateLimitedError(
        f"{report.answer.peer} asks us to wait{when} ({report.said}){_advice(report)}",
        retry_after=pause,
        request_id=report.request_id,
    )


def unavailable(report: ErrorReport) -> VaultUnavailableError:
    """Return an error that says that the server is up and can't serve."""
    return VaultUnavailableError(
        f"{report.answer.peer} is unavailable ({report.said}){_advice(report)}",
        request_id=report.request_id,
    )


def _denied(report: ErrorReport, path: str) -> Failure:
    code, advice = report.code or "access_denied", meaning_of(report).advice
    return Failure(AccessDeniedError(path, code=code, advice=advice, request_id=report.request_id))


def _advice(report: ErrorReport) -> str:
    advice = meaning_of(report).advice
    return f": {advice}" if advice else ""


def _at(report: ErrorReport) -> str:
    return f" at {report.answer.url}" if report.answer.url else ""
