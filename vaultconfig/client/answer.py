"""An answer as it came over the wire, and what it says went wrong. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from vaultconfig.errors import ResponseError
from vaultconfig.masking import mask

# The server's texts may quote a value, so of them only what has the form of a name gets through.
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)

LONGEST_PAUSE = 3600.0
"""Seconds of a Retry-After that we honour: a slip of the server's is not to stop us for good."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What the server says went wrong, in what we may repeat of it.

    Attributes:
        status: The HTTP status; None where it is about one path of a batch.
        code: From ScaiVault's envelope; None where the body is somebody else's.
        request_id: To look it up in the audit log.
        retry_after: Seconds to wait.
    """

    status: int | None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of a response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str | None:
        """The server's id of the request."""
        return _matching(_REQUEST_ID, self.headers.get("x-request-id"))

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
        payload = _masked_json(self.body)
        error = payload.get("error") if isinstance(payload, dict) else None
        envelope = error if isinstance(error, dict) else {"code": error}
        return self.problem_of(envelope, status=self.status)

    def problem_of(self, error: Mapping[str, Any], *, status: int | None = None) -> Problem:
        """Return what *error* says, the inside of an envelope that came with this answer."""
        return Problem(
            status=status,
            code=_matching(_CODE, error.get("code")),
            request_id=_matching(_REQUEST_ID, error.get("request_id")) or self.request_id,
            retry_after=self._retry_after(),
        )

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


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return str(value) if isinstance(value, str) and pattern.fullmatch(value) else None


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
        return mask(json.loads(body, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON
