"""The error codes of ScaiVault: what each means, whether to try again, and what to do. Pure.

This is the one table of them; devserver/answers.py has the status of each, and the table in
tests/client/test_errors.py the error that it becomes. A code that does not stand here is not
repeated in a message: what a server sends in its place may be a value or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vaultconfig.references.paths import PATHS


class Kind(Enum):
    """What an error is about."""

    TOKEN = auto()  # and with it about everything that it is used for
    DENIED = auto()
    NOT_FOUND = auto()
    VERSION_NOT_FOUND = auto()
    REJECTED = auto()  # the request, as it was made
    RATE_LIMITED = auto()
    UNAVAILABLE = auto()
    FOREIGN = auto()  # not the vault: it has not answered


class Retry(Enum):
    """Whether another attempt may help."""

    NEVER = auto()
    ONCE = auto()
    BACKOFF = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code or a status says; *advice* is what to do, where that is special."""

    kind: Kind
    advice: str | None = None
    retry: Retry = Retry.NEVER


CODES: Final[Mapping[str, Meaning]] = {
    "authentication_required": Meaning(Kind.TOKEN, "check that it is complete and for this vault"),
    "token_expired": Meaning(Kind.TOKEN, "get a new token"),
    "token_invalid": Meaning(
        Kind.TOKEN, "check that it is complete and for this vault, or get a new one"
    ),
    "token_revoked": Meaning(Kind.TOKEN, "get a new token"),
    "tenant_not_found": Meaning(Kind.TOKEN, "check SCAIVAULT_TENANT_ID"),
    "access_denied": Meaning(Kind.DENIED, "ask for a policy that allows it"),
    "forbidden": Meaning(Kind.DENIED),
    "insufficient_scope": Meaning(
        Kind.DENIED,
        "ask for a token with the scope for it (for client credentials, "
        "VAULTCONFIG_SCOPE names the scope)",
    ),
    "mfa_required": Meaning(
        Kind.DENIED,
        "the policy requires a second factor: use a token that was issued with one, "
        "or ask for a policy that allows a service to do without",
    ),
    "ip_not_allowed": Meaning(Kind.DENIED, "ask for the address of this machine to be allowed"),
    "time_window_violation": Meaning(
        Kind.DENIED,
        "the policy allows it at certain times only: try again then, or ask for other times",
    ),
    "tenant_access_denied": Meaning(
        Kind.DENIED, "check SCAIVAULT_TENANT_ID, and that the token is for this tenant"
    ),
    "secret_not_found": Meaning(Kind.NOT_FOUND),
    "version_not_found": Meaning(Kind.VERSION_NOT_FOUND),
    "subscription_not_found": Meaning(Kind.REJECTED),  # as the dev server has it
    "not_found": Meaning(Kind.REJECTED),  # as others might have it
    "invalid_request": Meaning(Kind.REJECTED),
    "invalid_path": Meaning(Kind.REJECTED, f"{PATHS}; a field stands behind it, after '#'"),
    "validation_error": Meaning(Kind.REJECTED),
    "secret_exists": Meaning(Kind.REJECTED),
    "version_conflict": Meaning(Kind.REJECTED),
    "misdirected_request": Meaning(Kind.REJECTED),  # the dev server's own
    "rate_limited": Meaning(Kind.RATE_LIMITED, retry=Retry.BACKOFF),
    "service_unavailable": Meaning(Kind.UNAVAILABLE, retry=Retry.BACKOFF),
    "internal_error": Meaning(Kind.UNAVAILABLE, retry=Retry.ONCE),
}

OAUTH_CODES: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "server_error",
        "temporarily_unavailable",
    }
)
"""Those of RFC 6749, sections 4.1.2.1 and 5.2; at a token endpoint the status says the rest."""

BY_STATUS: Final[Mapping[int, Meaning]] = {
    403: Meaning(Kind.DENIED),
    429: CODES["rate_limited"],
    500: CODES["internal_error"],
    502: CODES["service_unavailable"],
    503: CODES["service_unavailable"],
    504: CODES["service_unavailable"],
}
"""What counts where the code is unknown or missing, but for `VERDICTS` without one."""

VERDICTS: Final = frozenset(range(400, 500)) - {429}
"""Statuses that are a verdict of the vault's with a code alone: else a proxy may have said so."""
