"""ValidationErrors without what came from the vault: what is kept, and what is withheld."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import AliasPath, BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from vaultconfig.loading.mistakes import WITHHELD, Quotations, clean_error, mistakes_in
from vaultconfig.masking.values import mask

CANARY = "canary-55e0"


class Cat(BaseModel):
    kind: Literal["cat"]
    inner: Inner | None = None


class Dog(BaseModel):
    kind: Literal["dog"]


class Inner(BaseModel):
    size: int = 0
    again: Inner | None = None


class Model(BaseModel):
    number: int = 0
    items: dict[str, list[int]] = {}
    inner: Inner = Inner()
    pet: Cat | Dog | None = Field(None, discriminator="kind")
    aliased: int = Field(0, validation_alias=AliasPath("holder", "place", 0))
    said: str = ""
    odd: str = ""

    @field_validator("said")
    @classmethod
    def judge(cls, said: str) -> str:
        if said:
            raise ValueError(said)
        return said

    @field_validator("odd")
    @classmethod
    def invent(cls, odd: str) -> str:
        if odd:
            raise PydanticCustomError(odd, f"{odd} is odd")  # type: ignore[arg-type]
        return odd


def cleaned(values: list[Any], *, nulls: tuple[str, ...] = (), **data: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Model(**data)
    return clean_error(caught.value, Model, values, nulls=nulls)


def lines(values: list[Any], **options: Any) -> list[tuple[Any, str, str]]:
    errors = cleaned(values, **options).errors()
    assert all(line["input"] is None for line in errors)
    assert all("ctx" not in line for line in errors)
    return [(line["loc"], line["type"], line["msg"]) for line in errors]


INVALID = "Input should be a valid integer, unable to parse string as an integer"


def test_what_quotes_nothing() -> None:
    """Place, type and message stay; the input goes."""
    found = lines([mask(CANARY)], number=CANARY, items={"k": [0, "x"]})
    kept = [(("number",), "int_parsing", INVALID), (("items", "k", 1), "int_parsing", INVALID)]
    assert found == kept
    error = cleaned([], number=CANARY)
    assert error.title == "Model"
    assert "input" not in str(error)


def test_what_quotes_a_value() -> None:
    """A key, a validator's words, its type and the tag of a union are withheld each by itself."""
    found = lines(
        [mask(CANARY)],
        items={CANARY: ["x"], "k": ["x"]},
        pet={"kind": CANARY},
        said=f"not {CANARY}",
        odd=CANARY,
    )
    assert found == [
        (("items", WITHHELD, 0), "int_parsing", INVALID),
        (("items", "k", 0), "int_parsing", INVALID),
        (("pet",), "union_tag_invalid", WITHHELD),
        (("said",), "value_error", WITHHELD),
        (("odd",), WITHHELD, WITHHELD),
    ]


def test_what_a_validator_says_of_other_things() -> None:
    """Its words stay; an empty value is not quoted by them."""
    found = lines([mask(CANARY), mask("")], said="too odd", odd="strange")
    assert [line[1:] for line in found] == [
        ("value_error", "Value error, too odd"),
        ("strange", "strange is odd"),
    ]


def test_the_names_of_the_class() -> None:
    """They are told, though a value is the same: of fields, aliases and nested models."""
    values = [
        mask(name) for name in ("number", "holder", "place", "inner", "size", "again", "kind")
    ]
    found = lines(
        values,
        number="x",
        inner={"size": "x", "again": {"size": "x"}},
        pet={"kind": "cat", "inner": {"size": "x"}},
        holder={"place": ["x"]},
    )
    assert [line[0] for line in found] == [
        ("number",),
        ("inner", "size"),
        ("inner", "again", "size"),
        ("pet", "cat", "inner", "size"),
        ("holder", "place", 0),
    ]


def test_pydantics_own_words() -> None:
    """Its types and messages hold no value, though one may be a word of them; a key may be one."""
    assert lines([mask("integer"), mask("int_parsing")], items={"int_parsing": ["x"]}) == [
        (("items", WITHHELD, 0), "int_parsing", INVALID)
    ]


def test_what_is_null_in_the_vault() -> None:
    """The message says so, for the fields that are."""
    found = lines([], number=None, inner={"size": None}, nulls=("inner.size",))
    assert [line[2] for line in found] == [
        "Input should be a valid integer",
        "Input should be a valid integer: it is null in the vault",
    ]


@pytest.mark.parametrize(
    "value",
    [
        *[mask("1234"), [mask("1234")], {"k": mask("1234")}, {mask("1234"): 1}, mask(1234)],
        *[mask('{"k": "1234"}'), mask('["1234"]'), mask('{"1234": 1}'), mask('{"k": [1234]}')],
        mask('"12\\u00334"'),
    ],
)
def test_where_a_value_is_looked_for(value: Any) -> None:
    """In mappings and lists, their keys, and in texts that are JSON."""
    assert lines([value], said="not 1234")[0][2] == WITHHELD
    assert lines(["1234", 1234], said="not 1234")[0][2] != WITHHELD


def test_a_text_that_is_nested_too_deeply() -> None:
    """It is not JSON to us."""
    assert lines([mask("[" * 100_000)], said="not it")[0][2] == "Value error, not it"


@pytest.mark.parametrize(
    ("text", "value", "is_quoted"),
    [
        *[("xabcdx", "abcd", True), ("xabcx", "abc", False), ("x ABC x", "abc", True)],
        *[
            ("xabcx", "ABCD", False),
            ("xHUNTER2x", "hunter2", True),
            ("xhunter22x", "Hunter22", True),
        ],
        *[("the hunter", "hunter2", False), ("the unter2", "hunter2", False)],
        *[("supersec", "supersecret-value", True), ("et-value", "supersecret-value", True)],
        *[("t-value", "supersecret-value", False), ("supersecret", "supersecret-value", True)],
        *[("a/b%20c", "a/b c", True), ("a%2Fb%20c", "a/b c", True), ("a b/c", "a/b c", False)],
        *[(r"a\nbc", "a\nbc", True), (r"a\xe9bc", "aébc", True), (r"a\xc3\xa9bc", "aébc", True)],
        *[("a?bc", "a\ud800bc", True), ("a.c", "abc", False), ("", "abc", False)],
    ],
)
def test_a_quotation(text: str, value: str, is_quoted: bool) -> None:
    """Up to three characters count as a word, up to seven anywhere, of more any eight in a row."""
    assert Quotations([value], [text]).are_in(text) is is_quoted
    assert Quotations(["other-value", "xyz", "wxyz", value], ["", text]).are_in(text) is is_quoted


def test_the_mistakes_of_an_input() -> None:
    """Those that pydantic finds in it, without what the vault gave; in a right one none."""
    assert mistakes_in(Model, {"number": mask("7"), "said": ""}) == []
    found = mistakes_in(Model, {"number": None, "said": mask(CANARY)}, nulls=["number"])
    assert [(line["loc"], line["input"]) for line in found] == [
        (("number",), None),
        (("said",), None),
    ]
    assert found[0]["msg"].endswith(": it is null in the vault")
    assert found[1]["msg"] == WITHHELD
