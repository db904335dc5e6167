"""What is left to the vault: the references of fields and values, and what is wrong with them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, Json

from vaultconfig.errors import ConfigurationError, InvalidReferenceError, SecretNotFoundError
from vaultconfig.loading.annotations import Declared
from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.layers import Layer, Provenance, Rank
from vaultconfig.loading.needs import (
    REFERENCE_KEY,
    Need,
    expands_reference,
    of_annotation,
    of_value,
    reference_in,
    references_of,
    template_in,
)
from vaultconfig.loading.pieces import Piece, found_for, piece_of
from vaultconfig.loading.places import Place
from vaultconfig.references import Template, VaultRef


class Model(BaseModel):
    token: Annotated[str, "vault:{e}/a#token"] = ""
    aliased: str = Field("", validation_alias="ALIAS")
    template: Annotated[str, "x${vault:a#k}${vault:b}"] = ""
    wrong: list[Annotated[str, "vault:a#k"]] = []
    either: str = Field("", validation_alias=AliasChoices("A", "B"))


FIELDS: dict[str, ModelField] = {field.name: field for field in fields_of(Model)}
REFERENCE, OTHER = VaultRef("vault:a#k"), VaultRef("vault:b")
TEMPLATE = Template.parse("x${vault:a#k}${vault:b}")


class Texts(BaseModel):
    json_: Json[Any] | None = None
    plain: list[str] = []


class Variables:
    def name_at(self, place: Place) -> str | None:
        return "TOKEN" if place == ("token",) else None

    def read(self, place: Place, text: str) -> Any:
        return text


def filled(declared: Declared) -> Declared:
    return declared.fill({"e": "prod"})


def unfilled(_declared: Declared) -> Declared:
    raise ConfigurationError("nothing provides {e}")


def value(text: str, layer: Layer | None = None, *, fill: Any = filled) -> Need:
    piece = Piece(Rank.BELOW, layer, ("token",), text, Provenance("environment"))
    return of_value(text, piece, name="token", field=FIELDS["token"], fill=fill)


def test_the_need_of_an_annotation() -> None:
    """Its placeholders are filled; if they can't be, the error is what is wanted."""
    reference = VaultRef("vault:prod/a#token")
    need = of_annotation("token", FIELDS["token"], filled)
    assert need == Need("token", FIELDS["token"], reference, (reference,))
    assert need.shown == str(reference)
    need = of_annotation("token", FIELDS["token"], unfilled)
    assert isinstance(need.wanted, ConfigurationError)
    assert need.wanted.__traceback__ is None
    assert need.shown == "vault:{e}/a#token"


def test_a_template_and_a_mistake_in_an_annotation() -> None:
    """All references of the one are needed; the other is what is wanted."""
    need = of_annotation("template", FIELDS["template"], filled)
    assert (need.wanted, need.references) == (TEMPLATE, (REFERENCE, OTHER))
    need = of_annotation("wrong", FIELDS["wrong"], filled)
    assert isinstance(need.wanted, ConfigurationError)
    assert (need.references, need.shown) == ((), None)


@pytest.mark.parametrize(
    ("text", "wanted", "references"),
    [
        ("vault:a#k", REFERENCE, (REFERENCE,)),
        ("x${vault:a#k}${vault:b}", TEMPLATE, (REFERENCE, OTHER)),
        ("vault::literal", "vault:literal", ()),
    ],
)
def test_the_need_of_a_value(text: str, wanted: Any, references: tuple[VaultRef, ...]) -> None:
    """It knows the layer and the place that it stands in, if a source gave it."""
    layer = Layer("environment", {}, Variables())
    assert value(text, layer) == Need(
        "token", FIELDS["token"], wanted, references, layer, ("token",)
    )
    assert value(text).layer is None


def test_a_value_that_is_nearly_a_reference() -> None:
    """The error is what is wanted; shown is what it is about."""
    need = value("vault:a b")
    assert isinstance(need.wanted, InvalidReferenceError)
    assert need.wanted.__traceback__ is None
    assert (need.references, need.shown) == ((), "vault:a b")
    assert value("vault::literal").shown is None


def test_a_failure_names_the_setting_and_its_variable() -> None:
    """And the references, if there are any."""
    error = SecretNotFoundError("a")
    failure = value("x${vault:a#k}${vault:b}", Layer("environment", {}, Variables())).failed(error)
    assert (failure.field, failure.error) == ("token", error)
    assert "vault:a#k, vault:b" in str(failure)
    assert "TOKEN" in str(failure)
    failure = value("vault::literal").failed(error)
    assert (failure.reference, failure.variable) == (None, None)
    assert "vault:" not in str(failure)
    assert "TOKEN" not in str(failure)


