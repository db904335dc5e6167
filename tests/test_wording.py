"""An error is told in the same words by the log, the command line and Django; never a value."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings

from tests.live.rig import eventually
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.cli.failures import lines_of, report
from vaultconfig.devserver import DevServer
from vaultconfig.django import load
from vaultconfig.errors import VaultConfigError
from vaultconfig.loading.descriptions import described, lines_about
from vaultconfig.vaults.shared import close_vaults

CANARY = "canary-0451"


class Settings(VaultSettings):
    port: Annotated[int, "vault:app#port"]
    name: Annotated[str, "vault:app#name"]

    @field_validator("name")
    @classmethod
    def judge(cls, name: str) -> str:
        if name == CANARY:
            raise ValueError(f"{name} is not a name")
        return name


BREAKS: dict[str, Callable[[DevServer], Any]] = {
    "two settings": lambda vault: vault.put("app", {}),
    "a value that does not fit": lambda vault: vault.put("app", {"port": CANARY, "name": "n"}),
    "a validator's words": lambda vault: vault.put("app", {"port": 1, "name": CANARY}),
    "a rejected token": lambda vault: vault.fault(path="/v1/**", code="token_invalid"),
}


def without_ids(text: str) -> str:
    return re.sub(r"req[-_]\w+", "…", text)


@pytest.mark.parametrize("name", BREAKS)
def test_three_voices_say_the_same(
    name: str,
    vault_env: DevServer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever keeps settings from being loaded has one wording, and one line a setting."""
    vault_env.put("app", {"port": 1, "name": "n"})
    with LiveSettings(Settings) as live:
        BREAKS[name](vault_env)
        with pytest.raises((VaultConfigError, ValidationError)) as refused:
            live.refresh()
        assert live.health().last_error == described(refused.value)
        warning = f"the settings were not refreshed: {described(refused.value)}; they are"
        eventually(lambda: warning in caplog.text)
    close_vaults()  # what was read before is kept there
    with pytest.raises((VaultConfigError, ValidationError)) as caught:
        Settings()
    told = described(caught.value)
    with pytest.raises(ImproperlyConfigured) as improper:
        load(Settings)
    assert without_ids(f"Settings could not be loaded: {told}") == without_ids(str(improper.value))
    report(caught.value, debug=False)
    lines = capsys.readouterr().err.splitlines()
    assert "; ".join(line.removeprefix("Error: ") for line in lines) == told
    assert CANARY not in f"{told} {warning} {lines}"


def test_a_class_without_our_masking() -> None:
    """An error that pydantic made itself may quote a value in a validator's words: they go."""

    class Plain(BaseSettings):
        one: str
        two: str
        three: int

        @field_validator("one")
        @classmethod
        def quote(cls, value: str) -> str:
            raise ValueError(value)

        @field_validator("two")
        @classmethod
        def invent(cls, value: str) -> str:
            raise PydanticCustomError("odd", value)  # type: ignore[arg-type]

    with pytest.raises(ValidationError) as caught:
        Plain(one=CANARY, two=CANARY, three=CANARY)  # type: ignore[arg-type]
    one, two, three = lines_about(caught.value)
    assert (one, two) == ("one: its message may hold values", "two: its message may hold values")
    assert three.startswith("three: Input should be a valid integer")


def test_an_error_of_other_code() -> None:
    """What an application raises is told by its type and its place there, not by its words."""
    with pytest.raises(FileNotFoundError) as caught:
        Path(f"/nowhere/{CANARY}").stat()
    told = described(caught.value)
    assert told.startswith(f"FileNotFoundError at {__file__}:")
    assert told.endswith(" (its message may hold values)")
    assert lines_of(caught.value) == [told]
    assert described(KeyError(CANARY)) == "KeyError (its message may hold values)"
