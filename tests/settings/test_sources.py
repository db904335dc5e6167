"""Subclasses that choose their sources the documented way, and classes that aren't ours."""

import json
import logging
import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretBytes, SecretStr
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    JsonConfigSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)

from tests.settings.loading import reasons, unresolved
from vaultconfig import (
    LiveSettings,
    VaultConfigDict,
    VaultSettings,
    VaultSettingsSource,
    provenance,
)
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError
from vaultconfig.source.arranging import arranged, given_by
from vaultconfig.source.upstream import call_all


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "host": "vault host"})
    return vault_env


class Settings(VaultSettings):
    token: Annotated[str, "vault:app#token"]
    host: str = "default"


def choosing(choose: Any) -> type[Settings]:
    """Return a class with the sources that *choose* makes of pydantic-settings' four."""

    class Choosing(Settings):
        model_config = VaultConfigDict(env_file=".env")

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return choose(
                settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
            )

    return Choosing


def test_no_other_source_at_all() -> None:
    """Ours is there although nothing else is."""
    assert choosing(lambda *_: ())().token == "from vault"


def test_dropped_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a class leaves out does not count."""
    monkeypatch.setenv("TOKEN", "env")
    model = choosing(lambda cls, init, *_: (init,))
    assert model().token == "from vault"
    assert model(token="argument").token == "argument"


def test_reordered_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of its own among those above the vault is kept."""
    monkeypatch.setenv("HOST", "vault:app#host")
    monkeypatch.setenv("TOKEN", "env")
    settings = choosing(lambda cls, init, env, *_: (env, init))(host="argument", token="argument")
    assert (settings.host, settings.token) == ("vault host", "env")


@pytest.mark.parametrize("thing", [Settings, LiveSettings(Settings), None])
def test_provenance_of_something_else(thing: Any) -> None:
    """It says what it takes."""
    with pytest.raises(TypeError, match="`current`"):
        provenance(thing)


