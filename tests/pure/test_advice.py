"""What is said of `.env` and of credentials: by environment, rule and what was found."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field

from vaultconfig.connection.connection import SET_CREDENTIALS
from vaultconfig.connection.environment import Environment, FallbackMode, FallbackRule
from vaultconfig.loading.advice import (
    ON_YOUR_OWN_MACHINE,
    no_credentials,
    values_ignored,
    values_to_add,
    variable_name,
)

URL, FILES = "https://vault.example", "/app/.env"
NO_CREDENTIALS = f"no credentials for the vault at {URL}: {SET_CREDENTIALS}"
NOT_HERE = "in the environment 'prod' /app/.env is no substitute"
HERE = f"{NOT_HERE} (it is in dev, development, local, test)"
IGNORED = "(a, b in /app/.env: used in development only)"


@pytest.mark.parametrize(
    ("mode", "environment", "ignored", "told"),
    [
        *[("development", "dev", [], f"no credentials for the vault, and no value in {FILES}")],
        *[("always", "dev", ["a"], f"no credentials for the vault, and no value in {FILES}")],
        *[("always", "prod", ["a"], NO_CREDENTIALS), ("never", "dev", ["a"], NO_CREDENTIALS)],
        ("development", None, [], f"{NO_CREDENTIALS}; {ON_YOUR_OWN_MACHINE}"),
        ("development", None, ["a", "b"], f"{NO_CREDENTIALS} {IGNORED}; {ON_YOUR_OWN_MACHINE}"),
        ("development", "prod", [], f"{NO_CREDENTIALS}; {HERE}"),
        ("never", "prod", ["a", "b"], f"{NO_CREDENTIALS} {IGNORED}; {HERE}"),
    ],
)
def test_without_credentials(
    mode: FallbackMode, environment: str | None, ignored: list[str], told: str
) -> None:
    """What to set, and why a `.env` does not do here; where it does, that it has no value."""
    rule = FallbackRule(mode, Environment(environment))
    assert no_credentials(URL, rule, files=FILES, ignored=ignored) == told


def test_what_to_add() -> None:
    """The variables, and where; a file that can't be read comes first."""
    assert values_to_add(["A", "B"], ["x", "y"], []) == "add A, B to x, y"
    told = values_to_add(["A", "B"], ["x", "y"], ["y", "z"])
    assert told == "fix y, z, which cannot be read: A, B may stand there"


@pytest.mark.parametrize(
    ("mode", "is_default", "told"),
    [
        ("never", True, "which vault_fallback='never' leaves to the vault"),
        ("never", False, "which vault_fallback='never' leaves to the vault"),
        ("development", True, f"which it provides in development only: {ON_YOUR_OWN_MACHINE}"),
    ],
)
def test_what_is_ignored(mode: FallbackMode, is_default: bool, told: str) -> None:
    """The fields, and why: the class says so, or the environment."""
    rule = FallbackRule(mode, Environment("prod"))
    found = values_ignored(["a", "b"], rule, files=FILES, is_default=is_default)
    assert found == f"/app/.env has a, b, {told}"


def test_what_is_ignored_in_a_file_of_the_class() -> None:
    """It names no way to development, for which the file may not be meant."""
    rule = FallbackRule("development", Environment("prod"))
    assert values_ignored(["a"], rule, files=FILES, is_default=False) == (
        "/app/.env has a: fields with a reference are not taken from there in this environment"
    )


class Model(BaseModel):
    plain: str
    aliased: str = Field(validation_alias=AliasChoices("First", "second"))
    inside: str = Field(validation_alias=AliasPath("Holder", 1))


@pytest.mark.parametrize(
    ("name", "config", "variable"),
    [
        *[("plain", {}, "PLAIN"), ("plain", {"env_prefix": "App_"}, "APP_PLAIN")],
        *[("aliased", {}, "FIRST"), ("aliased", {"env_prefix": "App_"}, "FIRST")],
        *[("inside", {}, "HOLDER"), ("unknown", {}, "UNKNOWN")],
        ("plain.key", {"env_nested_delimiter": "__"}, "PLAIN__KEY"),
        ("plain.key.k", {"env_nested_delimiter": "__", "env_prefix": "A_"}, "A_PLAIN__KEY__K"),
        ("plain.key", {}, "PLAIN"),
        ("aliased", {"case_sensitive": True}, "First"),
        ("plain.key", {"case_sensitive": True, "env_nested_delimiter": "__"}, "plain__key"),
    ],
)
def test_the_variable_of_a_field(name: str, config: dict[str, Any], variable: str) -> None:
    """With the prefix, if it is called by its name; in capitals, where that does not matter."""
    assert variable_name(Model, config, name) == variable
