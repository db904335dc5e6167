"""References and templates in annotations: where they may stand, and what they give."""

import pickle
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Generic, Optional, TypeVar

import pytest
from pydantic import BaseModel, Field, Json, SecretStr
from pydantic_settings import NoDecode
from typing_extensions import TypeAliasType

from tests.settings.loading import Asked, reasons, unresolved
from vaultconfig import VaultConfigDict, VaultRef, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, InvalidReferenceError

Item = TypeVar("Item")
Token = TypeAliasType("Token", Annotated[SecretStr, "vault:app#token"])
Of = TypeAliasType("Of", Annotated[Item, "vault:app#token"], type_params=(Item,))


@pytest.fixture
def app(vault_env: DevServer) -> DevServer:
    """A vault with one secret, ``app``."""
    data = {"token": "t0ken-abcdef", "port": 5432, "on": True, "deep": {"a/b": ["x", "y-deep"]}}
    vault_env.put("app", {**data, "json": '{"user": "u", "tags": ["a"]}', "list": "[1, 2]"})
    return vault_env


def test_a_plain_string_in_the_metadata_is_a_reference(app: DevServer) -> None:
    """A string that begins with ``vault:`` fills the field, among metadata that is not ours."""

    class Names(StrEnum):
        PORT = "vault:app#port"

    class Settings(VaultSettings):
        token: Annotated[str, "a note", "vault:app#token", Field(min_length=3)]
        port: Annotated[int, Names.PORT]
        on: Annotated[bool, "vault:app#on"]

    settings = Settings()
    assert (settings.token, settings.port, settings.on) == ("t0ken-abcdef", 5432, True)


def test_other_strings_in_the_metadata_are_not_ours(vault: DevServer) -> None:
    """A string that is neither a reference nor a template means nothing to us."""

    class Settings(VaultSettings):
        one: Annotated[str, "a vault: of gold"] = "1"
        two: Annotated[str, "${HOME}"] = "2"
        three: Annotated[str, "vault:v1:ciphertext"] = "3"

    assert Settings().model_dump() == {"one": "1", "two": "2", "three": "3"}
    assert not vault.requests


def test_a_malformed_reference_object_fails_where_it_is_written() -> None:
    """``VaultRef`` is checked when the class is made."""
    with pytest.raises(InvalidReferenceError, match="column"):

        class Settings(VaultSettings):
            token: Annotated[str, VaultRef("vault:app#")]


def test_a_malformed_string_fails_with_the_load(app: DevServer) -> None:
    """A malformed string is one of the settings that could not be resolved, named by its field."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token"]
        wrong: Annotated[str, "vault:/app#token"]

    assert reasons(Settings) == {"wrong": "InvalidReferenceError"}


def test_a_reference_object_brings_its_options(app: DevServer, asked: Asked) -> None:
    """A version given to ``VaultRef`` pins it; the pin is a read of its own."""
    app.put("app", {"token": "second-token"})

    class Settings(VaultSettings):
        old: Annotated[str, VaultRef("vault:app#token", version=1, ttl=60)]
        new: Annotated[str, VaultRef("vault:app#token")]

    settings = Settings()
    assert (settings.old, settings.new) == ("t0ken-abcdef", "second-token")
    assert asked() == [("GET", ("app",)), ("GET", ("app",))]
    assert sorted(request.query.get("version", "") for request in app.requests) == ["", "1"]


class Optionals(VaultSettings):
    inside: Optional[Annotated[str, "vault:app#token"]] = None  # noqa: UP045  # the old spelling
    outside: Annotated[Optional[str], "vault:app#token"] = None  # noqa: UP045  # likewise
    piped: Annotated[str, "vault:app#token"] | None = None
    alias: Token
    optional_alias: Token | None = None
    generic_alias: Of[str]
    annotated_alias: Annotated[Token, Field(description="…")]


def test_optional_and_aliases_are_walked_through(app: DevServer) -> None:
    """A reference counts inside and outside ``Optional``, and in PEP 695 aliases."""
    values = [
        value.get_secret_value() if isinstance(value, SecretStr) else value
        for value in Optionals().model_dump().values()
    ]
    assert values == ["t0ken-abcdef"] * len(Optionals.model_fields)


def test_two_references_on_one_field_are_an_error(app: DevServer) -> None:
    """A field has one reference."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app#token", "vault:other#token"]

    assert "two references" in str(unresolved(Settings))


