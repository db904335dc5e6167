"""One load: when the vault is asked, and for what; in which order failures are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from tests.pure.loads import Answering, load
from vaultconfig.connection.environment import FallbackMode, NoCredentialsError
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


class Optional(BaseModel):
    token: Annotated[str, "vault:a#token"]
    anything: Any = None


@pytest.mark.parametrize(
    ("given", "mode", "asked"),
    [
        ({"token": "vault:b#key"}, "never", ["vault:b#key"]),
        ({"token": "vault:b#key"}, "development", ["vault:b#key", "vault:a#token"]),
        ({"token": "vault:b?optional#key"}, "never", ["vault:b?optional#key", "vault:a#token"]),
        (
            {"token": "${vault:b?optional#key}${vault:c#x}"},
            "never",
            ["vault:b?optional#key", "vault:c#x", "vault:a#token"],
        ),
    ],
)
def test_what_may_be_needed_is_asked_for_at_once(
    given: dict[str, Any], mode: FallbackMode, asked: list[str]
) -> None:
    """What stands below a reference, too, unless nothing can stand in for that."""
    vault = Answering(SECRETS)
    load(Optional, [Layer("argument", given)], vault, mode=mode, environment="dev")
    assert vault.asked[0] == asked


def test_what_is_merged_is_asked_for_at_once() -> None:
    """An object may leave something to what stands below."""
    vault = Answering({"whole": {"x": 1}, **SECRETS})
    layers = [{"anything": "vault:whole"}, {"token": "t", "anything": {"y": "vault:b#key"}}]
    report = load(Optional, [Layer("argument", data) for data in layers], vault)
    assert unmask(report.state) == {"token": "t", "anything": {"x": 1, "y": "k"}}
    assert len(vault.asked) == 1


def test_who_waits_for_the_second_answer() -> None:
    """The error does not name what has been answered."""

    class Closing(Answering):
        def __call__(self, references: Sequence[VaultRef]) -> dict[VaultRef, Any]:
            if self.asked:
                raise NoCredentialsError("there are none any more")
            return super().__call__(references)

    class Nested(BaseModel):
        inner: Annotated[list[Inner], "vault:list#items"]
        token: Annotated[str, "vault:a#token"]

    with pytest.raises(NoCredentialsError) as caught:
        load(Nested, [], Closing({"list": {"items": [{}]}, **SECRETS}))
    assert caught.value.fields == ["inner.0.key"]


def test_who_waits_when_there_are_no_credentials() -> None:
    """The error has the names of all fields that are left to the vault."""

    class Closed(Answering):
        def __call__(self, references: Sequence[VaultRef]) -> dict[VaultRef, Any]:
            raise NoCredentialsError("there are none")

    class Wrong(Plain):
        wrong: Annotated[str, "vault:{nothing}/a#wrong"]

    with pytest.raises(NoCredentialsError) as caught:
        load(Wrong, [], Closed({}))
    assert caught.value.fields == ["token", "inner.key", "wrong"]


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
