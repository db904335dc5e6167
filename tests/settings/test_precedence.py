"""Who wins: arguments, command line, environment, vault, .env, other sources, defaults."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr

from tests.settings.loading import Asked, reasons
from vaultconfig import VaultConfigDict, VaultSettings, provenance
from vaultconfig.devserver import DevServer


@pytest.fixture
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "user": "vault user", "password": "vault pass"})
    return vault_env


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"] = "from default"


@pytest.mark.parametrize(
    ("given", "source"),
    [
        (("argument", "command line", "environment", ".env"), "command line"),
        (("argument", "environment", ".env"), "argument"),
        (("environment", ".env"), "environment"),
        ((".env", "secrets directory"), "vault"),
        (("secrets directory",), "vault"),
        ((), "vault"),
    ],
)
def test_the_order_of_sources(
    app: DevServer,
    monkeypatch: pytest.MonkeyPatch,
    env_file: Any,
    tmp_path: Path,
    development: None,
    given: tuple[str, ...],
    source: str,
) -> None:
    """Each source wins over those behind it, and the vault stands above `.env`."""
    arguments: dict[str, Any] = {}
    if "argument" in given:
        arguments["token"] = "from argument"
    if "command line" in given:
        arguments["_cli_parse_args"] = ["--token", "from command line"]
    if "environment" in given:
        monkeypatch.setenv("TOKEN", "from environment")
    if ".env" in given:
        env_file("TOKEN=from .env")
    if "secrets directory" in given:
        (tmp_path / "token").write_text("from secrets directory")
        arguments["_secrets_dir"] = tmp_path
    settings = Settings(**arguments)
    assert settings.token == f"from {source}"
    assert provenance(settings)["token"].source == source
    assert bool(app.requests) is (source == "vault")


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ((".env", "secrets directory"), ".env"),
        (("secrets directory",), "secrets directory"),
        ((), "default"),
    ],
)
def test_the_order_below_the_vault(
    vault_env: DevServer,
    env_file: Any,
    tmp_path: Path,
    development: None,
    given: tuple[str, ...],
    source: str,
) -> None:
    """Where the vault has nothing in development, `.env` comes first, and the default last."""
    arguments: dict[str, Any] = {}
    if ".env" in given:
        env_file("TOKEN=from .env")
    if "secrets directory" in given:
        (tmp_path / "token").write_text("from secrets directory")
        arguments["_secrets_dir"] = tmp_path
    settings = Settings(**arguments)
    assert settings.token == f"from {source}"
    assert provenance(settings)["token"].source == source


def test_with_everything_given_nothing_is_sent(app: DevServer) -> None:
    """What a higher source already gives is not fetched."""

    class Given(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        other: Annotated[str, "vault:missing#token"]

    assert Given(token="a", other="b").model_dump() == {"token": "a", "other": "b"}
    assert not app.requests


def test_only_what_is_not_given_is_read(app: DevServer, asked: Asked) -> None:
    """A path that only given fields refer to is left out of the batch."""
    app.put("second", {"key": "2"})

    class Given(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        second: Annotated[str, "vault:second#key"]
        other: Annotated[str, "vault:missing#token"]

    Given(other="b")
    assert asked() == [("POST", ("app", "second"))]


class Database(BaseModel):
    user: Annotated[str, "vault:app#user"]
    password: Annotated[SecretStr, "vault:app#password"]
    host: str = "localhost"


class Nested(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    db: Database


def test_a_model_instance_as_an_argument_is_given_whole(app: DevServer) -> None:
    """What the caller made is taken as it is: the same object, and nothing is read for it."""
    database = Database(user="own", password=SecretStr("own"))
    assert Nested(db=database).db is database
    assert not app.requests


def test_part_of_a_nested_model_as_an_argument_is_completed(app: DevServer) -> None:
    """A mapping given for a nested model leaves the rest to the vault, and is not changed."""
    given = {"user": "own"}
    settings = Nested(db=given)
    assert (settings.db.user, settings.db.password.get_secret_value()) == ("own", "vault pass")
    assert given == {"user": "own"}


def test_all_of_a_nested_model_as_an_argument_is_complete(app: DevServer) -> None:
    """A mapping that has all the vault's fields asks for nothing."""
    settings = Nested(db={"user": "own", "password": "own"})
    assert settings.db.host == "localhost"
    assert not app.requests


