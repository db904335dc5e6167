"""Defaults that hold models with references where the vault fills nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, Field, RootModel, Secret, create_model
from pydantic_settings import BaseSettings

from tests.settings.loading import unresolved
from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError

TOKEN = "vault:app#token"


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault"})
    return vault_env


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
    more: list[Outer]


def special() -> Plain:
    return Special()


class Pair(NamedTuple):
    first: Any


class Own(BaseSettings):
    token: Annotated[str, TOKEN] = "loads itself"


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