def test_a_reference_on_the_items_of_a_list_is_an_error(app: DevServer) -> None:
    """Nothing could be filled by it, so it is not passed over in silence."""

    class Settings(VaultSettings):
        tokens: list[Annotated[str, "vault:app#token"]]

    assert "annotate the field itself" in str(unresolved(Settings))


def test_a_json_pointer_reaches_into_nested_data(app: DevServer) -> None:
    """A field that begins with a slash is an RFC 6901 pointer."""

    class Settings(VaultSettings):
        deep: Annotated[str, "vault:app#/deep/a~1b/1"]

    assert Settings().deep == "y-deep"


def test_without_a_field_it_is_the_whole_object(app: DevServer) -> None:
    """A reference without ``#`` fills models and mappings."""

    class App(BaseModel):
        token: SecretStr
        port: int

    class Settings(VaultSettings):
        model: Annotated[App, "vault:app"]
        mapping: Annotated[dict[str, Any], "vault:app"]
        anything: Annotated[Any, "vault:app"]

    settings = Settings()
    assert settings.model == App(token=SecretStr("t0ken-abcdef"), port=5432)
    assert settings.mapping["deep"] == settings.anything["deep"] == {"a/b": ["x", "y-deep"]}


def test_a_scalar_needs_a_field_named(app: DevServer) -> None:
    """On a scalar field a missing ``#`` is an error that lists the keys there are."""

    class Settings(VaultSettings):
        token: Annotated[str, "vault:app"]

    assert "it has deep, json, list, on, port, token" in str(unresolved(Settings))


def test_a_template_inserts_values(app: DevServer) -> None:
    """A template takes values as they are, or quoted for a URL; ``$${`` is a literal."""
    app.put("db", {"user": "us er", "password": "p@ss/wörd"})

    class Settings(VaultSettings):
        url: Annotated[
            SecretStr,
            "postgresql://${vault:db#user}:${vault:db#password|urlquote}@db:${vault:app#port}/$${x}",
        ]

    assert Settings().url.get_secret_value() == "postgresql://us er:p%40ss%2Fw%C3%B6rd@db:5432/${x}"


def test_a_template_takes_single_values_only(app: DevServer) -> None:
    """An object in a template is an error that says so."""

    class Settings(VaultSettings):
        one: Annotated[str, "x${vault:app}"]
        two: Annotated[str, "x${vault:app#deep}"]

    assert reasons(Settings) == {"one": "FieldNotFoundError", "two": "SecretError"}


def test_what_comes_out_of_the_vault_is_never_resolved_again(app: DevServer, asked: Asked) -> None:
    """A secret that looks like a reference is a text like any other."""
    app.put("tricky", {"ref": "vault:app#token", "template": "${vault:app#token}", "{x}": "${x}"})

    class Settings(VaultSettings):
        ref: Annotated[str, "vault:tricky#ref"]
        template: Annotated[str, "<${vault:tricky#template}>"]
        whole: Annotated[dict[str, str], "vault:tricky"]

    settings = Settings()
    assert settings.ref == "vault:app#token"
    assert settings.template == "<${vault:app#token}>"
    assert settings.whole["template"] == "${vault:app#token}"
    assert asked() == [("GET", ("tricky",))]


class Credentials(BaseModel):
    user: str
    tags: list[str]


def test_json_text_is_decoded_where_the_field_is_complex(app: DevServer) -> None:
    """A text in a secret is JSON for a list or a model, as pydantic-settings has it for env."""

    class Settings(VaultSettings):
        model: Annotated[Credentials, "vault:app#json"]
        items: Annotated[list[int], "vault:app#list"]
        maybe: Annotated[Credentials | str, "vault:app#json"]
        text: Annotated[Credentials | str, "vault:app#token"]
        asis: Annotated[str, "vault:app#json"]
        strict: Annotated[Json[list[int]], "vault:app#list"]
        template: Annotated[Credentials, '{"user": "${vault:app#token}", "tags": []}']

    settings = Settings()
    assert settings.model == settings.maybe == Credentials(user="u", tags=["a"])
    assert settings.items == settings.strict == [1, 2]
    assert (settings.text, settings.asis[:1]) == ("t0ken-abcdef", "{")
    assert settings.template.user == "t0ken-abcdef"


