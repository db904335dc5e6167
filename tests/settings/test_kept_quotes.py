"""Quotes that whatever set a variable has kept, and variables that `.env` expands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from tests.settings.loading import unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.connection.connection import CONNECTION_VARIABLES, read_connection
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, InvalidReferenceError, UnresolvedSettingsError

CANARY = "tOk3n-CvBnM-9Lk2Jh"
TOKEN = "vault:app#token"


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault"})
    vault_env.put("db", {"token": "from vault"})
    return vault_env


class Database(BaseModel):
    token: str = ""
    tags: list[str] = Field(default_factory=list)


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__", env_file="app.env")
    token: SecretStr = SecretStr("")
    db: Database = Database()
    region: str = "eu"


def failing(load: Callable[[], object]) -> dict[str, str]:
    return {failure.field: str(failure) for failure in unresolved(load).failures}


class TestQuotes:
    """A reference inside quotes is never passed on as a literal."""

    @pytest.mark.parametrize("quoted", [f'"{TOKEN}"', f"'{TOKEN}'", f" \"'{TOKEN}'\" "])
    @pytest.mark.parametrize(
        ("name", "field"),
        [("TOKEN", "token"), ("DB__TOKEN", "db.token"), ("DB", "db"), ("DB__TAGS", "db.tags")],
    )
    def test_in_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, quoted: str, name: str, field: str
    ) -> None:
        """The variable and the quotes are named, whatever the field takes."""
        monkeypatch.setenv(name, quoted)
        told = failing(Settings)[field]
        assert f"{field} in {name}: invalid reference" in told
        assert "expected a reference without quotes or blanks around it" in told

    @pytest.mark.parametrize("template", ['"u:${vault:app#token}"', "'${vault:app#token}'"])
    def test_templates(self, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
        """Templates too; the text in them is not shown."""
        monkeypatch.setenv("TOKEN", template)
        told = failing(Settings)["token"]
        assert "without quotes" in told
        assert "u:" not in told

    def test_in_dotenv(self, tmp_path: Path) -> None:
        """Quotes inside of those that `.env` needs are kept by its parser."""
        (tmp_path / "app.env").write_text(f"TOKEN='\"{TOKEN}\"'\n")
        assert "token in TOKEN: invalid reference" in failing(Settings)["token"]

    def test_in_arguments(self) -> None:
        """And inside of lists and dicts."""
        db = {"token": f"'{TOKEN}'", "tags": ["x", f'"{TOKEN}"']}
        assert set(failing(lambda: Settings(db=db))) == {"db.token", "db.tags.1"}

    @pytest.mark.parametrize(
        "text",
        [
            *['"vault:v1:abc"', "'quoted'", '"', "''", f"say '{TOKEN}'"],
            *['"see vault:x"', '{"a": "b"}'],
        ],
    )
    def test_other_quotes(self, text: str) -> None:
        """A value that is no reference inside of its quotes is what it is."""
        assert Settings(token=text).token.get_secret_value() == text

    @pytest.mark.parametrize("around", [" ", "\t", '"', "`", "“", ' "'])
    def test_what_stands_before_it_alone(self, around: str) -> None:
        """A blank, or one quote that lost the other, does not make a password of a reference."""
        told = failing(lambda: Settings(token=around + TOKEN))
        assert "without quotes or blanks around it" in told["token"]

    def test_two_quoted_inserts(self) -> None:
        """Quotes that do not belong together are text of the template."""
        text = '"${vault:app#token}","${vault:db#token}"'
        assert Settings(token=text).token.get_secret_value() == '"from vault","from vault"'

    @pytest.mark.parametrize("name", CONNECTION_VARIABLES)
    @pytest.mark.parametrize("quote", ['"', "'"])
    def test_the_connection(self, tmp_path: Path, name: str, quote: str) -> None:
        """Every variable of the connection is checked, from both places; no value is shown."""
        value = f"{quote}{CANARY}{quote}"
        (tmp_path / "x.env").write_text(f'{name}="\\{quote}{CANARY}\\{quote}"\n')
        for environ, file in (({name: value}, None), ({}, tmp_path / "x.env")):
            with pytest.raises(ConfigurationError) as caught:
                read_connection(environ, env_file=file)
            assert str(caught.value).startswith(f"{name} has quotes around its value")
            assert CANARY not in repr(caught.value)

    def test_the_environments_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In quotes it would be an environment that nobody knows."""
        monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", '"development"')
        with pytest.raises(ConfigurationError, match="VAULTCONFIG_ENVIRONMENT has quotes"):
            Settings()


