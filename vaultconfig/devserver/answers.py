"""What answers are made of: JSON, and errors with ScaiVault's codes in its envelope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_CODES = {
    400: "invalid_request invalid_path",
    401: "authentication_required token_expired token_invalid token_revoked",
    403: "access_denied insufficient_scope mfa_required ip_not_allowed time_window_violation"
    " tenant_access_denied forbidden",
    404: "secret_not_found version_not_found tenant_not_found"
    " subscription_not_found",  # the pages name no code for this
    409: "secret_exists version_conflict",
    421: "misdirected_request",  # the dev server's own
    422: "validation_error",
    429: "rate_limited",
    500: "internal_error",
    503: "service_unavailable",
}

STATUS = {code: status for status, codes in _CODES.items() for code in codes.split()}
"""The HTTP status of each code."""


class Json(JSONResponse):
    """JSON in ASCII, so that a lone surrogate comes back the way it was put."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False).encode()


class ApiError(Exception):
    """A rejected request.

    Attributes:
        code: One of `STATUS`.
        message: For a person; never a secret's value.
        fields: What is wrong with each field of the request, where that is known.
    """

    def __init__(self, code: str, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code: str = code
        self.message: str = message
        self.fields: Mapping[str, str] | None = fields

    def answer(self, request: Request) -> Response:
        """Return ScaiVault's envelope."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields is not None:
            error["details"] = {"fields": dict(self.fields)}
        error["request_id"] = request.state.request_id
        return Json({"error": error}, STATUS[self.code])


def invalid(fields: Mapping[str, str]) -> ApiError:
    """Return the error for a well-formed request whose *fields* hold what they may not."""
    message = "; ".join(f"{name}: {expected}" for name, expected in fields.items())
    return ApiError("validation_error", message, fields=fields)


def timestamp(seconds: float | None) -> str | None:
    """Return Unix *seconds* the way ScaiVault writes them, as in ``2026-01-31T12:00:00.000Z``."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