def test_no_decode_leaves_json_text_alone(app: DevServer) -> None:
    """``NoDecode``, and ``enable_decoding=False``, hold for the vault too."""

    class Settings(VaultSettings):
        items: Annotated[list[str] | str, NoDecode, "vault:app#list"]

    class Undecoded(VaultSettings):
        model_config = VaultConfigDict(enable_decoding=False)
        items: Annotated[list[str] | str, "vault:app#list"]

    assert Settings().items == Undecoded().items == "[1, 2]"


def test_text_that_is_no_json_is_an_error_without_the_text(app: DevServer) -> None:
    """A complex field that gets plain text says so, and doesn't quote it."""

    class Settings(VaultSettings):
        items: Annotated[list[str], "vault:app#token"]

    told = str(unresolved(Settings))
    assert "not a JSON object or list" in told
    assert "t0ken" not in told


class Page(BaseModel, Generic[Item]):
    item: Annotated[Item, "vault:app#token"]


class Base(VaultSettings):
    token: Annotated[str, "vault:app#token"]
    port: Annotated[int, "vault:app#port"]


def test_inheritance_keeps_and_overrides_references(app: DevServer) -> None:
    """A subclass has its parent's references, but for the fields it declares itself."""

    class Settings(Base):
        port: int = 1

    settings = Settings()
    assert (settings.token, settings.port) == ("t0ken-abcdef", 1)


def test_generic_models_carry_references(app: DevServer) -> None:
    """A reference in a generic model is there in each of its forms."""

    class Settings(VaultSettings):
        text: Page[str]
        secret: Page[SecretStr]

    settings = Settings()
    assert settings.text.item == settings.secret.item.get_secret_value() == "t0ken-abcdef"


@dataclass
class Database:
    password: Annotated[str, "vault:app#token"]
    host: str = "localhost"
    tags: list[str] = field(default_factory=list)


def test_dataclasses_nest(app: DevServer) -> None:
    """The fields of a standard dataclass may carry references."""

    class Settings(VaultSettings):
        db: Database

    assert Settings().db == Database("t0ken-abcdef")


def test_an_inner_reference_wins_over_the_outer_object(app: DevServer) -> None:
    """What a field of a nested model says of itself is more exact than what holds for it all."""

    class Settings(VaultSettings):
        db: Annotated[Database, "vault:whole"]

    app.put("whole", {"password": "not this one", "host": "db"})
    assert Settings().db == Database("t0ken-abcdef", "db")


def test_a_dataclass_that_can_t_be_read_is_an_error(app: DevServer) -> None:
    """Rather than to pass over a reference in it, we say where the dataclass has to be."""

    class Hidden(BaseModel):
        pass

    @dataclass
    class Legacy:
        hidden: "Annotated[Hidden | None, 'vault:app']" = None

    with pytest.raises(ConfigurationError, match=r"Legacy.hidden can't be read .*'Hidden'"):

        class Settings(VaultSettings):
            legacy: Legacy


def test_a_dataclass_that_can_t_be_read_and_is_not_ours(app: DevServer) -> None:
    """What only its function knows is left to pydantic where no reference stands beside it."""

    class Hidden(BaseModel):
        name: str

    @dataclass
    class Legacy:
        token: "Annotated[str, 'vault:app#token']"
        hidden: "Hidden | None" = None

    class Settings(VaultSettings):
        legacy: Legacy

    settings = Settings(legacy={"hidden": {"name": "x"}})
    assert settings.legacy == Legacy("t0ken-abcdef", Hidden(name="x"))


class Late(VaultSettings):
    inner: "LateInner"


class LateInner(BaseModel):
    token: Annotated[str, "vault:app#token"]


def test_forward_references_resolve(app: DevServer) -> None:
    """A class that could not be completed when it was made is, before its first load."""
    assert Late().inner.token == "t0ken-abcdef"


def test_settings_can_be_copied_and_pickled(app: DevServer) -> None:
    """Copies and pickles are plain settings with the same values, and ask nothing."""
    settings = Base()
    asked_before = len(app.requests)
    for other in (settings.model_copy(deep=True), pickle.loads(pickle.dumps(settings))):
        assert other == settings
        assert type(other.token) is str
        assert "t0ken" not in repr(other)
    assert len(app.requests) == asked_before
