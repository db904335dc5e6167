"""The rule for when `.env` serves: every mode against every kind of failure."""

from __future__ import annotations

import pytest

from vaultconfig.connection.environment import (
    Environment,
    FallbackMode,
    FallbackRule,
    NoCredentialsError,
    check_declared,
    current_environment,
)
from vaultconfig.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    FieldNotFoundError,
    RateLimitedError,
    ResponseError,
    SecretNotFoundError,
    VaultConfigError,
    VaultUnavailableError,
)

DEVELOPMENT, PRODUCTION = Environment("dev"), Environment("production")
OUTAGES = [NoCredentialsError("x"), VaultUnavailableError("x"), RateLimitedError("x")]
ANSWERS = [
    AccessDeniedError("p"),
    SecretNotFoundError("p"),
    FieldNotFoundError("p", "f", available=()),
    AuthenticationError("x"),
    ResponseError("x"),
    ConfigurationError("x"),
]


@pytest.mark.parametrize("error", [*OUTAGES, *ANSWERS], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("mode", "environment", "outage", "answer"),
    [
        ("development", DEVELOPMENT, True, True),
        ("development", PRODUCTION, False, False),
        ("development", Environment(None), False, False),
        ("always", DEVELOPMENT, True, False),
        ("always", PRODUCTION, True, False),
        ("never", DEVELOPMENT, False, False),
        ("never", PRODUCTION, False, False),
    ],
)
def test_the_table(
    mode: FallbackMode,
    environment: Environment,
    outage: bool,
    answer: bool,
    error: VaultConfigError,
) -> None:
    """Development covers all, "always" outages only, "never" nothing."""
    rule = FallbackRule(mode, environment)
    assert rule.covers(error) is (outage if error in OUTAGES else answer)
    assert rule.is_possible is (outage or answer)


@pytest.mark.parametrize(
    ("argument", "declared", "environ", "name"),
    [
        (None, None, {}, None),
        ("a", "c", {"VAULTCONFIG_ENVIRONMENT": "b"}, "a"),
        (None, "c", {"VAULTCONFIG_ENVIRONMENT": " B "}, "b"),
        ("", "c", {"VAULTCONFIG_ENVIRONMENT": ""}, "c"),
    ],
)
def test_which_environment(
    argument: str | None, declared: str | None, environ: dict[str, str], name: str | None
) -> None:
    """The argument, then the variable, then the class; blank says nothing."""
    assert current_environment(argument, declared=declared, environ=environ).name == name


@pytest.mark.parametrize("name", ["development", "DEV", " local ", "test"])
def test_development_names_do_not_ship(name: str) -> None:
    """A class can't say that it runs in development, however it spells it."""
    with pytest.raises(ConfigurationError, match="would ship"):
        check_declared(name)


@pytest.mark.parametrize("name", [None, "", "production", "testing", "dev2"])
def test_other_names_do(name: str | None) -> None:
    """Anything else is as good as production."""
    check_declared(name)
