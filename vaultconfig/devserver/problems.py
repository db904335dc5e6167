"""The errors of the dev server: ScaiVault's codes and their envelope. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CODES = {
    400: ("invalid_request", "invalid_path"),
    401: ("authentication_required", "token_expired", "token_invalid", "token_revoked"),
    403: (
        "access_denied",
        "insufficient_scope",
        "mfa_required",
        "ip_not_allowed",
        "time_window_violation",
        "tenant_access_denied",
        "forbidden",
    ),
    404: (
        "secret_not_found",
        "version_not_found",
        "tenant_not_found",
        "subscription_not_found",  # the pages name no code for this
    ),
    409: ("secret_exists", "version_conflict"),
    421: ("misdirected_request",),  # the dev server's own
    422: ("validation_error",),
    429: ("rate_limited",),
    500: ("internal_error",),
    503: ("service_unavailable",),
}

STATUS = {code: status for status, codes in _CODES.items() for code in codes}
"""The HTTP status of each code."""


class ApiError(Exception):
    """A rejected request, with what the envelope will say.

    Attributes:
        code: One of `STATUS`.
        message: For a person; never a secret's value.
        details: More for a program, such as ``{"fields": {name: what is wrong}}``.
        headers: To send along, such as ``Retry-After``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUS[self.code]

    def envelope(self, request_id: str) -> dict[str, Any]:
        """Return the body that ScaiVault sends for this problem."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = dict(self.details)
        return {"error": {**error, "request_id": request_id}}


def invalid(fields: Mapping[str, str]) -> ApiError:
    """Return the problem of a well-formed request whose *fields* hold what they may not."""
    named = ", ".join(fields)
    return ApiError("validation_error", f"not valid: {named}", details={"fields": dict(fields)})