def test_what_sources_gave_does_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor arguments show where a traceback prints the locals of a frame."""
    monkeypatch.setenv("HOST", "in the environment")
    sources, _ = arranged(Settings, _init_kwargs={"token": "an argument"})
    given = given_by(Settings, sources, {"token": "an argument"})
    shown = f"{given!r} {given._gathered!r} {given._gathered.layers!r}"
    assert "in the environment" not in shown
    assert "an argument" not in shown


def test_our_own_source_in_the_middle(env_file: Any) -> None:
    """A class that names our source gets one, and it stands last wherever it was put."""
    env_file("HOST='vault:app#host'")

    def choose(cls: Any, init: Any, env: Any, dotenv: Any, secrets: Any) -> Any:
        return init, VaultSettingsSource(cls), env, dotenv, VaultSettingsSource(cls)

    settings = choosing(choose)()
    assert (settings.token, settings.host) == ("from vault", "vault host")


def test_arguments_of_our_own_source(
    env_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that gives our source arguments has them count, but for one of ``Settings()``."""
    env_file("HOST='of development'")
    file = tmp_path / "connection.env"
    for name in ("SCAIVAULT_URL", "SCAIVAULT_TOKEN"):
        with file.open("a") as out:
            out.write(f"{name}={os.environ[name]}\n")
        monkeypatch.delenv(name)

    class Model(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            ours = VaultSettingsSource(settings_cls, environment="dev", env_file=file)
            return (ours, *sources.values())

    settings = Model()
    assert (settings.token, settings.host) == ("from vault", "of development")
    with pytest.raises(ConfigurationError, match="no credentials"):
        Model(_vault_environment="production")


class Mode(Enum):
    FAST = "fast"


class Inner(BaseModel):
    text: str = ""


class Spelled(BaseSettings):
    """One field of each kind that variables are looked up in differently."""

    text: str = ""
    number: int = 0
    path: Path = Path()
    secret: SecretStr = SecretStr("")
    aliased: str = Field("", alias="other")
    chosen: str = Field("", validation_alias=AliasChoices("first", "second"))
    item: str = Field("", validation_alias=AliasPath("items", 0))
    maybe: str | None = None
    mode: Mode | None = None
    names: list[str] = []
    inner: Inner = Inner()


OPTIONS_OF_VARIABLES = [
    SettingsConfigDict(),
    SettingsConfigDict(env_prefix="APP_"),
    SettingsConfigDict(env_prefix="app_", env_prefix_target="all", case_sensitive=True),
    SettingsConfigDict(env_nested_delimiter="__", populate_by_name=True),
    SettingsConfigDict(strict=True, env_parse_none_str="null", env_parse_enums=True),
    SettingsConfigDict(env_ignore_empty=True, validate_by_alias=False, validate_by_name=True),
]


@pytest.mark.parametrize("options", OPTIONS_OF_VARIABLES, ids=repr)
@pytest.mark.parametrize("prefix", ["", "APP_", "app_"])
@pytest.mark.parametrize(
    "names",
    [
        (),
        ("TEXT", "NUMBER", "PATH", "SECRET"),
        ("OTHER", "SECOND"),
        ("INNER__TEXT", "MAYBE"),
        ("aliased", "first", "text"),
        ("NAMES", "ITEMS", "MODE", "INNER"),
    ],
    ids=" ".join,
)
def test_fields_whose_variables_are_not_set(
    monkeypatch: pytest.MonkeyPatch, options: Any, prefix: str, names: tuple[str, ...]
) -> None:
    """To pass over them changes nothing of what the environment gives."""
    texts = {"NUMBER": "7", "NAMES": '["a"]', "ITEMS": '["b"]', "INNER": '{"text": "c"}'}
    for name in names:
        monkeypatch.setenv(prefix + name, texts.get(name, "null" if name == "MAYBE" else "FAST"))
    model = type("Model", (Spelled,), {"model_config": options, "__module__": __name__})
    given, _ = call_all([EnvSettingsSource(model)], resolves=True)
    assert given[0][1] == EnvSettingsSource(model)()


@pytest.mark.parametrize("kind", ["yaml", "toml", "json"])
def test_a_file_as_another_source(tmp_path: Path, kind: str) -> None:
    """References in a YAML, TOML or JSON file are resolved; the vault stands above the file."""
    file = tmp_path / f"config.{kind}"
    text = {
        "yaml": "token: stale\nhost: vault:app#host\nextra: vault:gone#x\n",
        "toml": 'token = "stale"\nhost = "vault:app#host"\n',
        "json": json.dumps({"token": "stale", "host": "vault:app#host"}),
    }
    file.write_text(text[kind])
    source = {
        "yaml": YamlConfigSettingsSource,
        "toml": TomlConfigSettingsSource,
        "json": JsonConfigSettingsSource,
    }[kind]
    settings = choosing(lambda cls, init, env, *_: (init, env, source(cls, file)))()
    assert (settings.token, settings.host) == ("from vault", "vault host")


def test_another_source_under_its_own_name(tmp_path: Path) -> None:
    """`provenance` calls a source that it doesn't know by its class."""
    file = tmp_path / "config.json"
    file.write_text('{"host": "file host"}')
    settings = choosing(lambda cls, init, *_: (init, JsonConfigSettingsSource(cls, file)))()
    assert provenance(settings)["host"].source == "JsonConfigSettingsSource"


def test_two_sources_of_one_class(tmp_path: Path, development: None) -> None:
    """Two `.env` files as two sources both count, the first one first."""
    (tmp_path / "one.env").write_text("HOST=one\nGONE=from one\n")
    (tmp_path / "two.env").write_text("HOST=two\nLOST=from two\nOTHER=vault:app#host\n")

    class Model(VaultSettings):
        host: str
        other: str
        gone: Annotated[str, "vault:gone#x"]
        lost: Annotated[str, "vault:gone#y"]

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, **_: Any) -> Any:
            return (
                DotEnvSettingsSource(settings_cls, env_file=tmp_path / "one.env"),
                DotEnvSettingsSource(settings_cls, env_file=tmp_path / "two.env"),
            )

    settings = Model()
    assert (settings.host, settings.other) == ("one", "vault host")
    assert (settings.gone, settings.lost) == ("from one", "from two")
    assert provenance(settings)["gone"].source == ".env"


class MyDotEnv(DotEnvSettingsSource):
    """A subclass under a name of its own."""