class TestExpansion:
    """A reference in `.env` holds no value of a variable, which would end in a URL."""

    @pytest.fixture
    def load(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app: DevServer
    ) -> Callable[[str], Any]:
        monkeypatch.setenv("SCAIVAULT_TOKEN", CANARY)
        app.add_token(CANARY)

        def load(text: str, model: type[VaultSettings] = Settings) -> Any:
            (tmp_path / "app.env").write_text(text)
            return model()

        return load

    @pytest.mark.parametrize(
        "line",
        [
            "TOKEN='vault:${SCAIVAULT_TOKEN}/x#y'",
            'TOKEN="vault:app#${SCAIVAULT_TOKEN}"',
            "TOKEN=vault:app?version=${SCAIVAULT_TOKEN}#token",
            "TOKEN=vault:${NOWHERE:-app}#token",
            "TOKEN=vault:${SCAIVAULT_TOKEN:-x}/x",
            "TOKEN='<${vault:${SCAIVAULT_TOKEN}/x#y}>'",
            "TOKEN='<${vault:app#${SCAIVAULT_TOKEN}}>'",
            "A='vault:'\nTOKEN=${A}x/${SCAIVAULT_TOKEN}",
            "A='${vault:x/'\nB='#y}'\nTOKEN='${A}${SCAIVAULT_TOKEN}${B}'",
            "TOKEN=$${SCAIVAULT_TOKEN}${vault:app#${SCAIVAULT_TOKEN}}",
            'DB=\'{"token": "vault:${SCAIVAULT_TOKEN}/x#y"}\'',
            'DB=\'{"tags": ["x", "vault:app#${SCAIVAULT_TOKEN}"]}\'',
            "DB__TOKEN=vault:app#${SCAIVAULT_TOKEN}",
            "DB=vault:${SCAIVAULT_TOKEN}",
        ],
    )
    @pytest.mark.parametrize("environment", ["production", "development"])
    def test_a_reference(
        self,
        app: DevServer,
        load: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        line: str,
        environment: str,
    ) -> None:
        """It is an error that names the variable, and nothing is sent or shown."""
        monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", environment)
        caplog.set_level(logging.DEBUG)
        with pytest.raises(UnresolvedSettingsError) as caught:
            load(line)
        (failure,) = caught.value.failures
        assert isinstance(failure.error, InvalidReferenceError)
        assert "expands no variable" in str(failure)
        assert "${" in str(failure)
        shown = f"{caught.value} {failure!r} {vars(failure.error)} {caplog.text}"
        assert CANARY not in shown
        assert CANARY not in str([request.path for request in app.requests])

    def test_in_a_file_that_is_read_in_another_way(
        self, load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither another encoding nor a file further out keeps us from seeing it."""

        class Latin(Settings):
            model_config = VaultConfigDict(env_file_encoding="latin-1")

        (tmp_path / "app.env").write_bytes(b"# M\xfcller\nTOKEN=vault:\xfc${SCAIVAULT_TOKEN}#x\n")
        assert "expands no variable" in failing(Latin)["token"]

        class Outer(Settings):
            model_config = VaultConfigDict(env_file_depth=2)

        (tmp_path / "app.env").write_text("TOKEN=vault:${SCAIVAULT_TOKEN}#x\n")
        (tmp_path / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a" / "b")
        if "env_file_depth" not in VaultConfigDict.__annotations__:
            pytest.skip("this pydantic-settings looks in one directory")
        assert "expands no variable" in failing(Outer)["token"]

    def test_the_text_of_a_template(self, load: Callable[..., Any]) -> None:
        """What stands around the references of a template is text, and may be expanded."""
        settings = load("HOST=h\nTOKEN='postgres://${HOST}:${vault:app#token}@$${HOST}'")
        assert settings.token.get_secret_value() == "postgres://h:from vault@$h"

    def test_other_values(self, load: Callable[..., Any]) -> None:
        """Values without references are python-dotenv's business."""
        assert load("HOST=h\nTOKEN='x-${HOST}'").token.get_secret_value() == "x-h"

    def test_a_placeholder(self, app: DevServer, load: Callable[..., Any]) -> None:
        """A field that was expanded fills no placeholder."""

        class Regional(Settings):
            secret: Annotated[str, "vault:{region}/db#token"]

        error = unresolved(lambda: load("REGION=${SCAIVAULT_TOKEN}", Regional))
        assert "{region} would come from ${SCAIVAULT_TOKEN}" in str(error)
        assert CANARY not in str(error)
        assert not app.requests
        app.put("us/db", {"token": "us"})
        assert load("REGION=us", Regional).secret == "us"
