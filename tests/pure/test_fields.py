"""The fields of a class: where their values stand, what fills them, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo

from vaultconfig.loading.fields import (
    ModelField,
    describe,
    fields_of,
    model_fields,
    overlap,
    title_of,
    walk,
)
from vaultconfig.loading.places import Place

T = TypeVar("T")


class One(BaseModel):
    token: Annotated[str, "vault:a#token"] = Field("", alias="TOKEN")


class Two(BaseModel):
    size: int = 0


class Ring(BaseModel):
    ring: Ring | None = None


class Node(One):
    child: Node | None = None


class Outer(BaseModel):
    inner: One
    items: list[One]
    node: Node
    either: Two | One
    first: One = Field(validation_alias=AliasPath("held", "first", 0))
    second: Two = Field(validation_alias=AliasPath("held", "second"))


@dataclass
class Pair(Generic[T]):
    first: T


def made(annotation: Any, default: Any = ..., **config: Any) -> ModelField:
    """Return the field ``x`` of a model that is made here."""
    model = create_model("Model", __config__=ConfigDict(**config), x=(annotation, default))
    return fields_of(model)[0]


@pytest.mark.parametrize(
    ("annotation", "models", "inside", "many", "nullable"),
    [
        (str, (), (), False, False),
        (str | None, (), (), False, True),
        (One, (One,), (), False, False),
        (One | None, (One,), (), False, True),
        (list[One], (One,), (One,), True, False),
        (list[One | None], (One,), (One,), True, False),
        (dict[str, One | Two] | None, (One, Two), (One, Two), True, True),
        (One | list[Two], (One, Two), (Two,), False, False),
        (One | list[One], (One,), (One,), False, False),
    ],
)
def test_what_a_value_is_made_of(
    annotation: Any, models: tuple[type, ...], inside: tuple[type, ...], many: bool, nullable: bool
) -> None:
    """The models, those in its lists and mappings, and whether None may stand in their place."""
    field = made(annotation)
    assert (field.models, field.models_inside) == (models, inside)
    assert (field.many, field.nullable) == (many, nullable)


@pytest.mark.parametrize(
    ("alias", "config", "places"),
    [
        (None, {}, [("x",)]),
        ("a", {}, [("a",)]),
        (AliasPath("a", 0), {}, [("a", 0)]),
        (AliasChoices("a", AliasPath("b", 1), "a"), {}, [("a",), ("b", 1)]),
        ("a", {"validate_by_name": True}, [("a",), ("x",)]),
        ("a", {"populate_by_name": True}, [("a",), ("x",)]),
        ("x", {"populate_by_name": True}, [("x",)]),
        ("a", {"validate_by_name": True, "validate_by_alias": False}, [("x",)]),
    ],
)
@pytest.mark.parametrize("word", ["alias", "validation_alias"])
def test_where_a_value_stands(word: str, alias: Any, config: Any, places: list[Place]) -> None:
    """Under the aliases, the preferred one first, and under the name where the class says so."""
    if word == "alias" and not isinstance(alias, str):
        word = "validation_alias"

    @pydantic_dataclass(config=ConfigDict(**config))
    class Dataclass:
        x: str = Field(**{word: alias})

    for field in (made(str, Field(**{word: alias}), **config), fields_of(Dataclass)[0]):
        assert list(field.places) == places
        assert field.key == (places[0][0] if len(places) == len(places[0]) == 1 else None)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        *[(kind, True) for kind in (str, bytes, int, float, bool, Path, SecretStr, SecretBytes)],
        *[(kind, False) for kind in (str | None, list[str], dict[str, str], One)],
    ],
)
def test_text_of_a_variable_that_is_the_value(annotation: Any, expected: bool) -> None:
    """Single values take it as it is: nothing has to find out whether it is JSON."""
    assert made(annotation).takes_text_as_it_is is expected


class _Old(FieldInfo):
    """As in pydantic 2.10."""

    default_factory_takes_validated_data = property()  # type: ignore[assignment]  # not there


@pytest.mark.parametrize("kind", [FieldInfo, _Old])
@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (None, False),
        (dict, False),
        (list, False),
        (lambda: 1, False),
        (lambda data: data, True),
        (lambda data=1: data, False),
        (lambda *data: data, False),
    ],
)
def test_factories_that_take_the_fields_before(
    kind: type[FieldInfo], factory: Any, expected: bool
) -> None:
    """Those that need an argument, whatever the version of pydantic."""
    field = ModelField("x", kind(annotation=int, default_factory=factory), {})
    assert field.factory_takes_data is expected


def test_a_value_by_itself() -> None:
    """The type makes of it what it would in the class, and its bounds count."""
    field = made(Annotated[int, Field(gt=1)])
    assert field.validated("2") == 2
    with pytest.raises(ValidationError):
        field.validated("1")


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(One, True), (list[One], True), (Two | One, True), (Two, False), (Ring, False), (Node, True)],
)
def test_references_inside(annotation: Any, expected: bool) -> None:
    """They count however deep they are, also in models that hold themselves."""
    assert made(annotation).bears_references is expected


def test_an_incomplete_class() -> None:
    """Its fields are read anew until it is complete, and kept from then on."""

    class Incomplete(BaseModel):
        later: Later

    assert fields_of(Incomplete)[0].models == ()

    class Later(BaseModel):
        x: int

    Incomplete.model_rebuild()
    fields = fields_of(Incomplete)
    assert fields[0].models == (Later,)
    assert fields_of(Incomplete) is fields
    assert fields_of(Pair) is fields_of(Pair)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (None, False),
        (field_validator("first"), True),
        (model_validator(mode="before"), True),
        (lambda _: Field(default_factory=list), False),
        (lambda _: Field(default_factory=lambda data: data), True),
    ],
)
def test_functions_that_may_copy_a_value(function: Any, expected: bool) -> None:
    """Those that see more than one field, or may keep what they see."""

    class Model(BaseModel):
        first: str
        second: Any = function and function(lambda _cls, value: value)

    assert model_fields(Model).may_copy is expected
    assert not model_fields(Pair).may_copy


@pytest.mark.parametrize(
    ("place", "name", "last"),
    [
        ((), "", None),
        (("inner",), "inner", "inner"),
        (("inner", "TOKEN"), "inner.token", "token"),
        (("inner", "token"), "inner.token", None),
        (("items", 1, "TOKEN"), "items.1.token", "token"),
        (("either", "TOKEN"), "either.token", "token"),
        (("held",), "held", None),
        (("held", "first", 0, "TOKEN"), "first.token", "token"),
        (("held", "second", "size"), "second.size", "size"),
        (("nothing", "deep"), "nothing.deep", None),
    ],
)
def test_the_name_of_a_place(place: Place, name: str, last: str | None) -> None:
    """Fields by their names in the class, the rest as it stands."""
    described, field = describe(Outer, place)
    assert (described, field and field.name) == (name, last)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("a", "a", True), ("a", "a.b", True), ("a", "ab", False), ("a.b", "a.c", False)],
)
def test_names_that_overlap(one: str, other: str, expected: bool) -> None:
    """One is the other, or of something inside it."""
    assert overlap(one, other) is overlap(other, one) is expected


def test_all_fields() -> None:
    """With the way to each; what is of a model inside itself is left out."""
    names = [name for name, _, _ in walk(Outer)]
    assert [name for name in names if name.startswith(("inner", "items", "node"))] == [
        *["inner", "inner.token", "items", "items.token"],
        *["node", "node.token", "node.child"],
    ]
    assert [(name, model) for name, model, _ in walk(Ring, "x.")] == [("x.ring", Ring)]


def test_the_fields_of_a_standard_dataclass() -> None:
    """What a class names is found beside what is unknown; defaults count as pydantic reads them."""

    class Unknown:
        pass

    @dataclass
    class Standard:
        class Own(One):
            pass

        unknown: Unknown
        one: One
        annotated: Annotated[str, Field(default="annotated")]
        own: Own | None = None
        plain: str = "plain"
        made: str = dataclass_field(default_factory=lambda: "made")
        aliased: str = Field("aliased", alias="A")

    fields = {field.name: field for field in fields_of(Standard)}
    models = {name: field.models for name, field in fields.items() if field.models}
    assert models == {"one": (One,), "own": (Standard.Own,)}
    assert fields["unknown"].takes_objects
    required = [name for name, field in fields.items() if field.info.is_required()]
    assert required == ["unknown", "one"]
    for name in ("annotated", "plain", "made", "aliased"):
        info = fields[name].info
        assert info.get_default(call_default_factory=True, validated_data={}) == name
    assert fields["aliased"].key == "A"


@pytest.mark.parametrize("argument", [One, Two])
def test_the_arguments_of_a_generic_dataclass(argument: type) -> None:
    """They are what its fields are made of."""
    kind: Callable[[Any], type] = Pair.__class_getitem__
    assert fields_of(kind(argument))[0].models == (argument,)
    assert fields_of(Pair)[0].models == ()


def test_what_pydantic_calls_a_class() -> None:
    """By its name, unless its configuration has a title."""
    config = ConfigDict(title="The first")
    titled = pydantic_dataclass(type("Titled", (), {}), config=config)
    assert [title_of(model) for model in (One, Pair, titled)] == ["One", "Pair", "The first"]
    assert title_of(create_model("Some", __config__=config)) == "The first"