class MyEnv(EnvSettingsSource):
    """Likewise."""


def test_subclasses_of_known_sources(monkeypatch: pytest.MonkeyPatch, env_file: Any) -> None:
    """A subclass counts as what it is derived from: environment above, `.env` below."""
    file = env_file("TOKEN=from .env\nHOST=from .env\n")
    model = choosing(lambda cls, *_: (MyEnv(cls), MyDotEnv(cls, env_file=file)))
    settings = model()
    assert (settings.token, settings.host) == ("from vault", "from .env")
    monkeypatch.setenv("TOKEN", "env")
    assert model().token == "env"


def test_a_subclass_of_dotenv_gives_no_vault_field_in_production(
    app: DevServer, env_file: Any
) -> None:
    """The rule about `.env` is not lost on a subclass."""
    app.delete("app")
    file = env_file("TOKEN=from .env\n")
    model = choosing(lambda cls, *_: (MyDotEnv(cls, env_file=file),))
    assert reasons(model) == {"token": "SecretNotFoundError"}
    assert model(_vault_environment="dev").token == "from .env"


class Remote(EnvSettingsSource):
    """Reads variables from elsewhere, as the sources of cloud providers do."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {"token": "from elsewhere", "host": "from elsewhere"}


def test_other_sources_stand_below_the_vault(tmp_path: Path) -> None:
    """A source that derives from the environment's and reads elsewhere is not the environment."""
    settings = choosing(lambda cls, *_: (Remote(cls),))()
    assert (settings.token, settings.host) == ("from vault", "from elsewhere")
    assert provenance(settings)["host"].source == "Remote"
    (tmp_path / "token").write_text("from file")
    nested = choosing(
        lambda cls, *_: (NestedSecretsSettingsSource(EnvSettingsSource(cls), tmp_path),)
    )
    assert nested().token == "from vault"


class Mixin:
    """What several applications' classes share."""

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> Any:
        return (init_settings,)


def test_a_mixin_that_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no difference where the method is inherited from."""

    class Mixed(Mixin, VaultSettings):
        token: Annotated[str, "vault:app#token"]

    monkeypatch.setenv("TOKEN", "env")
    assert Mixed().token == "from vault"


class Database(BaseModel):
    token: Annotated[str, "vault:app#token"]
    host: str = "h"


class Plain(BaseSettings):
    """A class of somebody else's, with our source as its last one."""

    model_config = SettingsConfigDict(env_nested_delimiter="__", extra="ignore")
    secret: Annotated[SecretStr, "vault:app#token"]
    db: Database
    host: str = "default"
    items: list[str] = []

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            file_secret_settings,
            VaultSettingsSource(settings_cls),
        )


