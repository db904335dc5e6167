"""Values from the vault fit every type that a text, number or object fits, and come out plain."""

import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AnyUrl,
    Base64Str,
    BeforeValidator,
    Field,
    HttpUrl,
    IPvAnyAddress,
    Json,
    PostgresDsn,
    RootModel,
    SecretStr,
    StrictInt,
    StrictStr,
    TypeAdapter,
)

from vaultconfig import VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.masking.values import is_masked


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Names(RootModel[list[str]]):
    pass


TYPES: list[tuple[Any, Any]] = [
    (str, "text"),
    (StrictStr, "text"),
    (bytes, "text"),
    (SecretStr, "text"),
    (Literal["red", "blue"], "red"),
    (Color, "red"),
    (Level, 3),
    (Level, "3"),
    (Literal[1, 2], 2),
    (int, "42"),
    (int, 42),
    (StrictInt, 42),
    (float, 1.5),
    (float, "1.5"),
    (Decimal, "1.50"),
    (bool, "true"),
    (bool, True),
    (UUID, "00000000-0000-0000-0000-000000000007"),
    (datetime.datetime, "2031-01-02T03:04:05Z"),
    (datetime.timedelta, "PT30S"),
    (Path, "/etc/app"),
    (HttpUrl, "https://example.com/"),
    (AnyUrl, "amqp://u:p@example.com/"),
    (PostgresDsn, "postgresql://u:p@example.com/db"),
    (IPvAnyAddress, "127.0.0.1"),
    (Base64Str, "aGVsbG8="),
    (Json[list[int]], "[1, 2]"),
    (Names, ["a", "b"]),
    (Names, '["a", "b"]'),
    (list[int], [1, 2]),
    (set[str], '["a", "b"]'),
    (frozenset[str], ["a", "b"]),
    (tuple[str, int], ["a", 1]),
    (dict[str, int], {"a": 1}),
    (dict[Color, int], '{"red": 1}'),
    (int | None, None),
    (int | str, "text"),
    (str | int, 7),
    (Annotated[str, Field(pattern="^t", max_length=9)], "text"),
    (Annotated[str, BeforeValidator(lambda value: value.upper())], "text"),
    (Any, {"a": ["text", 1, 1.5, None, True]}),
    (object, "text"),
]


@pytest.mark.parametrize(("annotation", "value"), TYPES, ids=lambda item: str(item)[:40])
def test_a_value_fits(vault_env: DevServer, annotation: Any, value: Any) -> None:
    """The field is what pydantic makes of the same value, of the same type and unmasked."""
    vault_env.put("app", {"value": value})
    model = type(
        "Model",
        (VaultSettings,),
        {"__annotations__": {"field": Annotated[annotation, "vault:app#value"]}},
    )
    field = model().field
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        expected = adapter.validate_python(value)
    except ValueError:  # a text that pydantic-settings decodes first
        expected = adapter.validate_json(value)
    assert field == expected
    assert type(field) is type(expected)
    assert repr(field) == repr(expected)
    assert not is_masked(field)
