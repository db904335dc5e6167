"""Every way in which pydantic finds the value of a field under another name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from tests.settings.loading import unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("app", {"token": "from vault", "TOKEN": "upper", "aliased": "by alias"})
    return vault_env


ALIASES: Mapping[str, Any] = {
    "alias": {"alias": "other"},
    "validation alias": {"validation_alias": "other"},
    "choices": {"validation_alias": AliasChoices("other", "another")},
    "path": {"validation_alias": AliasPath("other", "inner")},
    "path into a list": {"validation_alias": AliasPath("other", 1)},
    "path into a list of objects": {"validation_alias": AliasPath("other", 0, "x")},
    "choices of paths": {"validation_alias": AliasChoices(AliasPath("other", 0), "another")},
}


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES.keys())
def test_an_aliased_field_is_filled(alias: Any) -> None:
    """A field gets its value where pydantic looks for it, whichever way it is aliased."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"] = Field(**alias)

    assert Settings().token == "from vault"


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES.keys())
@pytest.mark.parametrize("extra", ["allow", "forbid"])
def test_an_aliased_field_is_filled_whatever_is_to_become_of_extras(alias: Any, extra: Any) -> None:
    """Nothing is left over that a class which forbids extras would refuse."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(extra=extra, populate_by_name=True)
        token: Annotated[str, "vault:app#token"] = Field(**alias)

    assert Settings().token == "from vault"


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES.keys())
def test_an_alias_in_a_nested_model(alias: Any) -> None:
    """Nested fields have aliases too."""

    class Inner(BaseModel):
        token: Annotated[str, "vault:app#token"] = Field(**alias)

    class Settings(VaultSettings):
        inner: Inner

    assert Settings().inner.token == "from vault"


@pytest.mark.parametrize(
    ("alias", "name", "value"),
    [
        ("alias", "OTHER", "given"),
        ("choices", "OTHER", "given"),
        ("choices", "ANOTHER", "given"),
        ("path", "OTHER", '{"inner": "given"}'),
        ("path into a list", "OTHER", '["x", "given"]'),
        ("path into a list of objects", "OTHER", '[{"x": "given"}]'),
        ("choices of paths", "ANOTHER", "given"),
        ("choices of paths", "OTHER", '["given"]'),
    ],
)
def test_what_stands_under_an_alias_is_given(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, alias: str, name: str, value: str
) -> None:
    """A value in the environment under any of its names wins, and nothing is asked."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"] = Field(**ALIASES[alias])

    monkeypatch.setenv(name, value)
    assert Settings().token == "given"
    assert not app.requests


def test_by_name_and_by_alias(app: DevServer) -> None:
    """With ``populate_by_name`` an argument counts under either name."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(populate_by_name=True, extra="forbid")
        token: Annotated[str, "vault:app#token"] = Field(alias="other")

    assert (Settings(token="name").token, Settings(other="alias").token) == ("name", "alias")
    assert not app.requests


def test_a_nested_model_has_its_own_config(app: DevServer) -> None:
    """Whether a nested field counts by name is for its model to say."""

    class Inner(BaseModel):
        model_config = ConfigDict(populate_by_name=True, extra="forbid")
        token: Annotated[str, "vault:app#token"] = Field(alias="other")

    class Settings(VaultSettings):
        inner: Inner

    assert Settings(inner={"token": "name"}).inner.token == "name"
    assert not app.requests
    assert Settings(inner={}).inner.token == "from vault"


def test_a_whole_object_is_read_by_the_aliases_of_its_model() -> None:
    """The keys in a secret are what the nested model calls its input."""

    class Inner(BaseModel):
        token: str = Field(alias="aliased")

    class Settings(VaultSettings):
        inner: Annotated[Inner, "vault:app"]

    assert Settings().inner.token == "by alias"


def test_the_prefix_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``env_prefix`` is part of a variable's name, not of the field's."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(env_prefix="APP_")
        token: Annotated[str, "vault:app#token"]
        other: Annotated[str, "vault:app#token"]

    monkeypatch.setenv("APP_TOKEN", "env")
    monkeypatch.setenv("OTHER", "not this one")
    assert Settings().model_dump() == {"token": "env", "other": "from vault"}


def test_case_counts_where_the_class_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``case_sensitive`` two fields may differ by case alone."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(case_sensitive=True)
        token: Annotated[str, "vault:app#token"]
        TOKEN: Annotated[str, "vault:app#TOKEN"]
        Other: Annotated[str, "vault:app#token"]

    monkeypatch.setenv("Other", "env")
    monkeypatch.setenv("OTHER", "not this one")
    assert Settings().model_dump() == {"token": "from vault", "TOKEN": "upper", "Other": "env"}


def test_an_upper_case_field_is_filled() -> None:
    """The case of a field's name is the class's, whatever the environment's is."""

    class Inner(BaseModel):
        TOKEN: Annotated[str, "vault:app#token"]

    class Settings(VaultSettings):
        TOKEN: Annotated[str, "vault:app#token"]
        Inner_: Inner

    settings = Settings()
    assert (settings.TOKEN, settings.Inner_.TOKEN) == ("from vault", "from vault")


def test_an_error_names_the_field_not_its_alias() -> None:
    """A failure is told by the dotted name that the class uses."""

    class Inner(BaseModel):
        token: Annotated[str, "vault:gone#token"] = Field(alias="other")

    class Settings(VaultSettings):
        inner: Inner = Field(validation_alias=AliasPath("x", 0))

    assert [failure.field for failure in unresolved(Settings).failures] == ["inner.token"]


@pytest.mark.parametrize("way", ["argument", "environment", "secrets directory", "another source"])
def test_a_path_into_a_text_from_the_vault(
    app: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """The text that a reference stands for is read as JSON, whichever source has it."""
    app.put("json", {"object": '{"inner": "from JSON"}', "text": "no JSON"})

    class Settings(VaultSettings):
        model_config = VaultConfigDict(secrets_dir=tmp_path)
        token: str = Field(validation_alias=AliasPath("other", "inner"))

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, **sources: Any) -> Any:
            return *sources.values(), lambda: others

    def load(reference: str) -> Settings:
        if way == "environment":
            monkeypatch.setenv("OTHER", reference)
        elif way == "secrets directory":
            (tmp_path / "other").write_text(reference)
        elif way == "another source":
            others["other"] = reference
        return Settings(other=reference) if way == "argument" else Settings()

    others: dict[str, Any] = {}
    assert load("vault:json#object").token == "from JSON"
    assert "is not a JSON object or list" in str(unresolved(lambda: load("vault:json#text")))