class Word:
    """A class of somebody's that holds a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls)


class TestPlainBaseSettings:
    """A class that derives from BaseSettings itself gets the values."""

    def test_it_gets_the_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Annotations, values and nested models are filled."""
        monkeypatch.setenv("HOST", "vault:app#host")
        monkeypatch.setenv("DB__HOST", "<${vault:app#host}>")
        settings = Plain(items=["vault:app#host"])
        assert settings.secret.get_secret_value() == "from vault"
        assert settings.db == Database(token="from vault", host="<vault host>")
        assert (settings.host, settings.items) == ("vault host", ["vault host"])

    def test_precedence(self, monkeypatch: pytest.MonkeyPatch, env_file: Any) -> None:
        """The environment wins over the vault, and the vault over `.env`."""
        monkeypatch.setenv("DB__TOKEN", "env")
        settings = Plain(_env_file=env_file("SECRET=from .env\nHOST=from .env\n"))
        assert settings.secret.get_secret_value() == "from vault"
        assert (settings.db.token, settings.host) == ("env", "from .env")

    def test_development(self, env_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The rules of the fallback are the same."""
        monkeypatch.delenv("SCAIVAULT_TOKEN")
        monkeypatch.setenv("VAULTCONFIG_ENVIRONMENT", "dev")
        settings = Plain(_env_file=env_file("SECRET=from .env\nDB__TOKEN=db from .env\n"))
        assert settings.secret.get_secret_value() == "from .env"
        assert settings.db.token == "db from .env"

    def test_a_reference_for_a_complex_field(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There a complex field can't hold a reference, and says so."""
        monkeypatch.setenv("ITEMS", "vault:app#host")
        with pytest.raises(ValueError, match='field "items"'):
            Plain()

    @pytest.mark.parametrize("kind", [bytes, SecretStr, SecretBytes, Path | None, re.Pattern, Word])
    def test_a_strict_class(self, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
        """Its variables are coerced before ours comes: a reference in one is an error, no value."""

        class Inner(BaseModel):
            value: kind = None

        class Strict(Plain):
            model_config = SettingsConfigDict(strict=True)
            value: kind
            inner: Inner

        monkeypatch.setenv("VALUE", "vault:app#host")
        monkeypatch.setenv("INNER__VALUE", "vault:app#host")
        error = unresolved(Strict)
        assert [failure.field for failure in error.failures] == ["value", "inner.value"]
        assert "derive the class from VaultSettings" in str(error)

    def test_a_strict_class_with_two_files(
        self, env_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """pydantic-settings keeps what one of two such sources gave; the other's counts, too."""
        (tmp_path / "other.env").write_text("FILE=vault:app#host")
        env_file("OTHER=vault:app#host")

        class Strict(BaseSettings):
            model_config = SettingsConfigDict(strict=True, extra="ignore")
            file: Path
            other: Path

            @classmethod
            def settings_customise_sources(
                cls, settings_cls: type[BaseSettings], **_: Any
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                files = [DotEnvSettingsSource(settings_cls, x) for x in (".env", "other.env")]
                return *files, VaultSettingsSource(settings_cls)

        assert reasons(Strict) == {"file": "ConfigurationError", "other": "ConfigurationError"}

    def test_what_a_strict_class_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A text is a reference there, and what a variable has besides is a value."""

        class Strict(Plain):
            model_config = SettingsConfigDict(strict=True)
            file: Path
            given: SecretStr

        monkeypatch.setenv("FILE", "/etc/app")
        monkeypatch.setenv("HOST", "vault:app#host")
        strict = Strict(given=SecretStr("given"), db=Database(token="t"))
        assert (strict.file, strict.host) == (Path("/etc/app"), "vault host")
        assert strict.given.get_secret_value() == "given"

    def test_an_object_as_an_argument(self) -> None:
        """Nothing looks into what is an argument: it may be a proxy that stands for nothing yet."""

        class Proxy:
            def __getattr__(self, name: str) -> Any:
                raise RuntimeError(name)

            def __str__(self) -> str:
                raise RuntimeError("str")

        class WithAny(Plain):
            anything: Any = None
            several: list[Any] = []

        proxy = Proxy()
        settings = WithAny(anything=proxy, several=[proxy], db=Database(token="t"))
        assert settings.anything is settings.several[0] is proxy

    def test_failures(self, app: DevServer) -> None:
        """Failures come in the same group."""
        app.deny("app")
        assert reasons(Plain) == {"secret": "AccessDeniedError", "db.token": "AccessDeniedError"}

    def test_the_debug_log_shows_no_value(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """``PYDANTIC_SETTINGS_DEBUG`` logs what each source returned: ours returns nothing."""
        monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
        caplog.set_level(logging.DEBUG)
        Plain()
        Settings()
        assert "from vault" not in caplog.text


def test_model_validate_runs_the_sources(app: DevServer) -> None:
    """Every way in which pydantic builds settings asks the vault."""
    assert Settings.model_validate({}).token == "from vault"
    assert Settings.model_validate({"host": "vault:app#host"}).host == "vault host"
    assert Settings.model_validate_json('{"host": "x"}').host == "x"
    assert len(app.requests) == 1


def test_a_cached_instance_is_one(app: DevServer) -> None:
    """``settings_cached`` gives one instance, where pydantic-settings has it."""
    if not hasattr(BaseSettings, "settings_cached"):
        pytest.skip("this pydantic-settings has none")
    try:
        assert Settings.settings_cached() is Settings.settings_cached()
        assert Settings.settings_cached().token == "from vault"
    finally:
        Settings.settings_clear_cache()
