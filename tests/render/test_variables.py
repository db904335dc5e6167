"""The variables of a settings class: named as pydantic-settings reads them, and loading back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from traceback import TracebackException
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr, ValidationError
from pydantic import field_validator as validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.render.awkward import AWKWARD
from vaultconfig import VaultConfigDict, VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError
from vaultconfig.inspection import gather
from vaultconfig.render.proof import settings_variables
from vaultconfig.vaults.shared import close_vaults

OURS = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
CANARY = "canary-5f0e"
DATA = {
    "user": "app",
    "password": "s3cret",
    "port": 5432,
    "tls": True,
    "ratio": 0.5,
    "none": None,
    "hosts": ["a", "b"],
    "limits": {"soft": 1, "hard": {"x": "ü"}},
}


@pytest.fixture(autouse=True)
def stocked(
    vault_env: DevServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DevServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAULTCONFIG_ENVIRONMENT", raising=False)
    vault_env.put("db", DATA)
    yield vault_env
    close_vaults()


def rendered(settings_cls: type[BaseSettings], *, everything: bool = False) -> dict[str, str]:
    found = settings_variables(gather(settings_cls), everything=everything)
    return {item.key: str(item.text) for item in found}


def without_vault(settings_cls: type[BaseSettings], values: Mapping[str, str]) -> BaseSettings:
    """Load the class from these variables alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        for name, value in values.items():
            patch.setenv(name, value)
        patch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
        return settings_cls()


class Database(BaseModel):
    user: str
    password: SecretStr
    port: int = 1


class Limits(BaseModel):
    soft: int
    hard: dict[str, str]


class Deep(BaseModel):
    limits: Limits
    user: Annotated[str, "vault:db#user"] = "nobody"


class Aliased(BaseModel):
    user: str = Field(alias="UserName")
    first: str = Field(validation_alias=AliasPath("hosts", 0))


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    Name: Annotated[str, "vault:db#user"]


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    Name: str


class Plain(VaultSettings):
    debug: bool = False
    user: Annotated[str, "vault:db#user"]
    port: Annotated[int, "vault:db#port"]
    tls: Annotated[bool, "vault:db#tls"]
    ratio: Annotated[float, "vault:db#ratio"]
    hosts: Annotated[list[str], "vault:db#hosts"]
    limits: Annotated[Limits, "vault:db#limits"]
    dsn: Annotated[str, "pg://${vault:db#user}:${vault:db#password|urlquote}@db"]
    absent: Annotated[str | None, "vault:db?optional#nothing"] = None
    nothing: Annotated[str | None, "vault:db#none"] = None


class Prefixed(VaultSettings):
    model_config = VaultConfigDict(env_prefix="app_")
    user: Annotated[str, "vault:db#user"]
    named: Annotated[str, "vault:db#user"] = Field(validation_alias="other")


class PrefixedAll(VaultSettings):
    model_config = VaultConfigDict(env_prefix="APP_", env_prefix_target="all")
    user: Annotated[str, "vault:db#user"]
    named: Annotated[str, "vault:db#user"] = Field(validation_alias="other")


class Choices(VaultSettings):
    user: Annotated[str, "vault:db#user"] = Field(
        validation_alias=AliasChoices(AliasPath("route", 0), "plain", "second")
    )


class ByName(VaultSettings):
    model_config = VaultConfigDict(env_prefix="app_", populate_by_name=True)
    user: Annotated[str, "vault:db#user"] = Field(validation_alias=AliasPath("route", 0))
    port: Annotated[int, "vault:db#port"] = Field(validation_alias=AliasChoices("port", "gate"))


class Paths(VaultSettings):
    second: Annotated[str, "vault:db#user"] = Field(validation_alias=AliasPath("list", 1))
    first: Annotated[str, "vault:db#password"] = Field(validation_alias=AliasPath("list", 0))
    inner: Annotated[str, "vault:db#user"] = Field(validation_alias=AliasPath("map", "a", "b"))


class CaseSensitive(VaultSettings):
    model_config = VaultConfigDict(case_sensitive=True, env_nested_delimiter="__")
    User: Annotated[str, "vault:db#user"]
    Db: Annotated[Database, "vault:db"]


