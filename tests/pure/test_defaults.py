"""Defaults as input: what a source would have to give for the same."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_settings import BaseSettings

from vaultconfig.loading.defaults import as_input, default_of
from vaultconfig.loading.fields import ModelField, fields_of

T = TypeVar("T")


class Inner(BaseModel):
    token: Annotated[str, "vault:a#token"] = "t"
    name: str = Field("n", alias="NAME")


class Other(Inner):
    pass


class Open(Inner):
    model_config = ConfigDict(extra="allow")


class Own(BaseSettings):
    token: Annotated[str, "vault:a#token"] = "t"


@dataclass
class Made:
    token: Annotated[str, "vault:a#token"] = "t"
    by_itself: int = dataclass_field(default=3, init=False)


class Plain(BaseModel):
    x: int = 0


class Beside(Inner):
    plain: Plain = Plain()


@dataclass
class Pair(Generic[T]):
    first: T


class Outer(BaseModel):
    beside: Beside = Beside()
    generic: Pair[Inner] = Pair(Inner())
    inner: Inner = Inner()
    either: Inner | Open = Inner()
    within: dict[str, Inner] = {}
    several: list[Inner] = []
    pair: tuple[Inner, ...] = ()
    own: dict[str, Own] = {}
    made: Made = Made()
    plain: dict[str, Any] = {}


FIELDS: dict[str, ModelField] = {field.name: field for field in fields_of(Outer)}
AS_INPUT = {"token": "t", "NAME": "n"}


def converted(name: str, default: Any) -> tuple[Any, list[type]]:
    strangers: list[type] = []
    return as_input(default, FIELDS[name], strangers), strangers


@pytest.mark.parametrize(
    ("name", "default", "expected"),
    [
        ("inner", Inner(), AS_INPUT),
        ("inner", None, None),
        ("either", Open(extra=7), {"extra": 7, **AS_INPUT}),
        ("within", {"a": Inner()}, {"a": AS_INPUT}),
        ("several", [Inner(), Inner()], [AS_INPUT, AS_INPUT]),
        ("pair", (Inner(),), (AS_INPUT,)),
        ("made", Made(), {"token": "t"}),
        ("plain", {"a": 1}, {"a": 1}),
        ("generic", Pair(Inner()), {"first": AS_INPUT}),
    ],
)
def test_models_become_mappings(name: str, default: Any, expected: Any) -> None:
    """By the keys that pydantic knows; what a class makes itself is left out."""
    assert converted(name, default) == (expected, [])


def test_a_model_without_references_stays_one() -> None:
    """Nothing in it is for the vault, and its class may check more than input shows."""
    beside = Beside()
    assert converted("beside", beside)[0]["plain"] is beside.plain


def test_a_settings_class_loads_itself() -> None:
    """As an item it stays an object."""
    own = Own()
    assert converted("own", {"a": own})[0]["a"] is own


@pytest.mark.parametrize(("name", "default"), [("inner", Other()), ("within", {"a": Other()})])
def test_a_class_that_the_annotation_does_not_name(name: str, default: Any) -> None:
    """It is noted: the vault can't fill it."""
    assert converted(name, default)[1] == [Other]


def other() -> Inner:
    return Inner(NAME="other")


class OfModel(BaseModel):
    inner: Inner = other()


class MadeOfModel(BaseModel):
    inner: Inner = Field(default_factory=other)


@dataclass
class OfDataclass:
    inner: Inner = dataclass_field(default_factory=other)


@dataclass
class AnnotatedOfDataclass:
    inner: Annotated[Inner, Field(default_factory=other)]


@pydantic_dataclass
class OfPydantic:
    inner: Inner = Field(default_factory=other)


class Required(BaseModel):
    inner: Inner


class OfItsClass(BaseModel):
    inner: Inner = Field(default_factory=Inner)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        *[(kind, other()) for kind in (OfModel, MadeOfModel, OfDataclass, OfPydantic)],
        (AnnotatedOfDataclass, other()),
        (Required, None),
        (OfItsClass, None),
    ],
)
def test_the_default(model: type, expected: Inner | None) -> None:
    """A new object in each kind of class; a class that makes it is left to the vault."""
    (field,) = fields_of(model)
    default = default_of(model, field, {})
    assert default == expected
    assert default is None or default is not default_of(model, field, {})


def of_the_name(data: dict[str, Any]) -> Inner:
    return Inner(NAME=data["name"])


class Checked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Field(default_factory=of_the_name)
    plain: Plain = Plain(x=1)

    @field_validator("name", "inner", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value


@dataclass
class Standard:
    name: Annotated[str, Field(coerce_numbers_to_str=True)]
    inner: Annotated[Inner, Field(default_factory=of_the_name)]


@pytest.mark.parametrize("model", [Checked, Standard])
def test_a_default_made_of_the_fields_before(model: type) -> None:
    """They are validated as in the class; what is not valid ends it without a default."""
    field = fields_of(model)[1]
    assert default_of(model, field, {"name": 7, "later": 1}) == Inner(NAME="7")
    assert default_of(model, field, {"name": None}) is None


def test_a_default_beside_what_is_not_valid() -> None:
    """It is one all the same where it is not made of that."""
    assert default_of(Checked, fields_of(Checked)[2], {"name": None}) == Plain(x=1)
