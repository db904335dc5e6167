"""What the environment can give, the vault can give: every type with every text, lax and strict.

pydantic-settings alone, with a text in a variable, is the measure for the same text in the vault.
At the end: what becomes of JSON values, which a variable can't hold.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import (
    Base64Str,
    BaseModel,
    BeforeValidator,
    ByteSize,
    Field,
    HttpUrl,
    ImportString,
    Json,
    PostgresDsn,
    RootModel,
    SecretBytes,
    SecretStr,
    StrictInt,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from tests.client.scripted import Reply, ScriptedVault
from tests.settings.loading import connect
from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError


class Color(Enum):
    RED = "red"
    FIVE = "5"


class Level(IntEnum):
    ONE = 1
    FIVE = 5


class Amount(Enum):
    FIVE = 5


class Point(BaseModel):
    a: int
    b: str = "b"


class Named(BaseModel):
    name: str


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: int


class Square(BaseModel):
    kind: Literal["square"]
    side: int


class RootText(RootModel[str]):
    pass


class RootNumbers(RootModel[list[int]]):
    pass


class RootMapping(RootModel[dict[str, int]]):
    pass


@dataclasses.dataclass
class Plain:
    a: int
    b: str = "b"


@pydantic_dataclass
class Checked:
    a: int
    b: str = "b"


class Typed(TypedDict):
    a: int


class Tupled(NamedTuple):
    a: int
    b: str


def split(text: Any) -> Any:
    return text.split(",") if isinstance(text, str) else text


TYPES: Final[Mapping[str, Any]] = {
    # texts
    "str": str,
    "bytes": bytes,
    "SecretStr": SecretStr,
    "SecretBytes": SecretBytes,
    "Base64Str": Base64Str,
    "short text": Annotated[str, StringConstraints(max_length=4, strip_whitespace=True)],
    "text by pattern": Annotated[str, StringConstraints(pattern=r"^\d+$")],
    "upper": Annotated[str, BeforeValidator(lambda text: text.upper())],
    # numbers
    "int": int,
    "float": float,
    "bool": bool,
    "Decimal": Decimal,
    "StrictInt": StrictInt,
    "int from 3 to 7": Annotated[int, Field(ge=3, le=7)],
    "ByteSize": ByteSize,
    # others that are written as one word
    "UUID": UUID,
    "Path": Path,
    "datetime": datetime,
    "date": date,
    "time": time,
    "timedelta": timedelta,
    "HttpUrl": HttpUrl,
    "PostgresDsn": PostgresDsn,
    "IPv4Address": IPv4Address,
    "re.Pattern": re.Pattern[str],
    "ImportString": ImportString,
    "Color": Color,
    "Level": Level,
    "Amount": Amount,
    "Literal of texts": Literal["red", "5", "true"],
    "Literal of numbers": Literal[5, -1],
    # unions
    "int | str": int | str,
    "str | int": str | int,
    "bool | int | float": bool | int | float,
    "str | None": str | None,
    "int | None": int | None,
    "bytes | None": bytes | None,
    "SecretStr | None": SecretStr | None,
    "Path | None": Path | None,
    "Color | None": Color | None,
    "datetime | date": datetime | date,
    "list[int] | str": list[int] | str,
    "list[int] | None": list[int] | None,
    "dict[str, int] | int": dict[str, int] | int,
    # collections
    "list[int]": list[int],
    "list[str]": list[str],
    "list[SecretStr]": list[SecretStr],
    "list[Path]": list[Path],
    "dict[str, int]": dict[str, int],
    "set[int]": set[int],
    "frozenset[str]": frozenset[str],
    "tuple[int, str]": tuple[int, str],
    "tuple[int, ...]": tuple[int, ...],
    "Sequence[int]": Sequence[int],
    "list without decoding": Annotated[list[str], NoDecode, BeforeValidator(split)],
    "list[Point]": list[Point],
    # JSON and root models
    "Json": Json,
    "Json[list[int]]": Json[list[int]],
    "Json[list[int]] | None": Json[list[int]] | None,
    "Json[Point] | None": Json[Point] | None,
    "RootModel[str]": RootText,
    "RootModel[list[int]]": RootNumbers,
    "RootModel[dict[str, int]]": RootMapping,
    "RootModel[str] | None": RootText | None,
    # models
    "model": Point,
    "model | None": Point | None,
    "model | str": Point | str,
    "model | model": Point | Named,
    "tagged union": Annotated[Circle | Square, Field(discriminator="kind")],
    "dataclass": Plain,
    "pydantic dataclass": Checked,
    "dataclass | None": Plain | None,
    "TypedDict": Typed,
    "NamedTuple": Tupled,
    # anything
    "Any": Any,
}

TEXTS: Final = (
    *("", "5", "-1", " 5 ", "1.10", "1e3", "0x10", "1_000", "nan", "10KB"),
    *("12345678901234567890", "3.141592653589793238462643"),
    *("true", "True", "null", "None", "red", "Ünïcødé ✓", "a,b", "text\nof lines\n"),
    *("[]", "[1,2]", '["a", "b"]', "[1.10, null]", '[{"a": 1}]', "{}", '{"a": 1}', '{"a": "1"}'),
    *('{"name": "x"}', '{"kind": "circle", "radius": 2}', '{"a": {"b": [1, 2.50]}}'),
    *('"quoted"', '"[1,2]"', "[1,", "{'a': 1}", '[1, "b"]'),
    *("2026-01-01", "2026-01-01T12:30:00Z", "12:30", "PT30S"),
    *("00000000-0000-0000-0000-000000000007", "/etc/app.conf", "json.loads", "127.0.0.1"),
    *("https://example.com/a?b=c", "postgresql://u:p@localhost/db", "aGVsbG8="),
    *("vault:app#key", "${vault:app#key}"),
)


def settings_class(base: type[BaseSettings], annotation: Any, *, strict: bool) -> type[Any]:
    """Make the class with one field, of the type *annotation*, and one for the path's sake."""
    strictly = type("Base", (base,), {"model_config": SettingsConfigDict(strict=strict)})
    return create_model("Settings", __base__=strictly, value=(annotation, ...), number=(int, 0))