@pytest.mark.parametrize(
    ("written", "text", "is_wrong"),
    [
        ("vault:${A}#k", "vault:canary#k", True),
        ("vault:a#${A}", "vault:a#canary", True),
        ("vault:${A} b", "vault:canary b", True),
        ("vault:a#k", "vault:a#k", False),
        ("${vault:a#k}${HOME}", "${vault:a#k}canary", False),
        (None, "vault:a#k", False),
    ],
)
def test_what_dotenv_has_expanded(written: str | None, text: str, is_wrong: bool) -> None:
    """A variable inside of a reference may be a secret, and is not sent to the vault or shown."""
    need = value(text, Layer(".env", {}, Variables(), lambda _: written))
    assert isinstance(need.wanted, InvalidReferenceError) is is_wrong
    if is_wrong:
        assert need.wanted.column == 1
        assert need.shown == "${A}"
        assert "canary" not in str(need.wanted)


@pytest.mark.parametrize(
    ("written", "text", "expands"),
    [
        ("x ${A} ${B}", "x 1 vault:a#k", True),
        ("x ${A:-b}", "x vault:a/b", True),
        ("x ${A}", "x vault:8200", False),  # the name of a host
        ("x ${A}", "x http://vault:8200/y", False),
        ("${A}", "vault:a#k", False),  # it is one
        ('{"x": "y ${A}"}', "x vault:a#k", False),  # another text of the same JSON
        (None, "x vault:a#k", False),
        ("x ${A}", 7, False),
    ],
)
def test_a_reference_in_the_middle_of_what_was_expanded(
    written: str | None, text: Any, expands: bool
) -> None:
    """It is an error that shows the variable alone."""
    layer = Layer(".env", {}, Variables(), lambda _: written)
    assert expands_reference(text, layer) is expands
    if expands:
        wanted = value(text, layer).wanted
        assert isinstance(wanted, InvalidReferenceError)
        assert wanted.expected.startswith("a template, ${vault:path#field}")
        assert (wanted.column, wanted.reference[:4]) == (1, "${A}")


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ('{"a": "vault:a#b"}', '{"a": "${vault:a#b}"}'),
        ('["${vault:a}", "x", "vault:{e}/a"]', '["${vault:a}", "x", "${vault:{e}/a}"]'),
        ('["vault::a", {"vault:a" :"vault:a b"}]', '["vault:a", {"vault:a" :"${vault:a b}"}]'),
        *[(same, same) for same in ('["vault:a#b}"]', '["vault:a#b|c"]', '["vault:v1:a", "b"]')],
        *[('["vault:a#\\u0062"]',) * 2, ("vault:a", None), (7, None)],
        (type("Text", (str,), {})('["vault:a"]'), None),
    ],
)
def test_the_references_inside_of_json(text: Any, template: str | None) -> None:
    """They are inserts of the text, where the field takes it as text."""
    fields = {field.name: field for field in fields_of(Texts)}
    assert template_in(text, fields["json_"]) == template
    assert template_in(text, fields["plain"]) is template_in(text, None) is None


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        *[("vault:a", "vault:a"), ("a", None), (7, None), (None, None), ("vault:v1:a", None)],
        *[({REFERENCE_KEY: "vault:a", "b": 1}, "vault:a"), ({"b": "vault:a"}, None)],
        *[(type("Text", (str,), {})("vault:a"), None)],
    ],
)
def test_the_reference_that_a_value_is(given: Any, reference: str | None) -> None:
    """An exact text, or one that a mapping was merged over."""
    assert reference_in(given) == reference


def test_the_references_in_what_fills_a_field() -> None:
    """One, those of a template, or none."""
    assert references_of(REFERENCE) == (REFERENCE,)
    assert references_of(TEMPLATE) == (REFERENCE, OTHER)
    assert references_of("text") == ()


def pieces_of(*data: dict[str, Any]) -> list[Piece]:
    return [piece_of(Layer("argument", given)) for given in data]


def test_a_piece_is_all_that_a_layer_gave() -> None:
    """From the top, with where it came from."""
    layer = Layer("argument", {"token": 1})
    expected = Piece(Rank.ABOVE, layer, (), {"token": 1}, Provenance("argument"))
    assert piece_of(layer) == expected


def test_what_pieces_have_for_a_field() -> None:
    """Those that have it, in order, each with the place and the value."""
    pieces = pieces_of({"token": 1}, {}, {"token": None, "ALIAS": 2})
    found = found_for(FIELDS["token"], pieces)
    assert found == [(pieces[0], ("token",), 1), (pieces[2], ("token",), None)]
    assert found_for(FIELDS["aliased"], pieces) == [(pieces[2], ("ALIAS",), 2)]
    pieces = pieces_of({"B": 1}, {"C": 2}, {"A": 3, "B": 4})
    found = found_for(FIELDS["either"], pieces)
    assert found == [(pieces[0], ("B",), 1), (pieces[2], ("A",), 3)]
