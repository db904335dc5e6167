"""Mistakes that people make, and what they are told to do about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel

from tests.settings.loading import unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.connection import read_connection
from vaultconfig.errors import ConfigurationError


class Database(BaseModel):
    password: Annotated[str, "vault:db#password"]


class Shop(VaultSettings):
    model_config = VaultConfigDict(env_prefix="SHOP_", env_nested_delimiter="__")
    key: Annotated[str, "vault:api#key"]
    db: Database


@pytest.mark.usefixtures("development")
def test_what_to_add_to_the_env_file(tmp_path: Path) -> None:
    """Without credentials in development the variables are named, and the file by its path."""
    told = str(unresolved(Shop))
    assert told.endswith(f"add SHOP_KEY, SHOP_DB__PASSWORD to {tmp_path / '.env'}")


def test_an_environment_that_is_none_of_development(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name counts as production, and is shown."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "developement")
    with pytest.raises(ConfigurationError, match="in the environment 'developement'"):
        Shop()


def test_an_environment_in_the_env_file(env_file: Callable[[str], Path]) -> None:
    """It is never read from there, and the error says that it stands there."""
    env_file("VAULTCONFIG_ENVIRONMENT=development\n")
    with pytest.raises(ConfigurationError, match="VAULTCONFIG_ENVIRONMENT in "):
        Shop()


def test_a_reference_as_a_default() -> None:
    """Nothing resolves it there, so that the class is refused."""
    with pytest.raises(ConfigurationError, match=r"write token: Annotated\[…, 'vault:app#token'\]"):

        class Settings(VaultSettings):
            token: str = "vault:app#token"

    class Literals(VaultSettings):
        prefix: str = "vault:"
        escaped: str = "vault::x"

    assert (Literals().prefix, Literals().escaped) == ("vault:", "vault::x")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SCAIVAULT_URL", "http://127.0.0.1:8200/v1/", "SCAIVAULT_URL: expected an address with"),
        ("SCAIVAULT_TOKEN", "Bearer CANARY", "SCAIVAULT_TOKEN: expected the token alone"),
        ("VAULTCONFIG_DEADLINE", "soon", "VAULTCONFIG_DEADLINE: expected seconds"),
    ],
)
def test_connection_settings(name: str, value: str, told: str) -> None:
    """What is wrong is said in our words, without the value."""
    with pytest.raises(ConfigurationError) as caught:
        read_connection({name: value})
    assert str(caught.value).startswith(told)
    assert "CANARY" not in str(caught.value)
