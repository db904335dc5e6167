"""Objects that are given as arguments and hold the text of a reference."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import AnyUrl, BaseModel, SecretStr, create_model
from pydantic_settings import BaseSettings

from tests.settings.loading import TOKEN, unresolved
from vaultconfig import VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer

pytestmark = pytest.mark.usefixtures("app")


def with_field(annotation: Any) -> type[Any]:
    return create_model("S", __base__=VaultSettings, x=(annotation, ...))


class Model(BaseModel):
    token: Annotated[str, TOKEN] = "dev-only"


class Pair(NamedTuple):
    first: Any


class Mode(StrEnum):
    ODD = TOKEN


class Open(BaseModel, extra="allow"):
    pass


class Text(BaseModel):
    text: str = "x"


ARGUMENTS: list[tuple[Any, Any, str]] = [
    (SecretStr, SecretStr(TOKEN), "x"),
    (SecretStr, SecretStr("http://${vault:app#token}@h"), "x"),
    (bytes, TOKEN.encode(), "x"),
    (bytearray, bytearray(TOKEN.encode()), "x"),
    (set[str], {TOKEN}, "x"),
    (frozenset[str], frozenset({TOKEN}), "x"),
    (deque[str], deque([TOKEN]), "x"),
    (Pair, Pair(TOKEN), "x"),
    (Model, Model(token=TOKEN), "x"),
    (Text, Text(text=TOKEN), "x"),
    (Text, {"text": SecretStr(TOKEN)}, "x.text"),
    (Open, Open(more=TOKEN), "x"),  # type: ignore[call-arg]
    (list[Text], [Text(), Text(text=TOKEN)], "x.1"),
    (dict[str, Text], {"a": Text(text=TOKEN)}, "x.a"),
    (Any, {"a": [SecretStr(TOKEN)]}, "x.a.0"),
    (Any, MappingProxyType({"a": TOKEN}), "x"),
    (Any, {"a": TOKEN}.values(), "x"),
    (Path, Path(TOKEN), "x"),
    (AnyUrl, AnyUrl("https://h/${vault:app#token}"), "x"),
    (Mode, Mode.ODD, "x"),
]


@pytest.mark.parametrize(("annotation", "value", "name"), ARGUMENTS)
def test_they_are_rejected(annotation: Any, value: Any, name: str) -> None:
    """Nothing looks into them, and the text may not pass as a value; the field is named."""
    error = unresolved(lambda: with_field(annotation)(x=value))
    assert [failure.field for failure in error.failures] == [name]
    assert "is not resolved: give it as text, or in a list or dict" in str(error)
    assert "http://" not in str(error)  # the text around a reference may be secret


def test_of_a_class_that_is_not_ours() -> None:
    """Our source says so there, too."""

    class Settings(BaseSettings):
        x: SecretStr

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, **sources: Any) -> Any:
            return sources["init_settings"], VaultSettingsSource(settings_cls)

    error = unresolved(lambda: Settings(x=SecretStr(TOKEN)))
    assert [failure.reference for failure in error.failures] == [TOKEN]


@pytest.mark.parametrize(
    ("annotation", "value", "made"),
    [
        *[(kind, kind([TOKEN]), kind(["from vault"])) for kind in (list, tuple)],
        (dict[str, str], {"a": TOKEN}, {"a": "from vault"}),
        (SecretStr, TOKEN, SecretStr("from vault")),
        (set[str], [TOKEN], {"from vault"}),
    ],
)
def test_texts_are_resolved(annotation: Any, value: Any, made: Any) -> None:
    """Also in lists, tuples and dicts, whatever the field makes of them."""
    assert with_field(annotation)(x=value).x == made


def test_what_may_stand_there(app: DevServer) -> None:
    """A model counts as given whole, and what a load has made is no reference any more."""
    app.put("odd", {"token": TOKEN})
    settings = with_field(Annotated[str, "vault:odd#token"])()
    assert with_field(Any)(x=settings).x == settings
    assert with_field(Model)(x=Model(token="y")).x.token == "y"
    assert with_field(bytes)(x=b"vault:").x == b"vault:"


def test_values_that_are_not_resolved() -> None:
    """Where the class says that values are no references, that holds for these."""
    settings = type(VaultSettings)(
        "S",
        (VaultSettings,),
        {"__annotations__": {"x": SecretStr}, "__module__": __name__},
        vault_resolve_values=False,
    )
    assert settings(x=SecretStr(TOKEN)).x == SecretStr(TOKEN)
