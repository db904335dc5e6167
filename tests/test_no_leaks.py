"""No value from the vault shows, however settings are built, printed or refused.

Each test lets a row of things happen, and `watched` looks through all that came out. A new way
to fail, or to print, joins a table here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass as plain_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from re import Pattern
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from pydantic import (
    UUID4,
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    Base64Str,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    DirectoryPath,
    Discriminator,
    Field,
    FilePath,
    HttpUrl,
    ImportString,
    IPvAnyNetwork,
    Json,
    PlainValidator,
    PostgresDsn,
    RootModel,
    SecretBytes,
    SecretStr,
    StrictBool,
    StrictInt,
    StringConstraints,
    Tag,
    TypeAdapter,
    WrapValidator,
    computed_field,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from tests.leaks import CANARIES, Shown, attempt, failure_of, vault_of_canaries, watched
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with vault_of_canaries(tmp_path, monkeypatch) as vault:
        yield vault


@pytest.fixture
def shown(vault: DevServer, capfd: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    with watched(capfd) as shown:
        yield shown


def settings_with(annotation: Any, *, config: Any = None, **more: Any) -> type[VaultSettings]:
    """Return a class with one field, ``value``, and *more*."""
    fields = {"value": (annotation, ...), **more}
    bases = (type("Configured", (VaultSettings,), {"model_config": config}),) if config else None
    return create_model("Settings", __base__=bases or VaultSettings, **fields)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Pair(NamedTuple):
    one: int
    two: int


class Typed(TypedDict):
    one: int


class Inner(BaseModel):
    one: int


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    one: int = 1


@dataclass
class Data:
    one: int


@plain_dataclass
class PlainData:
    one: int


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    value: T


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]


TYPES: Mapping[str, Any] = {
    "bool": bool,
    "strict bool": StrictBool,
    "int": int,
    "strict int": StrictInt,
    "small int": Annotated[int, Field(gt=0, lt=10, multiple_of=3)],
    "float": float,
    "small float": Annotated[float, Field(le=1.5, allow_inf_nan=False)],
    "complex": complex,
    "decimal": Decimal,
    "short decimal": Annotated[Decimal, Field(max_digits=2, decimal_places=1)],
    "fraction": Fraction,
    "str": str,
    "long str": Annotated[str, Field(min_length=1000)],
    "short str": Annotated[str, Field(max_length=2)],
    "pattern": Annotated[str, StringConstraints(pattern=r"^\d$")],
    "bytes": bytes,
    "short bytes": Annotated[bytes, Field(max_length=2)],
    "secret": Annotated[SecretStr, Field(min_length=1000)],
    "secret bytes": Annotated[SecretBytes, Field(max_length=1)],
    "base64": Base64Str,
    "base64 bytes": Base64Bytes,
    "uuid": UUID,
    "uuid 4": UUID4,
    "datetime": datetime,
    "aware datetime": AwareDatetime,
    "date": date,
    "time": time,
    "timedelta": timedelta,
    "path": Path,
    "file": FilePath,
    "directory": DirectoryPath,
    "any url": AnyUrl,
    "http url": HttpUrl,
    "postgres": PostgresDsn,
    "enum": Colour,
    "int enum": Level,
    "literal": Literal["a", "b"],
    "none": None,
    "json": Json,
    "json of int": Json[list[int]],
    "ipv4": IPv4Address,
    "ipv6 network": IPv6Network,
    "any network": IPvAnyNetwork,
    "byte size": ByteSize,
    "import string": ImportString,
    "regex": Pattern[str],
    "callable": Callable[[int], int],
    "class": type[int],
    "list": list[int],
    "long list": Annotated[list[str], Field(min_length=9)],
    "set": set[int],
    "frozenset": frozenset[date],
    "tuple": tuple[int, bool],
    "dict": dict[str, int],
    "dict of int keys": dict[int, str],
    "any": Any,
    "object": object,
    "bare dict": dict,
    "union": int | UUID | list[date],
    "left to right": Annotated[int | bool, Field(union_mode="left_to_right")],
    "named tuple": Pair,
    "typed dict": Typed,
    "model": Inner,
    "forbidding model": Forbidding,
    "strict model": Annotated[Inner, Field(strict=True)],
    "dataclass": Data,
    "plain dataclass": PlainData,
    "root model": RootModel[int],
    "root list": RootModel[list[date]],
    "generic": Box[int],
    "discriminated": Annotated[Circle | Square, Field(discriminator="kind")],
}


@pytest.mark.parametrize("annotation", TYPES.values(), ids=TYPES)
def test_types(shown: Shown, annotation: Any) -> None:
    """A value of any kind in a field of any type: taken or refused, it does not show."""
    for name in CANARIES:
        settings_cls = settings_with(Annotated[annotation, f"vault:app#{name}"])
        attempt(shown, settings_cls, name)


def in_a_model(annotation: Any, name: str) -> Any:
    inner = create_model("Inner", value=(annotation, ...), other=(int, ...))
    return Annotated[inner, f"vault:values#{name}"]


def with_a_forbidden_key(annotation: Any, name: str) -> Any:
    return Annotated[create_model("Inner", __config__={"extra": "forbid"}), f"vault:values#{name}"]


def in_a_referring_model(annotation: Any, name: str) -> Any:
    return create_model("Inner", value=(Annotated[annotation, f"vault:app#{name}"], ...))


def in_a_dataclass(annotation: Any, name: str) -> Any:
    made = dataclass(type("Data", (), {"__annotations__": {"value": annotation}}))
    return Annotated[made, f"vault:values#{name}"]


SHAPES: Mapping[str, Callable[[Any, str], Any]] = {
    "beside a missing field": in_a_model,
    "forbidden": with_a_forbidden_key,
    "nested": in_a_referring_model,
    "dataclass": in_a_dataclass,
    "optional": lambda annotation, name: Annotated[annotation | None, f"vault:app#{name}"],
    "list": lambda annotation, name: Annotated[list[annotation], f"vault:items#{name}"],
    "tuple": lambda annotation, name: Annotated[tuple[annotation], f"vault:items#{name}"],
    "mapping": lambda annotation, name: Annotated[dict[str, annotation], f"vault:values#{name}"],
    "root": lambda annotation, name: Annotated[RootModel[annotation], f"vault:app#{name}"],
    "generic": lambda annotation, name: Annotated[Box[annotation], f"vault:values#{name}"],
    "template": lambda annotation, name: Annotated[annotation, f"x ${{vault:app#{name}}} y"],
    "urlquoted": lambda annotation, name: Annotated[annotation, f"${{vault:app#{name}|urlquote}}"],
}


@pytest.mark.parametrize("annotation", [int, Literal["a"], SecretStr, str, Any])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes(shown: Shown, shape: Callable[[Any, str], Any], annotation: Any) -> None:
    """Wherever a field stands, in whatever it is nested, its value does not show."""
    for name in CANARIES:
        attempt(shown, settings_with(shape(annotation, name)), name)


@pytest.mark.parametrize("annotation", [int, Literal["a"], SecretStr, str, Any])
def test_a_missing_sibling(shown: Shown, annotation: Any) -> None:
    """Pydantic prints the whole input where a field is missing; ours stays out of it."""
    for name in CANARIES:
        settings_cls = settings_with(Annotated[annotation, f"vault:app#{name}"], missing=(int, ...))
        attempt(shown, settings_cls, name)


@pytest.mark.parametrize("extra", ["allow", "forbid"])
def test_values_beside_extras(shown: Shown, monkeypatch: pytest.MonkeyPatch, extra: Any) -> None:
    """Keys that are no field's hold values of the vault, too, if they refer to it."""
    config = VaultConfigDict(extra=extra, env_nested_delimiter="__")
    for name in CANARIES:
        settings_cls = settings_with(Annotated[str, f"vault:app#{name}"], config=config)
        attempt(shown, lambda: settings_cls(stray=f"vault:app#{name}"), name)  # noqa: B023


