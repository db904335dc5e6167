"""An answer as it came over the wire, and what it says went wrong. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from vaultconfig.errors import ResponseError
from vaultconfig.masking.values import mask

# The server's texts may quote a value or a token: of them only the codes that we know and what has
# the form of an id get through. These are ScaiVault's, then those of RFC 6749 section 5.2.
_KNOWN_CODE = re.compile(
    "authentication_required|token_(expired|invalid|revoked)"
    "|(tenant_)?access_denied|insufficient_scope|mfa_required|ip_not_allowed|forbidden"
    "|time_window_violation|invalid_(request|path)|validation_error|secret_exists"
    "|version_conflict|((secret|version|tenant|subscription)_)?not_found"
    "|rate_limited|service_unavailable|internal_error"
    "|invalid_(client|grant|scope)|unauthorized_client|unsupported_grant_type"
    "|server_error|temporarily_unavailable"
)
_CODE = re.compile(r"[a-z_]{1,64}")
_UNKNOWN_CODE = "unknown_code"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

UNNAMED = "the token"
"""A credential whose source has no name."""

LONGEST_PAUSE = 3600.0
"""Seconds of a Retry-After that we honour: a slip of the server's is not to stop us for good."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What the server says went wrong, in what we may repeat of it.

    Attributes:
        status: The HTTP status; None where it is about one path of a batch.
        code: From ScaiVault's envelope, ``unknown_code`` for one that we don't know; None where
            the body is somebody else's.
        request_id: To look it up in the audit log.
        retry_after: Seconds to wait.
        server: The vault's URL, for messages.
        credential: What was sent, by the name of its source.
    """

    status: int | None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    server: str = ""
    credential: str = UNNAMED


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of a response.

    Attributes:
        sent: The credential that was sent, in case the server repeats it; empty for none.
        server: See `Problem`.
        credential: See `Problem`.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent: str = field(default="", repr=False)
    server: str = ""
    credential: str = UNNAMED

    @property
    def request_id(self) -> str | None:
        """The server's id of the request."""
        return self._id_in(self.headers.get("x-request-id"))

    @property
    def date(self) -> datetime | None:
        """The server's clock."""
        return _http_date(self.headers.get("date", ""))

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body, its scalars masked.

        Raises:
            ResponseError: There is none.
        """
        payload = _masked_json(self.body)
        if isinstance(payload, dict):
            return payload
        raise ResponseError(
            f"the answer (status {self.status}) is not a JSON object: is this ScaiVault's URL?",
            request_id=self.request_id,
        )

    def problem(self) -> Problem:
        """Return what went wrong; bodies that are not the envelope are somebody else's."""
        error = self._error()
        return self.problem_of(error if isinstance(error, dict) else {}, status=self.status)

    def oauth_problem(self) -> Problem:
        """Return what went wrong at a token endpoint, which may use RFC 6749's form as well."""
        error = self._error()
        envelope = error if isinstance(error, dict) else {"code": error}
        return self.problem_of(envelope, status=self.status)

    def problem_of(self, error: Mapping[str, Any], *, status: int | None = None) -> Problem:
        """Return what *error* says, the inside of an envelope that came with this answer."""
        return Problem(
            status=status,
            code=_code_in(error.get("code")),
            request_id=self._id_in(error.get("request_id")) or self.request_id,
            retry_after=self._retry_after(),
            server=self.server,
            credential=self.credential,
        )

    def _error(self) -> object:
        payload = _masked_json(self.body)
        return payload.get("error") if isinstance(payload, dict) else None

    def _id_in(self, value: object) -> str | None:
        if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
            return None
        repeats = self.sent and (self.sent in value or value in self.sent)
        return None if repeats else str(value)

    def _retry_after(self) -> float | None:
        # RFC 9110 section 10.2.3: seconds, or a date; that one by the server's own clock.
        text = self.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return min(float(text), LONGEST_PAUSE)
        until = _http_date(text)
        if until is None:
            return None
        left = (until - (self.date or datetime.now(UTC))).total_seconds()
        return min(max(left, 0.0), LONGEST_PAUSE)


def text(value: object) -> str | None:
    """Return a masked string of the envelope as a plain one; None for anything else."""
    return str(value) if isinstance(value, str) else None


def texts(value: object) -> tuple[str, ...]:
    """Return the strings in a masked list as plain ones."""
    if not isinstance(value, list):
        return ()
    return tuple(str(item) for item in value if isinstance(item, str))


def moment(value: object) -> datetime | None:
    """Return an ISO 8601 time, aware; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _code_in(value: object) -> str | None:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        return None
    return str(value) if _KNOWN_CODE.fullmatch(value) else _UNKNOWN_CODE


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for a number of twenty digits
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _masked_json(body: bytes) -> Any:
    """Return the JSON value in *body*, masked; None where there is none."""
    # Nothing leaves here but a value: a JSONDecodeError holds the body.
    try:
        return mask(json.loads(body, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # such as 1e999, which would not be the value that was written
        raise ValueError("too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON
