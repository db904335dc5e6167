"""The command line as a source: references in it, and where it stands."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import CliApp, CliSettingsSource

from tests.settings.loading import reasons, unresolved
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "host": "vault host", "port": 5432})
    vault_env.put("list", {"json": '["a", "b"]', "list": ["c", "d"]})
    return vault_env


class Database(BaseModel):
    token: SecretStr
    host: str = "localhost"
    port: int = 1


class Settings(VaultSettings):
    model_config = VaultConfigDict(cli_prog_name="app")
    token: Annotated[str, "vault:app#token"] = "default"
    host: str = "localhost"
    port: int | None = None
    items: list[str] = []  # noqa: RUF012  # pydantic copies it
    named: dict[str, str] = {}  # noqa: RUF012  # likewise
    db: Database | None = None


def parsed(*args: str) -> Settings:
    return Settings(_cli_parse_args=list(args))


def test_an_annotated_field_on_the_command_line(app: DevServer) -> None:
    """What the command line gives is not read from the vault."""
    settings = parsed("--token", "given")
    assert settings.token == "given"
    assert provenance(settings)["token"].source == "command line"
    assert not app.requests


def test_without_arguments_the_vault_fills() -> None:
    """An empty command line changes nothing."""
    assert parsed().token == "from vault"


def test_an_option_is_no_variable() -> None:
    """An error names the field and the reference, and no variable that nobody has set."""
    (failure,) = unresolved(lambda: parsed("--token", "vault:app#missing")).failures
    assert str(failure).startswith("token (vault:app#missing): ")


def test_a_reference_for_a_scalar() -> None:
    """A reference on the command line is resolved."""
    settings = parsed(
        "--host", "vault:app#host", "--port=vault:app#port", "--token=<${vault:app#host}>"
    )
    assert (settings.host, settings.port, settings.token) == ("vault host", 5432, "<vault host>")


def test_a_reference_for_a_model() -> None:
    """A reference stands for a whole nested model, and others are laid over it."""
    settings = parsed("--db", "vault:app", "--db.host", "given")
    assert settings.db == Database(token=SecretStr("from vault"), host="given", port=5432)


def test_a_reference_inside_a_model() -> None:
    """A nested option takes a reference, and JSON holds them."""
    assert parsed("--db.token", "vault:app#token").db == Database(token=SecretStr("from vault"))
    settings = parsed("--db", '{"token": "vault:app#token", "host": "h"}')
    assert settings.db == Database(token=SecretStr("from vault"), host="h")


def test_a_reference_for_a_list_is_an_item() -> None:
    """An option of a list adds items, so a reference is one item, whatever its text looks like."""
    assert parsed("--items", "vault:list#json").items == ['["a", "b"]']


def test_references_as_items() -> None:
    """Items of a list and values of a mapping may be references."""
    settings = parsed(
        "--items", "vault:app#token", "--items", "plain", "--named", "x=vault:app#host"
    )
    assert settings.items == ["from vault", "plain"]
    assert settings.named == {"x": "vault host"}
    assert parsed("--items", "vault:app#token,vault:app#host").items == ["from vault", "vault host"]


def test_a_malformed_reference_on_the_command_line() -> None:
    """It is an error, not a literal."""
    assert reasons(lambda: parsed("--host", "vault:/x")) == {"host": "InvalidReferenceError"}


def test_the_order_of_arguments_and_command_line() -> None:
    """The command line wins over arguments, as in pydantic-settings."""
    settings = Settings(host="argument", port=1, _cli_parse_args=["--host", "option"])
    assert (settings.host, settings.port) == ("option", 1)


def test_cli_app() -> None:
    """``CliApp.run`` builds settings like any others."""
    settings = CliApp.run(Settings, cli_args=["--host", "vault:app#host"])
    assert (settings.token, settings.host) == ("from vault", "vault host")
    assert "vault host" not in repr(settings)


def test_cli_app_fails_in_our_words() -> None:
    """What can't be resolved is one error there, too."""
    error = unresolved(lambda: CliApp.run(Settings, cli_args=["--host", "vault:gone#host"]))
    assert [failure.field for failure in error.failures] == ["host"]


def test_a_command_line_source_of_the_class_stays_where_it_is() -> None:
    """A class that orders its sources itself decides where its command line stands."""

    class First(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: Any, init_settings: Any, env_settings: Any, **others: Any
        ) -> Any:
            line = CliSettingsSource(settings_cls, cli_parse_args=["--host", "vault:app#host"])
            return line, init_settings, env_settings

    assert First(host="argument").host == "vault host"


def test_kebab_case_and_flags() -> None:
    """The options of pydantic-settings' command line work as ever."""

    class Kebab(VaultSettings):
        model_config = VaultConfigDict(
            cli_prog_name="app", cli_kebab_case=True, cli_implicit_flags=True
        )
        some_token: Annotated[str, "vault:app#token"]
        other_token: str
        verbose: bool = False

    settings = Kebab(_cli_parse_args=["--other-token", "vault:app#host", "--verbose"])
    assert settings.model_dump() == {
        "some_token": "from vault",
        "other_token": "vault host",
        "verbose": True,
    }


def test_help_shows_no_value(capsys: pytest.CaptureFixture[str], app: DevServer) -> None:
    """``--help`` asks nothing and shows nothing from the vault."""
    with pytest.raises(SystemExit):
        parsed("--help")
    assert "from vault" not in capsys.readouterr().out
    assert not app.requests