def test_values_from_variables(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that stands as a value gives what shows as little."""
    for name in CANARIES:
        monkeypatch.setenv("VALUE", f"vault:app#{name}")
        for annotation in (str, int, Inner, list[int], Any):
            attempt(shown, settings_with(annotation), f"{name} {annotation}")


def test_values_from_arguments(shown: Shown) -> None:
    """So does one inside a list or dict that is given as an argument."""
    for name in CANARIES:
        given = {"a": [f"vault:app#{name}", "plain"], "b": f"${{vault:app#{name}}}!"}
        for annotation in (dict[str, int], dict[str, Any], Any):
            attempt(shown, lambda: settings_with(annotation)(value=given), name)  # noqa: B023


def raise_with(words: Callable[[Any], object], kind: type[Exception] = ValueError) -> Any:
    def check(value: Any) -> Any:
        raise kind(words(value))

    return check


def raise_from(value: Any) -> Any:
    try:
        raise KeyError(value)
    except KeyError as error:
        error.add_note(f"it was {value}")
        raise ValueError("the value is not known") from error


def raise_custom(value: Any) -> Any:
    raise PydanticCustomError("not_known", "{got} is not known", {"got": str(value)})


def raise_custom_type(value: Any) -> Any:
    raise PydanticCustomError("not known: " + str(value), "it is not known")


CHECKS: Mapping[str, Any] = {
    "whole": raise_with(lambda value: f"{value} is bad"),
    "repr": raise_with(lambda value: f"{value!r} is bad"),
    "alone": raise_with(lambda value: value),
    "beginning": raise_with(lambda value: f"it begins with {str(value)[:9]}"),
    "end": raise_with(lambda value: f"…{str(value)[-9:]} at the end"),
    "half": raise_with(lambda value: f"<{str(value)[: len(str(value)) // 2]}…>"),
    "bytes": raise_with(lambda value: f"{str(value).encode()!r}"),
    "assertion": raise_with(lambda value: f"{value}", AssertionError),
    "chained": raise_from,
    "custom": raise_custom,
    "custom type": raise_custom_type,
    "two arguments": raise_with(lambda value: (value, "x")),
}
VALIDATORS = {
    "after": AfterValidator,
    "before": BeforeValidator,
    "plain": PlainValidator,
    "wrap": lambda check: WrapValidator(lambda value, handler: check(handler(value))),
}


@pytest.mark.parametrize("mode", VALIDATORS.values(), ids=VALIDATORS)
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_validators_that_quote(shown: Shown, check: Any, mode: Any) -> None:
    """What a validator says of a value, all of it or a part, is withheld."""
    for name in CANARIES:
        settings_cls = settings_with(Annotated[Any, mode(check), f"vault:app#{name}"])
        attempt(shown, settings_cls, name)
        nested = create_model("Inner", value=(Annotated[Any, mode(check)], ...))
        attempt(shown, settings_with(Annotated[nested, f"vault:values#{name}"]), f"{name}, nested")


def with_model_validator(mode: Any, words: Callable[[Any], str]) -> type[VaultSettings]:
    class Settings(VaultSettings):
        one: Annotated[str, "vault:app#text"]
        two: Annotated[Any, "vault:app#object"]

        @model_validator(mode=mode)
        def check(self: Any) -> Any:
            raise ValueError(words(self))

    return Settings


@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize("words", [str, repr, lambda it: f"{getattr(it, 'one', it)} is bad"])
def test_model_validators_that_quote(shown: Shown, mode: Any, words: Any) -> None:
    """A model's validator sees all values at once, and is as quiet."""
    attempt(shown, with_model_validator(mode, words), "model validator")


def test_a_model_validator_that_prints(shown: Shown) -> None:
    """Settings are masked from the moment that there is something to print."""

    class Settings(VaultSettings):
        one: Annotated[str, "vault:app#text"]
        two: Annotated[Any, "vault:app#object"]

        def model_post_init(self, context: Any, /) -> None:
            sys.stdout.write(f"{self}")

        @model_validator(mode="after")
        def check(self) -> Any:
            sys.stdout.write(f"{self} {self!r}")
            return self

    attempt(shown, Settings, "prints")
    attempt(shown, lambda: Settings.model_validate({}), "prints, validated")


def quoting(cls: type, value: Any) -> Any:
    raise ValueError(f"{value} is bad")


def test_field_validators_of_a_class(shown: Shown) -> None:
    """A validator that is declared in the class is as quiet as one in the annotation."""

    class Settings(VaultSettings):
        one: Annotated[str, "vault:app#text"]
        check = field_validator("one")(quoting)

    attempt(shown, Settings, "field validator")


WAYS: Mapping[str, Callable[[type[VaultSettings]], Any]] = {
    "model_validate": lambda cls: cls.model_validate({}),
    "model_validate_json": lambda cls: cls.model_validate_json("{}"),
    "model_validate_strings": lambda cls: cls.model_validate_strings({}),
    "TypeAdapter": lambda cls: TypeAdapter(cls).validate_python({}),
    "TypeAdapter of a list": lambda cls: TypeAdapter(list[cls]).validate_python([{}])[0],
    "TypeAdapter of JSON": lambda cls: TypeAdapter(dict[str, cls]).validate_json('{"a": {}}')["a"],
    "nested settings": lambda cls: create_model("Outer", __base__=VaultSettings, inner=(cls, ...))(
        inner={}
    ),
    "default factory": lambda cls: create_model(
        "Outer", __base__=VaultSettings, inner=(cls, Field(default_factory=cls))
    )(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ways_to_validate(shown: Shown, way: Callable[[type[VaultSettings]], Any]) -> None:
    """Every way to a settings object is covered, not only the constructor."""
    for name in CANARIES:
        field = f"vault:app#{name}"
        for annotation in (
            Annotated[str, field],
            Annotated[bool, field],
            Annotated[Any, AfterValidator(CHECKS["whole"]), field],
        ):
            attempt(shown, lambda: way(settings_with(annotation)), name)  # noqa: B023
        missing = settings_with(Annotated[str, field], missing=(int, ...))
        attempt(shown, lambda: way(missing), f"{name}, missing")  # noqa: B023


def test_unions_by_a_tag_from_the_vault(shown: Shown) -> None:
    """Pydantic quotes a tag that it does not know."""
    labelled = Annotated[
        Annotated[Inner, Tag("a")] | Annotated[Forbidding, Tag("b")],
        Discriminator(lambda value: str(value.get("value"))),
    ]
    for name in ("text", "url", "unicode", "quotes", "integer"):
        attempt(
            shown, settings_with(Annotated[labelled, f"vault:values#{name}"]), f"{name}, labelled"
        )
        kinds = [
            create_model(f"Kind{kind}", value=(Literal[kind], ...), __base__=BaseModel)
            for kind in ("one", "two")
        ]
        union = Annotated[kinds[0] | kinds[1], Field(discriminator="value")]
        attempt(shown, settings_with(Annotated[union, f"vault:values#{name}"]), f"{name}, tagged")


class Rooted(RootModel[dict[str, Any]]):
    pass


class Pair(NamedTuple):
    first: str
    second: Any


RESHAPED = {
    "root model": (Rooted, lambda value: {"a": value}),
    "named tuple": (Pair, lambda value: {"first": "x", "second": value}),
    "converted keys": (dict[int, Any], lambda value: {"05": value}),
    "turned round": (Annotated[list[Any], AfterValidator(lambda v: v[::-1])], lambda v: ["x", v]),
    "lengthened": (Annotated[list[Any], AfterValidator(lambda v: [*"abc", *v])], lambda v: [v]),
    "made keys": (Annotated[Any, AfterValidator(lambda v: {str(v[0]): "x"})], lambda v: [v]),
    "in a text": (Annotated[Any, AfterValidator(lambda v: f"<{v[0]!r}>")], lambda v: [v]),
    "in a URL": (Annotated[Any, AfterValidator(lambda v: quote(str(v[0])))], lambda v: [v]),
}


@pytest.mark.parametrize("annotation", [shape[0] for shape in RESHAPED.values()], ids=RESHAPED)
def test_values_that_validation_moves(shown: Shown, annotation: Any) -> None:
    """A value does not show where the settings have it at another place than the input."""
    make = next(make for kind, make in RESHAPED.values() if kind is annotation)
    for name in CANARIES:
        given = make(f"vault:app#{name}")
        attempt(shown, lambda: settings_with(annotation)(value=given), name)  # noqa: B023


def test_values_that_go_to_another_field(shown: Shown) -> None:
    """A value does not show in a field that a validator, or a default, has made of it."""
    for name in CANARIES:

        class Settings(VaultSettings):
            one: Annotated[Any, f"vault:app#{name}"] = Field(repr=False)
            given: str = "x"
            made: str = Field(default_factory=lambda data: str(data["one"])[3:])
            copied: list[Any] = Field(default_factory=list)
            quoted: str = "https://"

            @model_validator(mode="after")
            def copy_it(self) -> Any:
                self.copied.append(self.one)
                self.given += str(self.one)
                self.quoted += quote_plus(str(self.one))
                return self

        attempt(shown, Settings, name)
        attempt(shown, lambda: Settings(given="given"), name)


def test_computed_fields(shown: Shown) -> None:
    """What is computed from a value of the vault is masked like it."""

    class Part(BaseModel):
        key: str

        @computed_field
        def twice(self) -> str:
            return self.key * 2

    class Settings(VaultSettings):
        one: Annotated[str, "vault:app#text"]
        part: Annotated[Part, "vault:app#/object/deep"]

        @computed_field
        @property
        def url(self) -> str:
            return f"https://{self.one}@host"

    attempt(shown, Settings, "computed")


def test_all_failures_together(
    shown: Shown, vault: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, denied, malformed and empty in one error: names and reasons, no values."""
    vault.deny("denied/**")
    monkeypatch.setenv("MALFORMED", "postgresql://me:hunter2@${vault:app#}/x")
    monkeypatch.setenv("TEMPLATE", f"{CANARIES['text']} ${{vault:gone#x}} {CANARIES['quotes']}")
    monkeypatch.setenv("INNER", "vault:app#text")

    class Settings(VaultSettings):
        good: Annotated[str, "vault:app#text"]
        gone: Annotated[str, "vault:gone#x"]
        field: Annotated[str, "vault:app#nope"]
        pointer: Annotated[str, "vault:app#/object/deep/nope"]
        whole: Annotated[str, "vault:app"]
        version: Annotated[str, "vault:app?version=9#text"]
        denied: Annotated[str, "vault:denied/a#x"]
        unfilled: Annotated[str, "vault:{environment}#x"]
        inserted: Annotated[str, "a ${vault:app#object} b"]
        list_of: Annotated[list[str], "vault:app#text"]
        malformed: str
        template: str
        inner: Inner

    error = failure_of(Settings)
    assert isinstance(error, UnresolvedSettingsError)
    assert len(error.failures) == 12
    shown.error(error)
    assert "hunter2" not in f"{error} {error!r} {error.exceptions!r}"


def test_health_and_provenance(shown: Shown) -> None:
    """What is told about settings has no value in it."""
    for name in CANARIES:
        settings = settings_with(Annotated[Any, f"vault:app#{name}"])()
        shown.add("provenance", provenance(settings))
        shown.add("record", settings._vaultconfig_origins)
        with suppress(AttributeError):
            shown.add("private", settings.__pydantic_private__)
