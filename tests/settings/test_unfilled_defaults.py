"""Defaults that hold models with references where the vault fills nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Self

import pytest
from pydantic import (
    BaseModel,
    Field,
    RootModel,
    Secret,
    SecretStr,
    create_model,
    model_validator,
)
from pydantic_settings import BaseSettings

from tests.settings.loading import TOKEN, unresolved
from vaultconfig import VaultSettings
from vaultconfig.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("app")


def with_field(annotation: Any, default: Any) -> type[Any]:
    return create_model("S", __base__=VaultSettings, x=(annotation, default))


class Model(BaseModel):
    token: Annotated[str, TOKEN] = "dev-only"


class Plain(BaseModel):
    host: str = "h"


class Special(Plain):
    token: Annotated[str, TOKEN] = "dev-only"


class Outer(BaseModel):
    inner: Plain
    more: list[Outer] = []


def special() -> Plain:
    return Special()


class Pair(NamedTuple):
    first: Any


class Own(BaseSettings):
    token: Annotated[str, TOKEN] = "loads itself"
    inner: Any = Special()


class Holder(BaseModel):
    inner: Plain = Field(default_factory=special)


class Filled(BaseModel):
    token: Annotated[SecretStr, TOKEN] = SecretStr("dev-only")
    text: str = "x"
    texts: dict[str, SecretStr] = {}


@pytest.mark.parametrize(
    ("annotation", "make"),
    [
        (deque[Model], lambda: deque([Model()])),
        (Any, lambda: [Model()]),
        (Any, lambda: {"a": (Model(),)}),
        (Any, {"a": Model()}.values),
        (list[Plain], lambda: [Special()]),
        (Pair, lambda: Pair(Model())),
        (Any, lambda: Secret[Any](Model())),
        (Any, lambda: RootModel[Any](Model())),
    ],
)
def test_where_the_vault_fills_nothing(annotation: Any, make: Callable[[], object]) -> None:
    """As a default it is rejected with the class, as that of a factory with the load."""
    with pytest.raises(ConfigurationError, match=r"^x: its default holds a (Model|Special), "):
        with_field(annotation, make())
    error = unresolved(with_field(annotation, Field(default_factory=make)))
    assert [failure.field for failure in error.failures] == ["x"]
    assert "use a list, tuple or dict of" in str(error)


def test_a_model_that_the_annotation_hides() -> None:
    """What a function makes is looked at as a default is."""
    error = unresolved(with_field(Plain, Field(default_factory=special)))
    assert "x: its default is a Special, which the vault can't fill" in str(error)


def test_inside_a_model() -> None:
    """The field is named with the way to it; models may refer to each other."""
    outer = Outer(inner=Special(), more=[])
    outer.more.append(outer)
    told = r"^x\.inner: its default is a Special, which the vault can't fill"
    with pytest.raises(ConfigurationError, match=told):
        with_field(Outer, outer)
    error = unresolved(with_field(Outer, Field(default_factory=lambda: outer)))
    assert [failure.field for failure in error.failures] == ["x.inner"]
    outer.inner = Plain()
    assert with_field(Outer, outer)().x.inner == Plain()


@pytest.mark.parametrize("default", [[Own()], {"a": Own()}, [Plain()], [Special]])
def test_what_may_stand_there(default: Any) -> None:
    """Settings load themselves, and others need nothing from the vault."""
    assert with_field(Any, default)().x == default


def test_inside_a_member_of_a_union() -> None:
    """The default says which member it is."""
    with pytest.raises(ConfigurationError, match=r"^x\.inner: its default is a Special"):
        with_field(Plain | Outer, Outer(inner=Special()))


def made() -> Filled:
    return Filled(text=TOKEN, texts={"a": SecretStr(f"<${{{TOKEN}}}>")})


@pytest.mark.parametrize(
    ("annotation", "make", "prefix"),
    [
        (Filled, made, "x"),
        (list[Filled], lambda: [Filled(), made()], "x.1"),
        (dict[str, Filled], lambda: {"a": made()}, "x.a"),
    ],
)
def test_a_reference_beside_what_the_vault_fills(
    annotation: Any, make: Callable[[], object], prefix: str
) -> None:
    """A factory has made it, and nothing resolves it there either."""
    error = unresolved(with_field(annotation, Field(default_factory=make)))
    assert [failure.field for failure in error.failures] == [f"{prefix}.text", f"{prefix}.texts.a"]
    assert "its default factory returns a reference" in str(error)


def test_an_object_that_is_given() -> None:
    """It counts as a whole, whatever a factory has made in it before."""
    assert with_field(Holder, ...)(x=Holder()).x == Holder()
    error = unresolved(lambda: with_field(Holder, ...)(x={}))
    assert "x.inner: its default is a Special" in str(error)


def test_what_a_validator_sets() -> None:
    """It is no default, and may be of any class."""

    class Settings(VaultSettings):
        x: Plain = Plain()
        made: str = Field(default_factory=str)

        @model_validator(mode="after")
        def set_here(self) -> Self:
            self.x = Special()
            return self

    assert Settings().x == Special()
