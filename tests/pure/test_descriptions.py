"""The one wording of an error: what is shown of it, and where it was raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsError

from vaultconfig.errors import ConfigurationError, SettingFailure, UnresolvedSettingsError
from vaultconfig.loading.descriptions import described, lines_about, place_of
from vaultconfig.loading.mistakes import clean_error

CANARY = "canary-2f9a"


class Model(BaseModel):
    number: int = 0
    nested: dict[str, list[int]] = {}
    text: str = ""

    @field_validator("text")
    @classmethod
    def judge(cls, text: str) -> str:
        if text:
            raise PydanticCustomError("odd", text)  # type: ignore[arg-type]
        return text

    @model_validator(mode="after")
    def compare(self) -> Model:
        if self.number == 7:
            raise ValueError(CANARY)
        return self


def caught(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError


def invalid(**data: Any) -> ValidationError:
    error = caught(lambda: Model(**data))
    assert isinstance(error, ValidationError)
    return error


def test_settings_that_are_unresolved() -> None:
    """A line each; what to do about all of them comes last."""
    failures = [SettingFailure(name, None, ConfigurationError(f"no {name}")) for name in "ab"]
    error = UnresolvedSettingsError(failures)
    assert lines_about(error) == ["a: no a", "b: no b"]
    assert described(error) == "a: no a; b: no b"
    assert described(UnresolvedSettingsError(failures, hint="do it")) == "a: no a; b: no b; do it"


@pytest.mark.parametrize("kind", [ConfigurationError, SettingsError])
def test_a_message_of_settings(kind: type[Exception]) -> None:
    """Ours, and that of pydantic-settings, is shown."""
    assert lines_about(kind("what it says")) == ["what it says"]


def test_what_pydantic_finds() -> None:
    """The dotted place and pydantic's own words; those of a validator may hold a value."""
    told = lines_about(invalid(number="x", nested={"k": [0, "y"]}, text=CANARY))
    assert told == [
        "number: Input should be a valid integer, unable to parse string as an integer",
        "nested.k.1: Input should be a valid integer, unable to parse string as an integer",
        "text: its message may hold values",
    ]
    assert lines_about(invalid(number=7)) == ["Model: its message may hold values"]


def test_what_has_been_looked_through() -> None:
    """A validator's words are shown where they have been compared with the values."""
    error = clean_error(invalid(text="it is odd"), Model, [])
    assert lines_about(error) == ["text: it is odd"]


def test_an_error_of_an_application() -> None:
    """It has its type, and the innermost place outside of Python and of what is installed."""
    line = test_an_error_of_an_application.__code__.co_firstlineno + 3
    error = caught(lambda: json.loads(CANARY))
    assert lines_about(error) == [
        f"JSONDecodeError at {__file__}:{line} (its message may hold values)"
    ]
    assert place_of(error) == f" at {__file__}:{line}"
    assert place_of(error, outside=(__file__,)).partition(":")[0] == f" at {json.decoder.__file__}"
    assert place_of(KeyError()) == ""
    assert described(KeyError(CANARY)) == "KeyError (its message may hold values)"


def test_an_error_outside_of_the_application() -> None:
    """Where no file of the user is on the way, any other is better than none."""
    error = caught(lambda: json.loads(CANARY))
    assert error.__traceback__ is not None
    while error.__traceback__.tb_next is not None:
        error.__traceback__ = error.__traceback__.tb_next
    assert place_of(error) == ""
    assert lines_about(error)[0].startswith(f"JSONDecodeError at {json.decoder.__file__}:")


@pytest.mark.parametrize("name", ["<frozen importlib._bootstrap>", asyncio.__file__, described])
def test_what_is_not_the_users_own(name: Any) -> None:
    """The import system, installed packages and ours are none of his files."""
    file = name if isinstance(name, str) else name.__code__.co_filename
    error = caught(lambda: exec(compile("1 / 0", file, "exec")))
    assert place_of(error).startswith(f" at {__file__}:")


def test_an_error_of_syntax(tmp_path: Path) -> None:
    """Its place is in the file that can't be read, if there is one."""
    file = str(tmp_path / "settings.py")
    error = caught(lambda: compile("1 +", file, "exec"))
    assert place_of(error) == f" at {file}:1"
    assert place_of(SyntaxError(CANARY)) == ""
    error = ValueError()
    error.filename, error.lineno = file, 1  # type: ignore[attr-defined]
    assert place_of(error) == ""
