"""Mistakes that people make, and what they are told to do about them."""

import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import trustme
from pydantic import BaseModel

from tests.client.scripted import ScriptedVault
from tests.settings.loading import unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.connection.connection import read_connection
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, VaultConfigError


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
    """A misspelt name counts as production, and is shown beside those that would not."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "developement")
    with pytest.raises(ConfigurationError, match="in the environment 'developement'") as failed:
        Shop()
    assert str(failed.value).endswith("(it is in dev, development, local, test)")


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


class TestHints:
    """What an error says of the file that could have helped, or could not."""

    @pytest.fixture(autouse=True)
    def app(self, vault_env: DevServer) -> DevServer:
        vault_env.put("app", {"other": "x"})
        return vault_env

    def named(self, tmp_path: Path, **options: Any) -> type[VaultSettings]:
        (tmp_path / "prod.env").write_text("TOKEN=x\nPLAIN='vault:app#nope'\n")

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_file="prod.env", **options)
            plain: str
            token: Annotated[str, "vault:app#token"]

        return Settings

    @pytest.mark.parametrize("environment", [None, "production"])
    def test_a_named_file(self, tmp_path: Path, environment: str | None) -> None:
        """It is named, and read always, so that no development would help."""
        model = self.named(tmp_path)
        told = str(unresolved(lambda: model(_vault_environment=environment)))
        assert "development" not in told
        assert told.endswith(
            "prod.env has token: "
            "fields with a reference are not taken from there in this environment"
        )

    @pytest.mark.usefixtures("development")
    def test_never(self, env_file: Callable[[str], Path]) -> None:
        """Where the class says so, the environment makes no difference."""
        env_file("SHOP_KEY=x\n")

        class Never(Shop, vault_fallback="never"):
            db: Database | None = None

        told = str(unresolved(Never))
        assert told.endswith(".env has key, which vault_fallback='never' leaves to the vault")

    def test_always_without_credentials(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file that serves is not said to be no substitute."""
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "production")

        class Always(VaultSettings, vault_fallback="always", env_file="prod.env"):
            token: Annotated[str, "vault:app#token"]

        told = str(unresolved(Always))
        assert told.endswith(f"add TOKEN to {tmp_path / 'prod.env'}")
        assert "substitute" not in told
        assert "development" not in told

    def test_no_file_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing can be added to no file."""
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        told = str(unresolved(lambda: Shop(_env_file=None, _vault_environment="dev")))
        assert "add " not in told

    @pytest.mark.usefixtures("development")
    def test_a_line_that_can_t_be_read(
        self, env_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The value may stand there, so that the line is named."""
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        file = env_file("# ours\n\n\nSHOP_KEY='abc\nSHOP_DB__PASSWORD=x\n")
        told = str(unresolved(Shop)).splitlines()[-1]
        assert told == f"fix line 4 of {file.name}, which cannot be read: SHOP_KEY may stand there"


def in_time(load: Callable[[], object]) -> object:
    """Return what *load* does, or fail where it hangs."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(load())
        except VaultConfigError as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert results, "it hangs"
    return results[0]


def test_a_pipe_serves_no_advice(tmp_path: Path) -> None:
    """A `.env` that would block is not opened only to word a hint."""
    os.mkfifo(tmp_path / ".env")
    told = str(in_time(lambda: Shop(_vault_environment="production")))
    assert told.startswith("no credentials for the vault")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """One that is read in development is pydantic-settings' to read, and nobody else's."""
    os.mkfifo(tmp_path / ".env")
    text = "SHOP_KEY=k\nSHOP_DB__PASSWORD=p\n"
    writer = threading.Thread(target=(tmp_path / ".env").write_text, args=(text,), daemon=True)
    writer.start()
    settings = in_time(lambda: Shop(_vault_environment="development"))
    assert isinstance(settings, Shop)
    assert (settings.key, settings.db.password) == ("k", "p")


def test_a_trust_failure_in_development(
    env_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """`.env` fills what the vault could not give, whatever the reason, with one warning."""
    env_file("SHOP_KEY=k\nSHOP_DB__PASSWORD=p\n")
    monkeypatch.setenv("SCAIVAULT_TOKEN", "token")
    with ScriptedVault() as vault:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        vault.server.socket = context.wrap_socket(
            vault.server.socket, server_side=True, do_handshake_on_connect=False
        )
        monkeypatch.setenv("SCAIVAULT_URL", vault.url.replace("http:", "https:"))
        assert Shop(_vault_environment="development").key == "k"
        with pytest.raises(ConfigurationError, match="is not trusted"):
            Shop(_vault_environment="production")
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "is not trusted" in warning
    monkeypatch.setenv("SCAIVAULT_URL", "no address")
    with pytest.raises(ConfigurationError, match="expected an address"):
        Shop(_vault_environment="development")