class NestedAsJson(VaultSettings):
    db: Annotated[Database, "vault:db"]
    deep: Deep


class NestedSpread(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    db: Annotated[Database, "vault:db"]
    deep: Deep


class Split(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_", env_nested_max_split=1)
    my: Deep


class NestedAliases(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    aliased: Aliased


class Union(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Many(VaultSettings):
    dbs: list[Database]
    by_name: dict[str, Cat]


class ByHand(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore")
    user: Annotated[str, "vault:db#user"]
    port: Annotated[int, "vault:db#port"]

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, **sources: Any) -> Any:  # type: ignore[override]  # all by name
        return (*sources.values(), VaultSettingsSource(settings_cls))


CASES = [
    (
        Plain,
        {},
        {
            "USER": "app",
            "PORT": "5432",
            "TLS": "true",
            "RATIO": "0.5",
            "HOSTS": '["a","b"]',
            "LIMITS": '{"soft":1,"hard":{"x":"ü"}}',
            "DSN": "pg://app:s3cret@db",
        },
    ),
    (Prefixed, {}, {"APP_USER": "app", "OTHER": "app"}),
    (PrefixedAll, {}, {"APP_USER": "app", "APP_OTHER": "app"}),
    (Choices, {}, {"PLAIN": "app"}),
    (ByName, {}, {"APP_USER": "app", "PORT": "5432"}),
    (Paths, {}, {"LIST": '["s3cret","app"]', "MAP": '{"a":{"b":"app"}}'}),
    (
        CaseSensitive,
        {},
        {"User": "app", "Db__user": "app", "Db__password": "s3cret", "Db__port": "5432"},
    ),
    (
        NestedAsJson,
        {"DEEP": '{"limits": "vault:db#limits"}'},
        {
            "DB": '{"user":"app","password":"s3cret","port":5432}',
            "DEEP": '{"limits":{"soft":1,"hard":{"x":"ü"}},"user":"app"}',
        },
    ),
    (
        NestedSpread,
        {"DEEP__LIMITS__SOFT": "7", "DEEP__LIMITS__HARD": '{"y": "vault:db#user"}'},
        {
            "DB__USER": "app",
            "DB__PASSWORD": "s3cret",
            "DB__PORT": "5432",
            "DEEP__LIMITS__HARD": '{"y":"app"}',
            "DEEP__USER": "app",
        },
    ),
    (
        Split,
        {"MY_LIMITS": '{"soft": 1, "hard": {"z": "vault:db#password"}}'},
        {"MY_LIMITS": '{"soft":1,"hard":{"z":"s3cret"}}', "MY_USER": "app"},
    ),
    (
        NestedAliases,
        {"ALIASED__USERNAME": "vault:db#user", "ALIASED__HOSTS": "vault:db#hosts"},
        {"ALIASED__USERNAME": "app", "ALIASED__HOSTS": '["a","b"]'},
    ),
    (Union, {"PET": '{"kind": "cat"}'}, {"PET": '{"kind":"cat","Name":"app"}'}),
    (
        Many,
        {"DBS": '["vault:db"]', "BY_NAME": '{"x": {"kind": "cat"}}'},
        {
            "DBS": '[{"user":"app","password":"s3cret","port":5432}]',
            "BY_NAME": '{"x":{"kind":"cat","Name":"app"}}',
        },
    ),
    (ByHand, {}, {"USER": "app", "PORT": "5432"}),
]


@pytest.mark.parametrize(("settings_cls", "given", "expected"), CASES)
def test_names_texts_and_loading_back(
    settings_cls: type[BaseSettings],
    given: Mapping[str, str],
    expected: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Variables have the names that pydantic-settings reads, and load into equal settings."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert rendered(settings_cls) == expected
    assert without_vault(settings_cls, expected) == settings_cls()


def test_everything_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is set can be asked for; a default isn't set."""

    class Settings(VaultSettings):
        debug: bool = False
        name: str = "default"
        tags: list[str] = Field([])
        user: Annotated[str, "vault:db#user"]

    monkeypatch.setenv("TAGS", '["a"]')
    monkeypatch.setenv("DEBUG", "1")
    assert rendered(Settings) == {"USER": "app"}
    assert rendered(Settings, everything=True) == {"DEBUG": "1", "TAGS": '["a"]', "USER": "app"}


def test_a_vault_field_that_is_given_is_written_too(
    stocked: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a higher source gives for a vault's field is what Settings() holds."""

    class Settings(VaultSettings):
        user: Annotated[str, "vault:db#user"]

    monkeypatch.setenv("USER", "given")
    assert rendered(Settings) == {"USER": "given"}
    assert not stocked.requests


def test_no_fallback_in_development(stocked: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In development too a vault's field is never taken from a `.env`, nor from its default."""

    class Settings(VaultSettings):
        plain: str
        user: Annotated[str, "vault:db#user"]
        missing: Annotated[str, "vault:db#missing"] = "default"

    with open(".env", "w") as file:
        file.write("PLAIN=from-env\nUSER=stale\nMISSING=stale\n")
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    with pytest.raises(UnresolvedSettingsError) as caught:
        gather(Settings)
    assert [failure.field for failure in caught.value.failures] == ["missing"]
    assert caught.value.hint is None
    stocked.put("db", {**DATA, "missing": "there"})
    close_vaults()
    found = settings_variables(gather(Settings), everything=True)
    values = {item.key: item.text for item in found}
    assert values == {"PLAIN": "from-env", "USER": "app", "MISSING": "there"}


def test_no_credentials_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the error says which to set, not to fill a `.env`."""
    monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    monkeypatch.delenv("SCAIVAULT_TOKEN")
    with pytest.raises(ConfigurationError, match="set SCAIVAULT_TOKEN"):
        gather(Plain)


def test_what_a_model_ignores_is_not_written() -> None:
    """Of a secret's fields only those are written that the model has a place for."""
    assert "hosts" not in rendered(with_and_without_extra())["DB"]


def with_and_without_extra() -> type[BaseSettings]:
    class Extra(BaseModel, extra="allow"):
        user: str

    class Settings(VaultSettings):
        db: Annotated[Database, "vault:db"]
        extra: Annotated[Extra, "vault:db"]

    return Settings


def test_what_a_model_keeps_is_written() -> None:
    """A model that allows extra fields gets all of the secret."""
    assert '"hosts":["a","b"]' in rendered(with_and_without_extra())["EXTRA"]


@pytest.mark.parametrize(
    ("config", "value", "why"),
    [
        ({"env_ignore_empty": True}, "", "PASSWORD: .*env_ignore_empty"),
        ({"env_parse_none_str": "null"}, "null", "no text for null"),
    ],
)
def test_what_would_not_load_back_is_refused(
    stocked: DevServer, config: Any, value: str, why: str
) -> None:
    """A text that pydantic-settings takes for nothing is refused by the field's name."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(**config)
        user: Annotated[str, "vault:db#user"]
        password: Annotated[str, "vault:db#password"]

    stocked.put("db", {"user": "u", "password": value})
    with pytest.raises(ConfigurationError, match=f"^password: .*{why}"):
        rendered(Settings)


def test_a_null_without_a_text_is_refused() -> None:
    """A null that would load back as another default is refused by name."""

    class Settings(VaultSettings):
        nothing: Annotated[str | None, "vault:db#none"] = "x"

    with pytest.raises(ConfigurationError, match="nothing: there is no text for null"):
        rendered(Settings)


def test_ambiguous_names_are_refused() -> None:
    """A name that pydantic-settings would split elsewhere is refused."""

    class Inner(BaseModel):
        user_name: str

    class Settings(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="_")
        db: Annotated[Inner, '{"user_name": "${vault:db#user}"}']

    with pytest.raises(ConfigurationError, match=r"^db\.user_name: .* DB_USER_NAME"):
        rendered(Settings)


def test_only_what_is_written_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain fields may be missing or wrong, as long as they are not written."""

    class Fine(VaultSettings):
        required: str
        number: int
        user: Annotated[str, "vault:db#user"]

    monkeypatch.setenv("NUMBER", "none")
    assert rendered(Fine) == {"USER": "app"}
    with pytest.raises(ValidationError) as caught:
        rendered(Fine, everything=True)
    assert [line["loc"] for line in caught.value.errors()] == [("number",)]


def test_errors_hold_no_value(stocked: DevServer) -> None:
    """A value that doesn't fit is named by its field, and shown nowhere."""

    class Settings(VaultSettings):
        port: Annotated[int, "vault:db#port"]
        quoted: Annotated[str, "vault:db#user"]

        @validator("quoted")
        @classmethod
        def quote(cls, value: str) -> str:
            raise ValueError(f"what a {value}")

    stocked.put("db", {"port": CANARY, "user": f"{CANARY}-2"})
    with pytest.raises(ValidationError) as caught:
        rendered(Settings)
    error = caught.value
    assert [line["loc"] for line in error.errors()] == [("port",), ("quoted",)]
    shown = f"{error}{error!r}{error.errors()}{error.json()}{error.__context__!r}{error.__cause__}"
    assert CANARY not in shown


def test_what_the_file_cannot_give_is_an_error(stocked: DevServer) -> None:
    """A value that fits as JSON has it, but not as text, is refused."""

    class Settings(VaultSettings):
        port: Annotated[int, "vault:db#port"] = Field(strict=True)

    with pytest.raises(ValidationError, match="port"):
        rendered(Settings)


def test_a_class_without_a_vault() -> None:
    """A class that has no source for the vault is told how to get one."""

    class Settings(BaseSettings):
        user: Annotated[str, "vault:db#user"] = "x"

    with pytest.raises(ConfigurationError, match="Settings has no source for the vault: derive"):
        gather(Settings)


def test_a_class_with_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that parses the command line leaves ours alone."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(cli_parse_args=True)
        user: Annotated[str, "vault:db#user"]

    monkeypatch.setattr("sys.argv", ["vaultconfig", "--not-a-field"])
    assert rendered(Settings) == {"USER": "app"}


def test_malformed_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another source can't decode is named without its text."""
    monkeypatch.setenv("HOSTS", f"[{CANARY}")
    with pytest.raises(
        ConfigurationError, match='"hosts" from source "EnvSettingsSource"'
    ) as caught:
        gather(Plain)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_awkward_texts(stocked: DevServer) -> None:
    """Every text is handed on as it is, also inside JSON."""
    values = {key: value for key, value in AWKWARD.items() if not value.startswith("vault:")}
    stocked.put("awkward", values)

    class Settings(VaultSettings):
        all: Annotated[dict[str, str], "vault:awkward"]
        nasty: Annotated[str, "vault:awkward#NASTY"]

    found = rendered(Settings)
    assert found["NASTY"] == values["NASTY"]
    assert without_vault(Settings, found) == Settings()


class Login(BaseModel):
    password: Annotated[str, "vault:db#password"] = "x"


class Account(BaseModel):
    password: str = "x"


class Nested(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    db_password: Annotated[str, "vault:db#user"]
    db: Login = Login()


class NestedPlain(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    db_password: Annotated[str, "vault:db#user"]
    db: Account | None = None


class NestedOptional(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    db_password: Annotated[str | None, "vault:db?optional#nothing"] = None
    db: Login


class Words(BaseModel):
    pass_word: Annotated[str, "vault:db#password"]


class NestedSplitOnce(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_", env_nested_max_split=1)
    db_pass_word: Annotated[str, "vault:db#user"]
    db: Words


class Case(VaultSettings):
    first: Annotated[str, "vault:db#user"] = Field(validation_alias="API_KEY")
    second: Annotated[str, "vault:db#password"] = Field(validation_alias="api_key")


class CasePlain(VaultSettings):
    first: Annotated[str, "vault:db#user"] = Field(validation_alias="API_KEY")
    second: str = Field("d", validation_alias="api_key")


class PrefixAndAlias(VaultSettings):
    model_config = VaultConfigDict(env_prefix="db_")
    password: Annotated[str, "vault:db#user"]
    other: Annotated[str, "vault:db#password"] = Field(validation_alias="db_password")


class OneAlias(VaultSettings):
    first: Annotated[str, "vault:db#user"] = Field(validation_alias="key")
    second: Annotated[str, "vault:db#password"] = Field(validation_alias="key")


class EqualToday(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    db_password: Annotated[str, "vault:same#password"]
    db: Login


class WholeModel(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    other: Annotated[str, "vault:db#user"] = Field(validation_alias="DB")
    db: Login = Login()


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(
    ("settings_cls", "first", "second", "variable"),
    [
        (Nested, "db_password", "db.password", "DB_PASSWORD"),
        (NestedPlain, "db_password", "db.password", "DB_PASSWORD"),
        (NestedOptional, "db_password", "db.password", "DB_PASSWORD"),
        (NestedSplitOnce, "db_pass_word", "db.pass_word", "DB_PASS_WORD"),
        (Case, "first", "second", "API_KEY"),
        (CasePlain, "first", "second", "API_KEY"),
        (PrefixAndAlias, "password", "other", "DB_PASSWORD"),
        (OneAlias, "first", "second", "KEY"),
        (EqualToday, "db_password", "db.password", "DB_PASSWORD"),
        (WholeModel, "other", "db", "DB"),
    ],
)
def test_two_fields_on_one_variable_are_refused(
    stocked: DevServer,
    settings_cls: type[VaultSettings],
    first: str,
    second: str,
    variable: str,
    everything: bool,
) -> None:
    """One variable gives one value to all that read it, so both fields and it are named."""
    stocked.put("same", {"password": DATA["password"]})
    message = f"^{first} and {second} are both read from the variable {variable},"
    with pytest.raises(ConfigurationError, match=message):
        rendered(settings_cls, everything=everything)


def test_every_clash_is_named() -> None:
    """One run names them all."""

    class Two(Case):
        model_config = VaultConfigDict(env_nested_delimiter="_")
        db_password: Annotated[str, "vault:db#user"]
        db: Login

    with pytest.raises(ConfigurationError, match=r"API_KEY.*; .*DB_PASSWORD"):
        rendered(Two)


class Shared(VaultSettings):
    url: Annotated[SecretStr, "vault:db#user"] = Field(validation_alias="DB_USER")
    shown: str = Field("d", validation_alias="DB_USER")


class SharedReference(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    db_password: Annotated[str, "vault:db#password"]
    db: Login


class SharedFallback(VaultSettings):
    user: Annotated[str, "vault:db#user"] = Field(validation_alias="user")
    other: str = Field("d", validation_alias=AliasChoices("other", "user"))


class PlainPair(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="_")
    user: Annotated[str, "vault:db#user"]
    pg_password: str = "d"
    pg: Account = Account()


@pytest.mark.parametrize(
    ("settings_cls", "expected"),
    [
        (Shared, {"DB_USER": "app"}),
        (SharedReference, {"DB_PASSWORD": "s3cret"}),
        (SharedFallback, {"USER": "app"}),
        (PlainPair, {"USER": "app"}),
    ],
)
def test_a_variable_that_fields_share_on_purpose(
    settings_cls: type[VaultSettings], expected: dict[str, str]
) -> None:
    """Fields that mean the same value may share a variable, and load back equal."""
    assert rendered(settings_cls) == expected
    assert without_vault(settings_cls, expected) == settings_cls()


def test_plain_fields_may_share_what_one_variable_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two plain fields that a variable gives are rendered as that variable with --all."""
    monkeypatch.setenv("PG_PASSWORD", "both")
    assert rendered(PlainPair, everything=True) == {"USER": "app", "PG_PASSWORD": "both"}


class Node(BaseModel):
    name: Annotated[str, "vault:db#user"] = "x"
    child: Node | None = None


def test_a_model_that_holds_itself() -> None:
    """Looking for clashes ends where a model holds itself."""

    class Tree(VaultSettings):
        model_config = VaultConfigDict(env_nested_delimiter="__")
        root: Node

    assert rendered(Tree) == {"ROOT__NAME": "app"}


def test_a_value_that_comes_back_as_another_is_not_shown(stocked: DevServer) -> None:
    """Neither it nor its neighbour stands in the frames of the error."""
    stocked.put("odd", {"number": 987654321, "text": CANARY})

    class Settings(VaultSettings):
        number: Annotated[int | str, "vault:odd#number"]
        text: Annotated[str, "vault:odd#text"]

    with pytest.raises(ConfigurationError, match="another value of the text in NUMBER") as caught:
        settings_variables(gather(Settings))
    shown = TracebackException.from_exception(caught.value, capture_locals=True)
    ours = "".join(line for line in shown.format() if "test_variables.py" not in line)
    assert CANARY not in ours
    assert "987654321" not in ours