def test_a_nested_field_from_the_environment_lies_over_the_vault(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One nested field in the environment wins, its siblings come from the vault."""
    monkeypatch.setenv("DB__USER", "env user")
    monkeypatch.setenv("DB__HOST", "env host")
    settings = Nested()
    assert (settings.db.user, settings.db.host) == ("env user", "env host")
    assert settings.db.password.get_secret_value() == "vault pass"
    assert {name: origin.source for name, origin in provenance(settings).items()} == {
        "db.user": "environment",
        "db.host": "environment",
        "db.password": "vault",
    }


class Whole(BaseModel):
    user: str
    password: str
    host: str = "localhost"


class WholeSettings(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    db: Annotated[Whole, "vault:app"]


def test_a_whole_object_is_laid_under_what_stands_above(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference on a nested model fills what environment and arguments leave open."""
    monkeypatch.setenv("DB__USER", "env user")
    settings = WholeSettings(db={"host": "argument host"})
    assert settings.db == Whole(user="env user", password="vault pass", host="argument host")


@pytest.mark.parametrize(
    ("environment", "host"), [("development", "file host"), ("production", "localhost")]
)
def test_a_whole_object_is_laid_over_what_stands_below(
    app: DevServer, env_file: Any, environment: str, host: str
) -> None:
    """In development `.env` fills what the object lacks; in production all of it is the vault's."""
    file = env_file("DB__USER=stale user\nDB__HOST=file host\n")
    settings = WholeSettings(_env_file=file, _vault_environment=environment)
    assert settings.db == Whole(user="vault user", password="vault pass", host=host)


@pytest.mark.parametrize("environment", ["development", "production"])
def test_plain_siblings_in_a_nested_model_come_from_a_named_file(
    app: DevServer, env_file: Any, environment: str
) -> None:
    """The vault's fields of a nested model are the vault's; the plain ones are `.env`'s."""
    file = env_file("DB__USER=stale user\nDB__HOST=file host\n")
    settings = Nested(_env_file=file, _vault_environment=environment)
    assert (settings.db.user, settings.db.host) == ("vault user", "file host")


def test_an_optional_nested_model_that_nobody_mentions_stays_none(app: DevServer) -> None:
    """References inside it are no reason to make one."""

    class Optional(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        db: Database | None = None

    assert Optional().db is None
    assert not app.requests


def test_an_optional_nested_model_that_is_mentioned_is_filled(
    app: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One field from another source makes it, and the vault gives the rest."""

    class Optional(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        db: Database | None = None

    monkeypatch.setenv("DB__HOST", "h")
    settings = Optional()
    assert settings.db is not None
    assert settings.db.user == "vault user"


def test_an_optional_nested_model_with_a_reference_of_its_own_is_filled(app: DevServer) -> None:
    """A reference on the field itself mentions it."""

    class Optional(VaultSettings):
        db: Annotated[Whole | None, "vault:app"] = None

    assert Optional().db == Whole(user="vault user", password="vault pass")


def test_references_inside_such_a_model_are_filled_too(app: DevServer) -> None:
    """The object gives the rest."""
    app.put("rest", {"host": "vault host"})

    class Optional(VaultSettings):
        db: Annotated[Database | None, "vault:rest"] = None

    db = Optional().db
    assert db is not None
    assert (db.user, db.host) == ("vault user", "vault host")


def test_an_empty_variable_is_given(app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value in the environment is a value, unless ``env_ignore_empty`` says not."""

    class Ignoring(VaultSettings):
        model_config = VaultConfigDict(env_ignore_empty=True)
        token: Annotated[str, "vault:app#token"]

    monkeypatch.setenv("TOKEN", "")
    assert Settings().token == ""
    assert not app.requests
    assert Ignoring().token == "from vault"


def test_missing_is_an_error_also_where_there_is_a_default(app: DevServer) -> None:
    """A default does not stand in for a secret that the vault was to give."""

    class Missing(VaultSettings):
        gone: Annotated[str, "vault:gone#token"] = "default"
        unnamed: Annotated[str, "vault:app#unnamed"] = "default"

    assert reasons(Missing) == {"gone": "SecretNotFoundError", "unnamed": "FieldNotFoundError"}


def test_optional_lets_not_found_fall_through_to_the_default(app: DevServer) -> None:
    """``optional`` covers a missing secret, field or version, and nothing else."""

    class Optional(VaultSettings):
        gone: Annotated[str, "vault:gone?optional#token"] = "default"
        unnamed: Annotated[str, "vault:app?optional#unnamed"] = "default"
        version: Annotated[str, "vault:app?version=9&optional#token"] = "default"
        none: Annotated[str | None, "vault:gone?optional#token"] = None
        template: Annotated[str, "${vault:app#user}:${vault:gone?optional#token}"] = "default"

    assert set(Optional().model_dump().values()) == {"default", None}


def test_optional_without_a_default_is_an_error(app: DevServer) -> None:
    """There is nothing to fall through to: missing is never an empty text."""

    class Optional(VaultSettings):
        gone: Annotated[str, "vault:gone?optional#token"]

    assert reasons(Optional) == {"gone": "SecretNotFoundError"}


def test_optional_covers_neither_denied_nor_malformed(app: DevServer) -> None:
    """Denied is not missing."""
    app.deny("secret/**")

    class Optional(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        denied: Annotated[str, "vault:secret/a?optional#token"] = "default"
        items: Annotated[tuple[str, ...], "vault:app?optional#token"] = ("default",)

    assert reasons(Optional) == {"denied": "AccessDeniedError", "items": "SecretError"}


def test_a_plain_missing_half_of_a_template_is_an_error(app: DevServer) -> None:
    """An optional part does not excuse one that is not."""

    class Optional(VaultSettings):
        url: Annotated[str, "${vault:gone#a}${vault:gone?optional#b}"] = "default"

    assert reasons(Optional) == {"url": "SecretNotFoundError"}
