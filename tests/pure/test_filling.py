"""What a need is filled with: a masked value, as the field takes it; or what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from vaultconfig.errors import (
    ConfigurationError,
    FieldNotFoundError,
    SecretError,
    SecretNotFoundError,
)
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.filling import as_wanted, fill
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.needs import Need
from vaultconfig.loading.places import Place
from vaultconfig.masking.values import is_masked, mask, unmask
from vaultconfig.references import Resolved, Template, VaultRef
from vaultconfig.secret import Secret


class Model(BaseModel):
    text: str = ""
    number: int = 0
    anything: Any = None
    items: list[Any] = []


FIELDS: dict[str, ModelField] = {field.name: field for field in fields_of(Model)}
WHOLE, PART = VaultRef("vault:a"), VaultRef("vault:a#k")


def answer(value: Any, path: str = "a") -> Resolved:
    return Resolved(mask(value), Secret(path, 1, {}))


def read_text(field: ModelField, text: str) -> Any:
    """Read what is for a list as JSON, and the rest as it is."""
    return json.loads(text) if field.name == "items" else text


def filled(name: str | None, value: Any, reference: VaultRef = PART, **where: Any) -> Any:
    field = None if name is None else FIELDS[name]
    need = Need("f", field, reference, (reference,), **where)
    return fill(need, {reference: answer(value)}, read_text)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[("text", "x", "x"), ("number", "7", "7"), ("number", 7, 7), ("text", 1.5, "1.5")],
        *[("text", None, None), ("text", True, "true"), ("text", [1], "[1]"), ("text", [], "[]")],
        *[("anything", {"k": [1]}, {"k": [1]}), ("items", "[1, 2]", [1, 2]), ("text", "", "")],
        *[(None, "x", "x"), (None, 7, 7), (None, {"k": 1}, {"k": 1}), (None, "[1]", "[1]")],
    ],
)
def test_a_value_as_the_field_takes_it(name: str | None, value: Any, expected: Any) -> None:
    """A number is text where the field wants text, and text is what a variable's would be."""
    found = filled(name, value)
    assert unmask(found) == expected
    assert type(unmask(found)) is type(expected)


@pytest.mark.parametrize(("name", "value"), [("text", "x"), ("text", 7), ("items", '["x"]')])
def test_a_value_is_masked(name: str, value: Any) -> None:
    """Also what was made of it, and its keys."""
    found = filled(name, value)
    assert "x" not in repr(found)
    assert is_masked(found[0] if isinstance(found, list) else found)
    keys = fill(
        Need("f", FIELDS["items"], PART, (PART,)),
        {PART: answer('{"canary": 1}')},
        read_text,
    )
    assert "canary" not in repr(keys)
    value = mask("x")
    assert (
        fill(
            Need("f", FIELDS["text"], PART, (PART,)),
            {PART: Resolved(value, Secret("a", 1, {}))},
            read_text,
        )
        is value
    )


def test_a_structure_is_a_copy() -> None:
    """Validators may change it, and other loads share the answer."""
    shared = answer({"k": [1]})
    found = fill(Need("f", FIELDS["anything"], PART, (PART,)), {PART: shared}, read_text)
    found["k"].append(2)
    assert unmask(shared.value) == {"k": [1]}


def test_a_whole_secret_goes_into_a_field_that_takes_objects() -> None:
    """Else the error names the fields that there are."""
    assert unmask(filled("anything", {"k": 1}, WHOLE)) == {"k": 1}
    assert unmask(filled(None, {"k": 1}, WHOLE)) == {"k": 1}
    error = filled("text", {"k": 1, "l": 2}, WHOLE)
    assert isinstance(error, FieldNotFoundError)
    assert (error.path, error.field, error.available) == ("a", None, ("k", "l"))


@pytest.mark.parametrize("text", ["no json", "[" * 100_000])
def test_text_that_can_not_be_read_is_an_error(text: str) -> None:
    """Without the text, and with the path."""
    error = filled("items", text)
    assert isinstance(error, SecretError)
    assert error.path == "a"
    assert "the text from a is not a JSON object or list" in str(error)
    assert (error.__context__, error.__traceback__) == (None, None)


def test_what_is_no_reference_fills_itself() -> None:
    """A literal, or what is wrong with the reference."""
    wrong = ConfigurationError("wrong")
    assert fill(Need("f", None, "literal"), {}, read_text) == "literal"
    assert fill(Need("f", None, wrong), {}, read_text) is wrong


def test_an_error_of_the_vault_fills_it() -> None:
    """Whichever of the references it is about."""
    missing = SecretNotFoundError("a")
    assert fill(Need("f", None, PART, (PART,)), {PART: missing}, read_text) is missing


class Variables:
    """Those of a source that reads JSON from variables, of which one is called A."""

    def name_at(self, place: Place) -> str | None:
        return "A" if place == ("a",) else None

    def read(self, place: Place, text: str) -> Any:
        return [place, text]


def test_a_reference_in_a_variable_is_read_as_that_variable() -> None:
    """As its source does; in the middle of one it is read as the field's text."""
    layer = Layer("environment", {}, Variables())
    assert unmask(filled("text", "x", layer=layer, place=("a",))) == [("a",), "x"]
    assert filled("text", "x", layer=layer, place=("a", 0)) == "x"
    assert filled("text", "x", layer=Layer("argument", {}), place=("a",)) == "x"


USER, HOST = VaultRef("vault:a#user"), VaultRef("vault:b#host")
TEMPLATE = Template.parse("x://${vault:a#user}@${vault:b#host}")


def rendered(user: Any, host: Any) -> Any:
    answers = {USER: answer(user), HOST: answer(host, "b")}
    return fill(Need("f", FIELDS["text"], TEMPLATE, (USER, HOST)), answers, read_text)


def test_a_template_is_rendered() -> None:
    """Numbers as their digits; the result is masked."""
    found = rendered("u", 7)
    assert found == "x://u@7"
    assert is_masked(found)


@pytest.mark.parametrize("value", [None, [1], {"k": 1}])
def test_a_template_takes_single_values(value: Any) -> None:
    """The error names the field and the path that have no text."""
    error = rendered("u", value)
    assert isinstance(error, SecretError)
    assert error.path == "b"
    assert "field 'host' of b is an object, a list or null" in str(error)


def test_a_whole_secret_in_a_template() -> None:
    """The error names the fields that there are."""
    template = Template((TEMPLATE.parts[0], *Template.parse("${vault:a}").parts))
    need = Need("f", None, template, (WHOLE,))
    error = fill(need, {WHOLE: answer({"k": 1})}, read_text)
    assert isinstance(error, FieldNotFoundError)
    assert (error.path, error.field, error.available) == ("a", None, ("k",))


def test_only_what_wants_text_gets_text() -> None:
    """Nothing and text stay as they are."""
    assert as_wanted(FIELDS["text"], None) is None
    text = mask("x")
    assert as_wanted(FIELDS["text"], text) is text
    assert as_wanted(FIELDS["number"], 7) == 7
    assert as_wanted(FIELDS["text"], {"k": 1}) == '{"k":1}'
    assert as_wanted(FIELDS["text"], 7) == "7"
