"""Which member of a union a value is going to be, as far as its tag tells before the vault does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from vaultconfig.loading.fields import ModelField, fields_of
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.pieces import Piece, piece_of
from vaultconfig.loading.unions import (
    carry_references,
    has_tag_to_ask,
    model_among,
    model_without_tag,
    tags_made,
)


class Cat(BaseModel):
    kind: Literal["cat"] = Field("cat", validation_alias="KIND")
    token: Annotated[str, "vault:a#cat"] = ""


class Dog(BaseModel):
    kind: Literal["dog", "hound"] = Field("dog", validation_alias="KIND")
    name: str = "rex"


class Persian(Cat):
    coat: Literal["long"] = "long"


class Tabby(Cat):
    coat: Literal["short"] = "short"


class Bare(BaseModel):
    name: str = "bare"


class Plain(BaseModel):
    name: str = "plain"


class Needy(BaseModel):
    name: str
    size: int = 3


def species(data: Any) -> str:
    assert data is not None, "there is nothing to look at"
    return str(data.get("species") if isinstance(data, dict) else type(data).__name__.lower())


Kind = TypeAliasType("Kind", Literal["bird", "fowl"])


class Bird(BaseModel):
    kind: Kind | Literal["parrot"] = Field("bird", validation_alias="KIND")


class Zoo(BaseModel):
    one: Cat = Cat()
    tagged: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat()
    beside: Annotated[Cat | Dog, Field(discriminator="kind")] | Bare = Cat()
    several: Annotated[Cat | Dog, Field(discriminator="kind")] | Bare | Plain = Cat()
    nested: Annotated[
        Annotated[Persian | Tabby, Field(discriminator="coat")] | Dog, Field(discriminator="kind")
    ] = Dog()
    untagged: Cat | Bare = Cat()
    called: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Bare, Tag("bare")], Discriminator(species)
    ] = Cat()
    harmless: Dog | Bare = Bare()
    flying: Annotated[Cat | Bird, Field(discriminator="kind")] = Bird()
    pets: Annotated[
        Annotated[Annotated[Cat | Dog, Field(discriminator="kind")], Tag("pet")]
        | Annotated[Bare, Tag("bare")],
        Discriminator(species),
    ] = Bare()
    twice: Annotated[
        Annotated[Bare, Tag("bare")] | Annotated[Bare, Tag("nude")] | Annotated[Cat, Tag("cat")],
        Discriminator(species),
    ] = Bare()
    made: Annotated[Cat | Dog, Field(discriminator="kind")] = Field(default_factory=Dog)
    called_made: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Bare, Tag("bare")], Discriminator(species)
    ] = Field(default_factory=Cat)
    needy_made: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Needy, Tag("needy")], Discriminator(species)
    ] = Field(default_factory=Needy)
    plain_made: Cat = Field(default_factory=Cat)


FIELDS: dict[str, ModelField] = {field.name: field for field in fields_of(Zoo)}


def given(*data: dict[str, Any]) -> list[Piece]:
    return [piece_of(Layer("argument", each)) for each in data]


@pytest.mark.parametrize(
    ("name", "data", "default", "model"),
    [
        ("one", [], None, Cat),
        ("tagged", [{"KIND": "cat"}], None, Cat),
        ("tagged", [{"KIND": "hound"}], None, Dog),
        ("tagged", [{"name": 1}, {"KIND": "dog"}], None, Dog),
        ("tagged", [{"KIND": "cow"}], None, None),
        ("tagged", [{}], Dog(), Dog),
        ("tagged", [{"KIND": "cat"}], Dog(), Cat),
        ("tagged", [], None, None),
        ("nested", [{"KIND": "dog"}], None, Dog),
        ("nested", [{"KIND": "cat", "coat": "short"}], None, Tabby),
        ("nested", [{"KIND": "cat"}], None, None),
        ("nested", [{"KIND": "dog", "coat": "short"}], None, Dog),
        ("beside", [{"name": "x"}], None, None),
        ("beside", [{"KIND": "cat"}], None, Cat),
        ("untagged", [{"KIND": "cat"}], Cat(), None),
        ("called", [{"species": "cat"}], None, Cat),
        ("called", [{"x": 1}, {"species": "bare"}], None, Bare),
        ("called", [{"species": "bare"}, {"species": "cat"}], None, Bare),
        ("called", [{"species": "cow"}], None, None),
        ("called", [], Bare(), Bare),
        ("called", [], None, None),
        *(("flying", [{"KIND": kind}], None, Bird) for kind in ("bird", "fowl", "parrot")),
        ("flying", [{"KIND": "cat"}], None, Cat),
        *(("twice", [{"species": kind}], None, Bare) for kind in ("bare", "nude")),
        ("twice", [{"species": "cat"}], None, Cat),
        ("pets", [{"species": "pet", "KIND": "cat"}], None, Cat),
        ("pets", [{"species": "pet", "KIND": "hound"}], None, Dog),
        ("pets", [{"species": "bare"}], None, Bare),
    ],
)
def test_the_model_whose_tag_is_there(
    name: str, data: list[dict[str, Any]], default: object, model: type | None
) -> None:
    """The highest piece with a tag says, else the default; a model without a tag is never it."""
    assert model_among(FIELDS[name], given(*data), default) is model


@pytest.mark.parametrize(
    ("name", "data", "default", "model"),
    [
        ("beside", [{"name": "x"}], None, Bare),
        ("beside", [], Bare(), Bare),
        ("beside", [], Cat(), None),
        ("beside", [], None, None),
        ("several", [{"name": "x"}], None, None),
        ("tagged", [{"name": "x"}], None, None),
    ],
)
def test_the_one_model_without_a_tag(
    name: str, data: list[dict[str, Any]], default: object, model: type | None
) -> None:
    """What has no tag is it, if there is something, and one such model."""
    assert model_without_tag(FIELDS[name], given(*data), default) is model


def test_whether_the_models_have_references() -> None:
    """One of them is enough."""
    carrying = {name for name, field in FIELDS.items() if carry_references(field)}
    assert carrying == set(FIELDS) - {"harmless"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([{"KIND": "vault:a#kind"}], True),
        ([{"KIND": "cat"}], False),
        ([{"name": "vault:a#name"}], False),
        ([{"KIND": "cat"}, {"KIND": "vault:a#kind"}], False),
        ([], False),
    ],
)
def test_a_tag_that_is_a_reference(data: list[dict[str, Any]], expected: bool) -> None:
    """It counts where it is the highest, and only where the tag is looked for."""
    assert has_tag_to_ask(FIELDS["tagged"], given(*data)) is expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("made", {"KIND": "dog"}),
        ("called_made", {"KIND": "cat"}),
        ("needy_made", {"size": 3}),
        ("plain_made", {}),
    ],
)
def test_the_tags_that_a_factory_makes(name: str, values: dict[str, Any]) -> None:
    """As input; where a function tells, all that is not for the vault, which it may look at."""
    assert tags_made(FIELDS[name]) == values
