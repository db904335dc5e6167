"""One load: when the vault is asked, and for what; in which order failures are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from tests.pure.loads import Answering, load
from vaultconfig.connection.environment import NoCredentialsError
from vaultconfig.errors import ConfigurationError, SecretNotFoundError
from vaultconfig.loading.layers import Layer
from vaultconfig.masking.values import unmask
from vaultconfig.references import VaultRef


class Inner(BaseModel):
    key: Annotated[str, "vault:b#key"]


class Plain(BaseModel):
    name: str = "n"
    token: Annotated[str, "vault:a#token"]
    inner: Inner


SECRETS = {"a": {"token": "t"}, "b": {"key": "k"}}


def test_one_question_has_all_references() -> None:
    """The answers go into the input, beside what the sources gave."""
    vault = Answering(SECRETS)
    report = load(Plain, [Layer("argument", {"name": "x"})], vault)
    assert unmask(report.state) == {"name": "x", "token": "t", "inner": {"key": "k"}}
    assert vault.asked == [["vault:a#token", "vault:b#key"]]


def test_nothing_is_asked_where_nothing_is_needed() -> None:
    """What is given needs no vault."""
    vault = Answering({})
    given = {"token": "x", "inner": {"key": "y"}}
    report = load(Plain, [Layer("argument", given)], vault)
    assert (report.state, vault.asked, report.failures) == (given, [], [])


def test_what_an_object_brings_in_is_asked_for_as_well() -> None:
    """In a second question, with the answers to the first one kept."""

    class Nested(BaseModel):
        inner: Annotated[list[Inner], "vault:list#items"]
        token: Annotated[str, "vault:a#token"]

    vault = Answering({"list": {"items": [{}]}, **SECRETS})
    assert unmask(load(Nested, [], vault).state) == {"inner": [{"key": "k"}], "token": "t"}
    assert vault.asked == [["vault:list#items", "vault:a#token"], ["vault:b#key"]]


def test_who_waits_when_there_are_no_credentials() -> None:
    """The error has the names of all fields that are left to the vault."""

    class Closed(Answering):
        def __call__(self, references: Sequence[VaultRef]) -> dict[VaultRef, Any]:
            raise NoCredentialsError("there are none")

    with pytest.raises(NoCredentialsError) as caught:
        load(Plain, [], Closed({}))
    assert caught.value.fields == ["token", "inner.key"]


def test_failures_are_in_the_order_of_the_class() -> None:
    """Those that are known before the vault answers, too; what is no field's comes last."""

    class Several(BaseModel):
        one: Annotated[str, "vault:a#one"]
        two: Inner
        three: Annotated[str, "vault:{nothing}/a#three"]
        four: str = Field("")

    given = [Layer("argument", {"zero": "vault:c#zero", "four": "vault:a b"})]
    report = load(Several, given, Answering({}), extra=True)
    assert [f.field for f in report.failures] == ["one", "two.key", "three", "four", "zero"]
    kinds = [type(failure.error) for failure in report.failures]
    assert kinds[0] is kinds[1] is kinds[4] is SecretNotFoundError
    assert issubclass(kinds[2], ConfigurationError)


def test_a_report_is_about_its_class_and_its_answers() -> None:
    """They are what its other readers start from."""
    report = load(Plain, [], Answering(SECRETS))
    assert report.model is Plain
    assert set(map(str, report.answers)) == {"vault:a#token", "vault:b#key"}
