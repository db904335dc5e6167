"""An answer as it came over the wire, and what it says went wrong. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vaultconfig.client.codes import CODES, OAUTH_CODES
from vaultconfig.errors import ResponseError
from vaultconfig.masking.values import Unusable, masked_json

# The first, where the header came more than once; a date begins with a letter.
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*(?:,.*)?")
_CODE = re.compile(r"[a-z_]{1,64}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

UNNAMED = "the token"
"""A credential whose source has no name."""

UNKNOWN = "unknown_code"
"""In place of a code that we don't know, which may hold a value or a token."""

LONGEST_PAUSE = 3600.0
"""Seconds of a Retry-After that we honour: a mistake of the server must not stop us for good."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of a response.

    Attributes:
        sent: The credential that was sent, in case the server repeats it; may be empty.
        credential: The same by the name of its source, for messages.
        peer: The server's name in messages.
        url: The vault's, for messages.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent: str = field(default="", repr=False)
    credential: str = UNNAMED
    peer: str = "the vault"
    url: str = ""

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
            ResponseError: The body is something else.
        """
        payload = self.json_or_unusable()
        if not isinstance(payload, Unusable):
            return payload
        raise ResponseError(
            f"the answer (status {self.status}) holds {payload.flaw}", request_id=self.request_id
        )

    def json_or_unusable(self) -> dict[str, Any] | Unusable:
        """Return the same, or what is wrong with JSON that can't be read.

        Raises:
            ResponseError: The body is not a JSON object.
        """
        payload = masked_json(self.body)
        if isinstance(payload, (dict, Unusable)):
            return payload
        raise ResponseError(
            f"the answer (status {self.status}) is not a JSON object: is this ScaiVault's URL?",
            request_id=self.request_id,
        )

    def report(self, *, is_oauth: bool = False) -> ErrorReport:
        """Return what went wrong; a body that is not the envelope is not the server's own.

        Args:
            is_oauth: Whether the error may be a code alone, as in RFC 6749 section 5.2.
        """
        payload = masked_json(self.body)
        error = payload.get("error") if isinstance(payload, dict) else None
        if is_oauth and isinstance(error, str):
            error = {"code": error}
        return self.report_of(error, status=self.status)

    def report_of_path(self, error: object) -> ErrorReport:
        """Return what *error* says of one path of a batch, in whatever case: no proxy wrote it."""
        given = error if isinstance(error, dict) else {"code": error}
        code = given.get("code")
        code = code.lower().replace("-", "_") if isinstance(code, str) else None
        return self.report_of({**given, "code": code})

    def report_of(self, error: object, *, status: int | None = None) -> ErrorReport:
        """Return what *error* says, the inside of an envelope that came with this answer."""
        error = error if isinstance(error, dict) else {}
        code = error.get("code")
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            code = None
        elif code not in CODES and code not in OAUTH_CODES:
            code = UNKNOWN
        request_id = self._id_in(error.get("request_id")) or self.request_id
        return ErrorReport(self, status, text(code), request_id)

    def code(self, *, is_oauth: bool = False) -> str:
        """Return how it counts in the metrics: its error's code, or a word in place of that."""
        if 200 <= self.status < 300:
            return "ok"
        return self.report(is_oauth=is_oauth).code or "no_code"

    def broken(self, about: str, fault: str) -> ResponseError:
        """Return the error for an answer *about* something that breaks the protocol by *fault*."""
        return ResponseError(f"the vault's answer {about} {fault}", request_id=self.request_id)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, as the server asks for."""
        # RFC 9110 section 10.2.3: seconds, or a date; that one by the server's own clock.
        text = self.headers.get("retry-after", "").strip()
        if seconds := _SECONDS.fullmatch(text):  # a fraction, too, which many servers write
            return float(math.ceil(min(float(seconds[1]), LONGEST_PAUSE)))
        until = _http_date(text)
        if until is None:
            return None
        left = (until - (self.date or datetime.now(UTC))).total_seconds()
        return min(max(left, 0.0), LONGEST_PAUSE)

    def _id_in(self, value: object) -> str | None:
        if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
            return None
        repeats = self.sent and (self.sent in value or value in self.sent)
        return None if repeats else str(value)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What the server says went wrong, in what we may repeat of it.

    Attributes:
        answer: The answer that says so.
        status: The HTTP status; None where it is about one path of a batch.
        code: From the envelope, ``unknown_code`` for one that we don't know; None where the body
            is not the server's own.
        request_id: To look it up in the audit log.
    """

    answer: Answer
    status: int | None
    code: str | None
    request_id: str | None

    @property
    def said(self) -> str:
        """The code, or the status without one."""
        return self.code or f"status {self.status}"


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


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for a number of twenty digits
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
