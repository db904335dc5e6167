"""What became of each field: the values and secrets of a load, and where settings came from."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from vaultconfig.errors import SecretNotFoundError
from vaultconfig.loading.layers import Provenance
from vaultconfig.loading.needs import Need
from vaultconfig.loading.places import Place
from vaultconfig.loading.report import Origins, Report
from vaultconfig.references import Resolved, VaultRef
from vaultconfig.secret import Secret, SecretKey

ONE, TWO, GONE = VaultRef("vault:a#k"), VaultRef("vault:b#k"), VaultRef("vault:gone#k")
A, B = SecretKey("a"), SecretKey("b")


class Database(BaseModel):
    user: Annotated[str, ONE] = ""
    password: Annotated[str, TWO] = ""
    port: int = 0


class Settings(BaseModel):
    name: str = ""
    token: Annotated[str, ONE] = ""
    db: Database = Database()


def need(name: str, *references: VaultRef) -> Need:
    return Need(name, None, references[0], references)


@pytest.fixture
def report() -> Report:
    answers = {
        ONE: Resolved("one", Secret("a", 3, {})),
        TWO: Resolved("two", Secret("b", 4, {})),
        GONE: SecretNotFoundError("gone"),
    }
    report = Report(Settings, answers)
    report.filled = [(need("token", ONE, TWO), "filled"), (need("db.user", ONE, GONE), "other")]
    report.outcomes = [
        (need("db.user", ONE), None),
        (need("db.password", TWO), None),
        (need("name", GONE), None),
    ]
    return report


def test_a_report_begins_empty() -> None:
    """Nothing has been asked, filled or called."""
    report = Report(Settings, {})
    assert (report.model, report.values, report.has_called_factories) == (Settings, [], False)
    assert (report.state, report.outcomes, report.spots) == ({}, [], None)


def test_the_values_of_a_load(report: Report) -> None:
    """As they went into the input and as they were answered, each answer once."""
    report.handed_on = ["handed"]
    assert report.values == ["handed", "filled", "other", "one", "two"]


def test_what_is_taken_is_noted(report: Report) -> None:
    """As an outcome without an error, and as a value that the vault has filled."""
    taken = need("db.password", TWO)
    report.outcomes, report.filled = [], []
    assert report.take(taken, "two") == Provenance("vault", (("b", 4),))
    assert (report.outcomes, report.filled) == ([(taken, None)], [(taken, "two")])


def test_where_the_value_of_a_need_came_from(report: Report) -> None:
    """From each secret that was there, once."""
    origin = report.origin_of(need("token", ONE, ONE, TWO, GONE))
    assert origin == Provenance("vault", (("a", 3), ("b", 4)))


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        (("db", "user"), {A}),
        (("db", "password"), {B}),
        (("db",), {A, B}),
        (("db", "user", "inside"), {A}),
        (("db", "port"), {A, B}),
        (("name",), {SecretKey("gone")}),
        (("token",), set()),
        ((), set()),
    ],
)
def test_the_secrets_that_an_error_may_name(
    report: Report, place: Place, keys: set[SecretKey]
) -> None:
    """Those at its place, in it, or else around it."""
    assert report.secrets_at(place) == keys


def test_what_settings_keep(report: Report) -> None:
    """The origins of their values, which make no difference between equal settings."""
    report.origins = {"token": Provenance("vault"), "db.user": Provenance(".env")}
    report.overridden = ["db.password"]
    kept = report.kept()
    assert (kept.by_name, kept.overridden) == (report.origins, ("db.password",))
    assert kept == Origins({}, ())
    assert hash(kept) == hash(Origins({}, ()))
    assert kept != report.origins
    assert kept.from_vault() == {"token"}


def test_the_provenance_of_each_field(report: Report) -> None:
    """In the order of names; what nothing gave is a default."""
    origins: dict[str, Any] = {"token": Provenance("vault"), "db.user": Provenance(".env")}
    assert list(Origins(origins, ()).provenance(Settings).items()) == [
        ("db.user", Provenance(".env")),
        ("name", Provenance("default")),
        ("token", Provenance("vault")),
    ]