def referring(annotation: Any, reference: str, *, strict: bool = False) -> type[Any]:
    """Make the class with one field of the type *annotation* and with *reference*."""
    annotated: Any = Annotated
    return settings_class(VaultSettings, annotated[annotation, reference], strict=strict)


def plain(value: Any) -> Any:
    """Return *value* so that two of them are equal only if all their types are."""
    if isinstance(value, SecretStr | SecretBytes):
        return type(value), plain(value.get_secret_value())
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return type(value), plain(vars(value))
    if isinstance(value, Mapping):
        return type(value), [(plain(key), plain(item)) for key, item in value.items()]
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return type(value), [plain(item) for item in value]
    return type(value), repr(value) if value != value else value  # not a number


def outcome(load: Callable[[], Any]) -> Any:
    """Return what a load makes of its value, or "rejected"."""
    try:
        return plain(load().value)
    except (ValidationError, SettingsError, UnresolvedSettingsError):
        return "rejected"


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with DevServer() as server:
        for number, text in enumerate(TEXTS):
            server.put(f"texts/{number}", {"text": text})
        yield server


@cache
def all_texts() -> type[Any]:
    """A class that reads all texts, so that the loads after it find them in the cache."""
    annotated: Any = Annotated
    fields: dict[str, Any] = {
        f"text_{number}": (annotated[str, f"vault:texts/{number}#text"], ...)
        for number in range(len(TEXTS))
    }
    return create_model("AllTexts", __base__=VaultSettings, **fields)


@pytest.fixture
def connected(server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, url=server.url, token=server.token)
    all_texts()()


def test_the_size_of_the_table() -> None:
    """The table has the types and texts that were promised, and more."""
    print(f"\n{len(TYPES)} types × {len(TEXTS)} texts × 2")  # noqa: T201 -- for `pytest -s`
    assert len(TYPES) >= 40
    assert len(set(TEXTS)) == len(TEXTS) >= 30


@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("name", TYPES)
def test_what_the_environment_takes_the_vault_takes(
    connected: None, monkeypatch: pytest.MonkeyPatch, name: str, strict: bool
) -> None:
    """Equal values of the same type come of it; what the environment rejects the vault rejects.

    Only null differs: pydantic-settings passes over a variable that is decoded to None, while the
    vault's is None, where that fits.
    """
    alone = settings_class(BaseSettings, TYPES[name], strict=strict)
    ours = referring(TYPES[name], "vault:texts/{number}#text", strict=strict)
    wrong = []
    for number, text in enumerate(TEXTS):
        monkeypatch.setenv("VALUE", text)
        wanted = outcome(alone)
        monkeypatch.delenv("VALUE")
        found = outcome(lambda: ours(number=number))  # noqa: B023 -- called at once
        if found != wanted and not (text == "null" and found == plain(None)):
            wrong.append(f"{text!r:.60}: {found!r:.200}, from the environment {wanted!r:.200}")
    assert not wrong, f"{len(wrong)} of {len(TEXTS)} texts:\n" + "\n".join(wrong)


# JSON values, which no variable holds: the digits stand in the answer as they are here.

