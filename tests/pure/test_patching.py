"""New answers in the input of a load before: what is laid in, and what only a load can tell."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from tests.pure.loads import Answering, as_it_is, load
from vaultconfig.errors import VaultUnavailableError
from vaultconfig.loading.layers import Layer, Provenance
from vaultconfig.loading.patching import patched
from vaultconfig.loading.report import Report
from vaultconfig.masking.values import unmask
from vaultconfig.secret import SecretKey


class Inner(BaseModel):
    key: Annotated[str, "vault:b#key"]


class Model(BaseModel):
    token: Annotated[str, "vault:a#token"]
    other: Annotated[str, "vault:c#other"] = "default"
    inner: Inner
    values: list[Any] = []


A, B, C = (SecretKey(path) for path in "abc")
SECRETS = {"a": {"token": "t1"}, "b": {"key": "k1"}, "c": {"other": "o1"}}
NEWER = {"a": {"token": "t2"}, "b": {"key": "k2"}, "c": {"other": "o2"}}
LAYERS = [Layer("argument", {"values": [1, ["vault:b#key"]]})]


def before(model: type = Model, secrets: dict[str, Any] = SECRETS, **options: Any) -> Report:
    return load(model, LAYERS if model is Model else [], Answering(secrets), **options)


def after(report: Report, *changed: SecretKey, secrets: dict[str, Any] = NEWER) -> Report | None:
    return patched(report, changed, Answering(secrets, version=2), as_it_is)


def test_a_changed_value() -> None:
    """It stands in the new report in each of its places; the report before stays as it was."""
    old = before()
    state, origins, filled = unmask(old.state), dict(old.origins), list(old.filled)
    new = after(old, B)
    assert new is not None
    expected = {
        "token": "t1",
        "other": "o1",
        "inner": {"key": "k2"},
        "values": [1, ["k2"]],
    }
    assert unmask(new.state) == expected
    newer = Provenance("vault", (("b", 2),))
    assert new.origins == {**origins, "inner.key": newer, "values.1.0": newer}
    assert [unmask(value) for _, value in new.filled].count("k2") == 2
    assert "k1" not in map(unmask, new.values)
    assert (unmask(old.state), old.origins, old.filled) == (state, origins, filled)
    assert "k1" in map(unmask, old.values)


def test_only_what_has_changed_is_asked_for() -> None:
    """The references of its fields, and nothing where no field has it."""
    vault = Answering(NEWER, version=2)
    patched(before(), [A], vault, as_it_is)
    new = patched(before(), [SecretKey("else")], vault, as_it_is)
    assert vault.asked == [["vault:a#token"], []]
    assert new is not None
    assert unmask(new.state)["token"] == "t1"


def test_again_and_again() -> None:
    """A patched report can be patched, with the places of the first."""
    new = after(before(), A)
    assert new is not None
    spots = new.spots
    newest = after(new, A, B, secrets={"a": {"token": "t3"}, "b": {"key": "k3"}})
    assert newest is not None
    assert newest.spots is spots is not None
    assert unmask(newest.state)["token"] == "t3"
    assert unmask(newest.state)["inner"] == {"key": "k3"}


@pytest.mark.parametrize(
    "secrets", [{}, {"a": {}}, {"a": {"token": ["x"]}}, {"a": VaultUnavailableError("down")}]
)
def test_what_is_no_text_any_more(secrets: dict[str, Any]) -> None:
    """An error, which something may stand in for, or an object, is for a load."""

    class Some(BaseModel):
        token: Annotated[Any, "vault:a#token"]

    assert after(before(Some), A, secrets=secrets) is None


def test_what_failed_before() -> None:
    """A secret that a default stood in for may be there now: that is for a load."""
    old = before(
        secrets={"a": SECRETS["a"], "b": SECRETS["b"]}, mode="development", environment="dev"
    )
    assert unmask(old.state).get("other") is None
    assert after(old, C) is None
    assert after(old, A) is not None


def test_what_a_factory_was_called_for() -> None:
    """Another value may make another default."""

    class Made(BaseModel):
        token: Annotated[str, "vault:a#token"]
        inner: Inner = Field(default_factory=Inner)

    assert after(before(Made), A) is None


def test_what_went_into_something_else() -> None:
    """A value that no place has can't be replaced."""
    old = before()
    old.state = {**old.state, "token": "made of it"}
    assert after(old, A) is None
    old.spots = None
    assert after(old, B) is not None


def test_what_stands_in_a_tuple() -> None:
    """A new tuple has the new value, though other places have the same one."""
    given = Layer("argument", {"values": ("x", "vault:b#key")})
    new = after(load(Model, [given], Answering(SECRETS)), B)
    assert new is not None
    assert unmask(new.state)["values"] == ("x", "k2")


def test_a_field_without_an_origin() -> None:
    """It gets none."""
    old = before()
    del old.origins["token"]
    new = after(old, A)
    assert new is not None
    assert "token" not in new.origins


def test_two_fields_with_one_value() -> None:
    """Where they make different things of a new one, that is for a load."""

    class Two(BaseModel):
        first: Annotated[Any, "vault:a#token"]
        second: Annotated[str, "vault:a#token"]

    assert after(before(Two), A) is not None
    assert after(before(Two), A, secrets={"a": {"token": 7}}) is None


def test_the_answer_stays_beside_the_others() -> None:
    """What has not changed has its answer from before."""
    old = before()
    new = after(old, A)
    assert new is not None
    versions = {str(r): answer.secret.version for r, answer in new.answers.items()}  # type: ignore[union-attr]
    assert versions == {"vault:a#token": 2, "vault:b#key": 1, "vault:c#other": 1}
