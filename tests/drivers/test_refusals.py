"""What counts as a login that was refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vaultconfig.drivers.login import may_be_rejection


@dataclass
class Session:
    used_password: bool


class Psycopg3Error(Exception):
    def __init__(self, message: str, *, used_password: bool) -> None:
        super().__init__(message)
        self.pgconn = Session(used_password)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            Psycopg3Error("FATAL: Passwort-Authentifizierung fehlgeschlagen", used_password=True),
            True,
        ),
        (Psycopg3Error("connection refused", used_password=False), False),
        (Exception('FATAL:  password authentication failed for user "x"'), True),
        (ConnectionRefusedError(111, "Connect call failed"), False),
        (TimeoutError(), False),
    ],
    ids=["in any language", "never asked", "another driver", "refused", "too late"],
)
def test_a_refusal_is_a_failure_after_a_password(error: Exception, expected: bool) -> None:
    """The vault is not asked about a server that is down."""
    assert may_be_rejection(error) is expected
