"""What an annotation says: the types in it, its reference, and what its values may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import pytest
from pydantic import BaseModel, Discriminator, Field, Json, RootModel, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from vaultconfig.errors import ConfigurationError, InvalidReferenceError
from vaultconfig.loading.annotations import (
    Part,
    class_of,
    declared_in,
    is_model,
    is_same_class,
    members_of,
    parts_in,
    substituted,
    tags_in,
    takes_json,
    takes_objects,
    wants_text,
)
from vaultconfig.references import Template, VaultRef

T = TypeVar("T")
Text = TypeAliasType("Text", Annotated[str, "of the alias"])
Of = TypeAliasType("Of", Annotated[T, "of the alias"], type_params=(T,))
MAYBE = Optional[Text]  # noqa: UP045  # the other kind of union
Deep = TypeAliasType("Deep", list[Text])


class Color(StrEnum):
    RED = "red"


class Model(BaseModel):
    x: int = 0


class Box(BaseModel, Generic[T]):
    x: T


class Names(RootModel[list[str]]):
    pass


@dataclass
class Pair(Generic[T]):
    x: T


def parts(annotation: Any) -> list[Part]:
    return list(parts_in(annotation))


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (str, [(str, (), 0)]),
        (Annotated[str, "a", 1], [(str, ("a", 1), 0)]),
        (Annotated[Annotated[str, "in"], "out"], [(str, ("in", "out"), 0)]),
        (Text, [(str, ("of the alias",), 0)]),
        (Annotated[Text, "out"], [(str, ("out", "of the alias"), 0)]),
        (Of[int], [(int, ("of the alias",), 0)]),
        (Deep, [(list[Text], (), 0), (str, ("of the alias",), 1)]),
        (str | None, [(str | None, (), 0), (str, (), 0), (type(None), (), 0)]),
        (MAYBE, [(MAYBE, (), 0), (str, ("of the alias",), 0)]),
        (list[Text], [(list[Text], (), 0), (str, ("of the alias",), 1)]),
        (list[str | None], [(list[str | None], (), 0), (str | None, (), 1), (str, (), 1)]),
        (dict[str, list[int]], [(dict[str, list[int]], (), 0), (str, (), 1), (list[int], (), 1)]),
        (Pair[int], [(Pair[int], (), 0)]),
    ],
)
def test_the_types_in_an_annotation(annotation: Any, found: list[Any]) -> None:
    """Each has its metadata, and knows how many lists and mappings it is in."""
    assert [tuple(part)[:3] for part in parts(annotation)][: len(found)] == found


def test_the_arguments_of_a_generic_dataclass() -> None:
    """They are in its fields, and no parts of the annotation."""
    assert len(parts(Pair[int])) == 1


def test_the_innermost_type_is_two_levels_down() -> None:
    """Containers add up, and unions do not count."""
    assert [part.levels for part in parts(dict[str, list[int | None]])] == [0, 1, 1, 2, 2, 2]
    assert [part.contained for part in parts(list[int])] == [False, True]


def test_what_cannot_be_evaluated_stays() -> None:
    """Pydantic tells of it."""
    unknown = NewType("unknown", "Unknown")  # type: ignore[name-defined,valid-newtype]  # noqa: F821
    assert [part.annotation for part in parts(unknown)] == ["Unknown"]


def test_an_alias_inside_of_itself_comes_once() -> None:
    """The walk ends where it would begin again, wherever in the alias that is."""
    closed = _Alias(None)
    closed.__value__ = list[Annotated[closed, "again"]] | int  # type: ignore[name-defined]
    assert [part.annotation for part in parts(closed)][-1] is int
    assert [part.annotation for part in parts(closed)].count(int) == 1


class _Alias:
    """Looks like a PEP 695 alias, whose value can be given later."""

    def __init__(self, value: Any) -> None:
        self.__value__ = value

    def __call__(self) -> None:
        """Be taken for a type by typing."""


REFERENCE = VaultRef("vault:a#b")


@pytest.mark.parametrize(
    ("annotation", "declared"),
    [
        (str, None),
        (Annotated[str, "a text", 7], None),
        (Annotated[str, "vault::a"], None),
        (Annotated[str, "vault:a#b"], REFERENCE),
        (Annotated[str, REFERENCE], REFERENCE),
        (Annotated[str, "x${vault:a#b}"], Template.parse("x${vault:a#b}")),
        (Annotated[str, REFERENCE] | None, REFERENCE),
    ],
)
def test_the_reference_of_an_annotation(annotation: Any, declared: object) -> None:
    """It may be a text or an object, also in a union."""
    assert declared_in(parts(annotation)) == declared


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (list[Annotated[str, REFERENCE]], "inside a list or mapping type fills nothing"),
        (Annotated[str, REFERENCE, "vault:c"], "carries two references: keep one"),
        (Annotated[str, "vault:"], "expected a path segment"),
    ],
)
def test_what_is_wrong_with_the_reference(annotation: Any, problem: str) -> None:
    """A reference fills a field, and a field has one."""
    declared = declared_in(parts(annotation))
    assert isinstance(declared, ConfigurationError | InvalidReferenceError)
    assert problem in str(declared)
    assert declared.__traceback__ is None


@pytest.mark.parametrize(
    ("annotation", "members"),
    [
        (str, [str]),
        (str | None, [str]),
        (int | list[str] | None, [int, list[str]]),
        (list[str], [list[str]]),
        (None, []),
    ],
)
def test_the_types_of_a_value(annotation: Any, members: list[Any]) -> None:
    """The members of a union count, but None and what is inside of them."""
    assert members_of(parts(annotation or type(None))) == members


@pytest.mark.parametrize(
    ("annotation", "text", "objects"),
    [
        (str, True, False),
        (SecretStr | None, True, False),
        (SecretBytes, True, False),
        (str | bytes, True, False),
        (str | int, False, False),
        (Color, False, False),
        (type(None), False, False),
        (Literal["a"], False, False),
        (Annotated[Any, Json], True, True),
        (Annotated[int | str, Json], True, False),
        (Json[list[int]], True, True),
        (Json[Model] | None, True, True),
        (Json[int] | SecretStr, True, False),
        (Json[int] | int, False, False),
        (list[Json[int]], False, True),
        (Any, False, True),
        (object, False, True),
        (T, False, True),
        (dict[str, str], False, True),
        (bytearray, False, False),
        (Model | str, False, True),
        (Pair[int], False, True),
        (int, False, False),
    ],
)
def test_whether_a_value_is_a_text_or_an_object(annotation: Any, text: bool, objects: bool) -> None:
    """Text and nothing else keeps the digits of a number; objects and lists may be JSON."""
    assert (wants_text(parts(annotation)), takes_objects(parts(annotation))) == (text, objects)


@pytest.mark.parametrize(
    ("annotation", "is_json"),
    [
        *[(Json, True), (Json[int], True), (Json[int] | None, True), (Annotated[Any, Json], True)],
        *[(str, False), (list[Json[int]], False), (dict[str, Json[int]] | None, False)],
    ],
)
def test_whether_a_text_is_read_as_json(annotation: Any, is_json: bool) -> None:
    """The value itself, not what it is made of."""
    assert takes_json(parts(annotation)) is is_json


def test_what_tells_the_members_of_a_union_apart() -> None:
    """A name or a function, given to the field or in the annotation, once."""
    info = Field(discriminator="kind")
    assert isinstance(info, FieldInfo)
    assert tags_in(info, parts(str)) == ("kind",)
    assert tags_in(info, parts(Annotated[str, Field(discriminator="kind"), "x"])) == ("kind",)
    by_type = Discriminator(type)
    assert tags_in(FieldInfo(), parts(Annotated[str, by_type])) == (type,)
    assert tags_in(Field(discriminator=by_type), parts(str)) == (type,)
    assert tags_in(FieldInfo(), parts(Annotated[str, Field()])) == ()


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        *[(Model, True), (Box[int], True), (Pair, True), (Pair[int], True)],
        *[(pydantic_dataclass(type("D", (), {})), True)],
        *[(Names, False), (str, False), (list[int], False), (str | None, False), (T, False)],
    ],
)
def test_what_has_fields_of_its_own(annotation: Any, expected: bool) -> None:
    """Models and dataclasses have, also with arguments; root models have one value."""
    assert is_model(annotation) is expected


def test_the_class_of_a_generic_one() -> None:
    """A value of a generic class with unknown arguments counts as one with any."""
    assert (class_of(Pair[int]), class_of(Model)) == (Pair, Model)
    assert is_same_class(type(Box[Any](x=1)), Box[Any])
    assert is_same_class(Pair, Pair[int])
    assert is_same_class(Box, Box)
    assert is_same_class(Box, Box[int])
    assert not is_same_class(Box[str], Box[int])
    assert not is_same_class(Model, Box[int])


def test_type_variables_get_their_arguments() -> None:
    """Wherever they stand; what has none of them stays the same object."""
    arguments = {T: int}
    plain = list[str]
    assert substituted(plain, arguments) is plain
    assert substituted(T, arguments) is int
    assert substituted(T, {}) is T
    assert substituted(list[T], arguments) == list[int]
    assert substituted(T | None, arguments) == int | None
    assert substituted(list[T] | str, arguments) == list[int] | str
    assert substituted(dict[str, list[T]], arguments) == dict[str, list[int]]
    assert substituted(Box[T], arguments) is Box[int]
    assert substituted(Model, arguments) is Model
