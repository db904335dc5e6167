"""How long a secret may be served."""

from __future__ import annotations

import pytest

from vaultconfig.errors import SecretNotFoundError
from vaultconfig.references import VaultRef
from vaultconfig.secret import Secret
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.lifetime import Lifetime

USUAL = Lifetime(ttl=300.0, max_stale=900.0)
SECRET = Secret("app", 3, {})


@pytest.mark.parametrize(("ttl", "max_stale", "longest"), [(300, 900, 900), (300, 0, 300)])
def test_it_is_served_for_its_ttl_at_least(ttl: float, max_stale: float, longest: float) -> None:
    """The longer of both times is the end, also where nothing stale may be served."""
    assert Lifetime(ttl, max_stale).longest == longest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vault:a", USUAL),
        ("vault:a?ttl=5", Lifetime(5.0, 900.0)),
        ("vault:a?max_stale=0", Lifetime(300.0, 0.0)),
        ("vault:a?optional", Lifetime(300.0, 900.0, is_optional=True)),
        ("vault:a?ttl=5&max_stale=6&optional", Lifetime(5.0, 6.0, is_optional=True)),
    ],
)
def test_a_reference_says_what_is_different(text: str, expected: Lifetime) -> None:
    """What it does not say stays as it is."""
    assert USUAL.with_options_of(VaultRef(text)) == expected


def test_a_reference_without_options_changes_nothing() -> None:
    """Then it is the same object, since there may be thousands of references."""
    assert USUAL.with_options_of(VaultRef("vault:a#b")) is USUAL


def test_the_shorter_of_two() -> None:
    """References to one secret share the shorter of each time, and it is required if one is."""
    other = Lifetime(500.0, 600.0, is_optional=True)
    assert USUAL.shorter(other) == other.shorter(USUAL) == Lifetime(300.0, 600.0)
    assert other.shorter(Lifetime(*other)) == other
    assert USUAL.shorter(USUAL) is USUAL


@pytest.mark.parametrize(("age", "is_kept"), [(0.0, True), (299.9, True), (300.0, False)])
def test_a_secret_is_kept_for_less_than_its_ttl(age: float, is_kept: bool) -> None:
    """At its ttl the vault is asked again."""
    assert USUAL.is_kept_by(Reading(SECRET, 100.0), 100.0 + age) is is_kept


def test_that_there_is_none_is_an_answer_where_it_is_optional() -> None:
    """Where a secret is required, somebody may have put it there by now."""
    reading = Reading(SecretNotFoundError("app"), 100.0)
    assert not USUAL.is_kept_by(reading, 100.0)
    assert Lifetime(300.0, 0.0, is_optional=True).is_kept_by(reading, 100.0)
    assert not Lifetime(300.0, 0.0, is_optional=True).is_kept_by(reading, 400.0)


def test_the_version_of_a_reading() -> None:
    """An older version than the newest goes back; an error has no version."""
    reading, missing = Reading(SECRET, 0.0), Reading(SecretNotFoundError("app"), 0.0)
    assert (reading.version, missing.version) == (3, 0)
    assert [reading.goes_back(newest) for newest in (2, 3, 4)] == [False, False, True]
    assert not missing.goes_back(4)