DATA: Final = """{
    "pin": 12345678, "on": true, "off": false, "v": 1.10, "power": 1E3,
    "obj": {"a": [1, 2.50]}, "list": [1, {"b": null}], "nothing": null, "text": "t"
}"""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ScriptedVault() as vault:
        body = f'{{"path": "app", "secret_type": "kv", "version": 1, "data": {DATA}}}'
        vault.script(Reply(200, body.encode()))
        connect(monkeypatch, url=vault.url, token="token")
        yield


AS_TEXT: Final = {
    "pin": "12345678",
    "on": "true",
    "off": "false",
    "v": "1.10",
    "power": "1E3",
    "obj": '{"a":[1,2.50]}',
    "list": '[1,{"b":null}]',
    "text": "t",
}

TEXT_TYPES: Final[Mapping[str, tuple[Any, Callable[[str], Any]]]] = {
    "str": (str, str),
    "bytes": (bytes, str.encode),
    "SecretStr": (SecretStr, SecretStr),
    "SecretBytes": (SecretBytes, lambda text: SecretBytes(text.encode())),
    "str | None": (str | None, str),
    "bytes | None": (bytes | None, str.encode),
    "SecretStr | None": (SecretStr | None, SecretStr),
    "SecretBytes | None": (SecretBytes | None, lambda text: SecretBytes(text.encode())),
    "short": (Annotated[str, StringConstraints(max_length=40)], str),
}


@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("name", TEXT_TYPES)
def test_a_field_that_wants_text_gets_a_json_value_as_it_stands(
    scripted: None, name: str, strict: bool
) -> None:
    """A number is its digits, a boolean `true` or `false`, an object or list its compact JSON."""
    annotation, text_type = TEXT_TYPES[name]
    found = {
        key: outcome(referring(annotation, f"vault:app#{key}", strict=strict)) for key in AS_TEXT
    }
    assert found == {key: plain(text_type(text)) for key, text in AS_TEXT.items()}


@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("name", TEXT_TYPES)
def test_null_is_none_and_no_text(scripted: None, name: str, strict: bool) -> None:
    """Where None fits it is None; elsewhere the error says what stands in the vault."""
    settings_cls = referring(TEXT_TYPES[name][0], "vault:app#nothing", strict=strict)
    if "None" in name:
        assert settings_cls().value is None
        return
    with pytest.raises((UnresolvedSettingsError, ValidationError)) as caught:
        settings_cls()
    assert "value" in str(caught.value)  # the field
    assert "is null in the vault" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "key", "value"),
    [
        (int, "pin", 12345678),
        (int | str, "pin", 12345678),
        (str | int, "pin", 12345678),
        (int | str | None, "pin", 12345678),
        (SecretStr | int, "pin", 12345678),
        (int | str, "text", "t"),
        (bool | str, "on", True),
        (bool, "off", False),
        (float | str, "v", 1.1),
        (float, "v", 1.1),
        (float, "power", 1000.0),
        (dict[str, Any], "obj", {"a": [1, 2.5]}),
        (dict[str, Any] | str, "obj", {"a": [1, 2.5]}),
        (list[Any], "list", [1, {"b": None}]),
        (int | None, "nothing", None),
        (int | str | None, "nothing", None),
        (Any, "pin", 12345678),
        (Any, "on", True),
        (Any, "v", 1.1),
        (Any, "obj", {"a": [1, 2.5]}),
        (Any, "nothing", None),
    ],
    ids=str,
)
def test_elsewhere_a_json_value_keeps_its_type(
    scripted: None, annotation: Any, key: str, value: Any
) -> None:
    """A field of another type, or a union that takes more than text, gets no text made of it."""
    assert plain(referring(annotation, f"vault:app#{key}")().value) == plain(value)


def test_a_template_holds_a_json_value_as_it_stands(scripted: None) -> None:
    """It is text, so the same rule holds for what is inserted."""
    keys = ("pin", "on", "off", "v", "power", "text")
    found = {key: referring(str, f"<${{vault:app#{key}}}>")().value for key in keys}
    assert found == {key: f"<{AS_TEXT[key]}>" for key in keys}


class Inside(BaseModel):
    pin: SecretStr
    on: str
    v: bytes
    obj: str | None
    off: bool
    nothing: str | None


@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
def test_fields_inside_a_whole_secret_get_text_too(scripted: None, strict: bool) -> None:
    """It makes no difference whether a field is filled by itself or with its model."""
    found = referring(Inside, "vault:app", strict=strict)().value
    assert found.model_dump() == {
        "pin": SecretStr("12345678"),
        "on": "true",
        "v": b"1.10",
        "obj": '{"a":[1,2.50]}',
        "off": False,
        "nothing": None,
    }
