"""Generic models and dataclasses: their arguments decide what their fields are."""

import dataclasses
from typing import Annotated, Any, Generic, TypeVar

import pydantic.dataclasses
import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from tests.settings.loading import reasons
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError

T = TypeVar("T")
U = TypeVar("U")


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("db", {"password": "db password", "port": "5432"})
    vault_env.put("box", {"json": '{"content": 7}', "wrong": '{"content": "canary-7f3a9c"}'})
    return vault_env


class Db(BaseModel):
    password: Annotated[SecretStr, "vault:db#password"]
    host: str = "localhost"


class ModelBox(BaseModel, Generic[T]):
    content: T
    note: str = "note"


@dataclasses.dataclass
class Box(Generic[T]):
    content: T
    note: str = "note"


@pydantic.dataclasses.dataclass
class CheckedBox(Generic[T]):
    content: T
    note: str = "note"


@dataclasses.dataclass
class Shelf(Generic[T, U]):
    first: Box[T]
    others: list[CheckedBox[U]]
    models: list[ModelBox[U] | None]


BOXES = pytest.mark.parametrize("box", [ModelBox, Box, CheckedBox])


def settings_of(annotation: Any, **names: Any) -> type[Any]:
    """Return a settings class with one field, ``box``."""
    names["__annotations__"] = {"box": annotation}
    names["model_config"] = VaultConfigDict(env_nested_delimiter="__")
    return type("Settings", (VaultSettings,), {**names, "__module__": __name__})


@BOXES
def test_a_reference_inside_an_argument(box: Any) -> None:
    """The fields of the argument are filled where they stand, and traced."""
    settings = settings_of(box[Db], box={"content": {}})()
    assert settings.box.content.password.get_secret_value() == "db password"
    assert provenance(settings)["box.content.password"].path == "db"


@BOXES
def test_a_reference_as_an_argument(box: Any) -> None:
    """A reference in the argument's own annotation fills the field."""
    settings = settings_of(box[Annotated[int, "vault:db#port"]])()
    assert settings.box == box(content=5432)
    assert provenance(settings)["box.content"].path == "db"
    assert "5432" not in repr(settings)


@BOXES
def test_a_reference_in_a_default(box: Any) -> None:
    """The other fields of a default stay, those of the argument are filled."""
    default = box(content=Db(password=SecretStr(""), host="from default"), note="n")
    settings = settings_of(box[Db], box=default)()
    assert settings.box.note == "n"
    assert settings.box.content == Db(password=SecretStr("db password"), host="from default")


@BOXES
def test_boxes_in_lists_and_mappings(box: Any) -> None:
    """Each item that is given is filled; a value that is a reference counts there, too."""
    kinds = {"items": list[box[Db]], "named": dict[str, box[Db]], "plain": list[box[int]]}
    settings: Any = type(
        "Settings", (VaultSettings,), {"__annotations__": kinds, "__module__": __name__}
    )(
        items=[{"content": {}}, {"content": {"host": "h"}}],
        named={"k": {"content": {"password": "vault:db#port"}}},
        plain=[{"content": "vault:db#port"}],
    )
    assert [item.content.password.get_secret_value() for item in settings.items] == [
        "db password",
        "db password",
    ]
    assert settings.named["k"].content.password.get_secret_value() == "5432"
    assert settings.plain == [box(content=5432)]
    assert provenance(settings)["items.1.content.password"].path == "db"


def test_arguments_are_handed_on() -> None:
    """What a generic class is made of takes its arguments, each where it stands."""
    settings = settings_of(Shelf[Annotated[int, "vault:db#port"], Db])(
        box={"first": {}, "others": [{"content": {}}], "models": [{"content": {}}]}
    )
    db = Db(password=SecretStr("db password"))
    assert settings.box == Shelf(Box(5432), [CheckedBox(db)], [ModelBox[Db](content=db)])


@BOXES
def test_a_whole_object_in_a_text(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON of an object is read; an error names the field, and quotes no value."""
    cls = settings_of(box[int])
    monkeypatch.setenv("BOX", "vault:box#json")
    assert cls().box == box(content=7)
    monkeypatch.setenv("BOX", "vault:box#wrong")
    with pytest.raises(ValidationError) as caught:
        cls()
    assert [line["loc"] for line in caught.value.errors()] == [("box", "content")]
    assert "canary" not in str(caught.value)


@BOXES
def test_what_fails_is_named(box: Any) -> None:
    """A failure inside is told by the dotted name of the field."""
    cls = settings_of(box[Annotated[str, "vault:absent#x"]])
    assert reasons(cls) == {"box.content": "SecretNotFoundError"}


@BOXES
def test_mistakes_in_an_argument(box: Any) -> None:
    """The class is checked with the argument in its place."""
    with pytest.raises(ConfigurationError, match=r"box\.content holds .*nearly a reference"):
        settings_of(box[Annotated[str, "vualt:db#port"]])
