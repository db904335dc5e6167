"""What is rejected as soon as a class is made, and what a default factory makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    Field,
    PydanticUserError,
    RootModel,
    SecretBytes,
    SecretStr,
    create_model,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import TypedDict

from tests.settings.loading import TOKEN, unresolved
from vaultconfig import VaultConfigDict, VaultRef, VaultSettings, VaultSettingsSource
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.checks import OPTIONS

pytestmark = pytest.mark.usefixtures("app")


def rejected(annotation: Any, default: Any = ..., **options: Any) -> str:
    """Return what is said when a class with a field ``x`` is made."""
    with pytest.raises(ConfigurationError) as caught:
        create_model("S", __base__=VaultSettings, x=(annotation, default), **options)
    return str(caught.value)


class Nested(BaseModel):
    inner: Annotated[SecretStr, "valut:app#token"]


class TestNearMisses:
    """A text in an annotation that is nearly a reference."""

    @pytest.mark.parametrize(
        "text", ["valut:app#key", "Vault:app#key", "vault//app#key", "app/db#key"]
    )
    @pytest.mark.parametrize(
        "annotate",
        [
            lambda text: Annotated[str, text],
            lambda text: Annotated[str | None, Field(min_length=1), text],
            lambda text: list[Annotated[str, text]],
            lambda text: dict[str, Annotated[str, text] | None],
        ],
    )
    def test_a_near_miss(self, annotate: Callable[[str], Any], text: str) -> None:
        """It is rejected with the field, the text and what was meant, though there is a default."""
        told = rejected(annotate(text), "dev-only")
        assert told.startswith(f"the annotation of x holds {text!r}")
        assert "write 'vault:" in told

    @pytest.mark.parametrize("text", ["vault:app#key", "vault:app#", "valut:app#key"])
    @pytest.mark.parametrize(
        "hold",
        [
            lambda text: (text, "note"),
            lambda text: [1, [text]],
            lambda text: {text},
            lambda text: frozenset({text}),
            lambda text: {"reference": text},
            lambda text: text.encode(),
            lambda text: Annotated[str, text],
        ],
    )
    def test_a_text_that_is_inside_of_something(
        self, hold: Callable[[str], object], text: str
    ) -> None:
        """A comma too many does not leave the field with its default."""
        told = rejected(Annotated[str, hold(text)], "dev-only")
        assert told.startswith(f"the annotation of x holds {hold(text)!r}, and nothing reads")

    @pytest.mark.parametrize(
        "text", ["default: 5 s", "value: 1 to 5", "acme/shop#42", "see docs/config#database"]
    )
    def test_prose(self, text: str) -> None:
        """Other texts mean nothing to us, and descriptions may say what they like."""

        class Settings(VaultSettings):
            one: Annotated[str, text, (text, 1), b"vault"] = "1"
            two: str = Field("2", description="valut:app#key", examples=["app/db#key"])
            three: Annotated[str, Field(description="vault:app#token")] = "3"

        assert Settings().model_dump() == {"one": "1", "two": "2", "three": "3"}

    def test_in_a_nested_model(self) -> None:
        """The field is named with the way to it."""
        told = rejected(list[Nested] | None, None)
        assert told.startswith("the annotation of x.inner holds 'valut:app#token'")

    @pytest.mark.filterwarnings("ignore:Field 'inner' has an incomplete definition")
    def test_in_a_class_that_is_completed_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A forward reference does not hide it; of one that leads nowhere pydantic tells."""

        class Forward(VaultSettings):
            inner: Later  # noqa: F821

        with pytest.raises(PydanticUserError, match="not fully defined"):
            Forward()
        monkeypatch.setitem(globals(), "Later", Nested)
        with pytest.raises(ConfigurationError, match=r"inner\.inner holds 'valut"):
            Forward()

    def test_with_a_deferred_build(self) -> None:
        """Nor does ``defer_build``."""
        config = VaultConfigDict(defer_build=True)
        with pytest.raises(ConfigurationError, match="nearly a reference"):

            class Settings(VaultSettings):
                model_config = config
                token: Annotated[str, "valut:app#key"] = ""

    def test_in_a_class_that_is_not_ours(self) -> None:
        """It is found when our source is made."""

        class Plain(BaseSettings):
            token: Annotated[str, "valut:app#key"] = ""

        with pytest.raises(ConfigurationError, match="nearly a reference"):
            VaultSettingsSource(Plain)


class Login(TypedDict, total=False):
    user: str
    password: Annotated[str, TOKEN]


class Pair(NamedTuple):
    user: str = ""
    password: Annotated[str, TOKEN] | None = None


class Root(RootModel[Annotated[str, TOKEN]]):
    pass


class Tree(TypedDict):
    branches: list[Tree]


class Foreign:
    token: Annotated[str, TOKEN]


class Mapped(dict[str, str]):
    token: Annotated[str, TOKEN]


class Model(BaseModel):
    token: Annotated[str, TOKEN] = ""


class Deep(TypedDict):
    models: list[Model]


class TestUnfillable:
    """A reference in a type that nothing fills."""

    @pytest.mark.parametrize("kind", [Login, Pair, Root, Deep, Mapped, RootModel[list[Model]]])
    @pytest.mark.parametrize("within", [lambda k: k, lambda k: k | None, lambda k: dict[str, k]])
    def test_it_is_rejected(self, kind: Any, within: Callable[[Any], Any]) -> None:
        """The field and the type are named, however deep it is."""
        told = rejected(within(kind), None)
        assert told.startswith("x.")
        assert f"a reference inside {kind.__qualname__} fills nothing" in told

    @pytest.mark.parametrize("kind", [list[list[Model]], dict[str, list[Model] | None]])
    def test_models_in_lists_of_lists(self, kind: Any) -> None:
        """The items of a list are filled, but not those of lists in it."""
        assert rejected(kind, None).startswith("x.token: a reference inside a list of lists")

    def test_a_malformed_one(self) -> None:
        """It is no excuse that the reference is malformed."""
        kind = TypedDict("kind", {"x": Annotated[str, "vault:/x"]})  # noqa: UP013  # a local one
        assert "fills nothing" in rejected(kind)

    def test_types_without_references(self) -> None:
        """All others are pydantic's business, and the vault may fill them as a whole."""

        class Plain(TypedDict):
            token: str

        class Settings(VaultSettings, arbitrary_types_allowed=True):
            whole: Annotated[Plain, "vault:app"]
            root: RootModel[list[int]] = RootModel[list[int]]([1])
            tree: Tree | None = None
            foreign: Foreign | None = None

        assert Settings().whole == {"token": "from vault"}


@dataclass
class Standard:
    token: str = TOKEN


@pydantic_dataclass
class Pydantic:
    token: str = TOKEN


@dataclass
class Unset:
    later: str = field(init=False)


class Loaded(BaseSettings):
    token: Annotated[str, TOKEN]


class Inside(BaseModel):
    token: SecretStr = SecretStr(TOKEN)


class Text(BaseModel):
    token: str


class TestDefaults:
    """A default is no source: a reference there would be passed on as text."""

    @pytest.mark.parametrize(
        ("annotation", "default"),
        [
            (str, TOKEN),
            (str, VaultRef(TOKEN)),
            (SecretStr, SecretStr(TOKEN)),
            (list[str], ["x", TOKEN]),
            (dict[str, Any], {"a": {"b": (TOKEN,)}}),
            (str, "x-${vault:app#token}"),
            (Text, Text(token=TOKEN)),
            (Annotated[str, TOKEN], TOKEN),
            (Any, Standard()),
        ],
    )
    def test_of_the_class(self, annotation: Any, default: Any) -> None:
        """Whatever it is wrapped in."""
        told = rejected(annotation, default)
        assert told.startswith("a reference stands as the default of x, where nothing resolves it")

    def test_what_to_write_instead(self) -> None:
        """The reference where it should be; a template may hold a password beside it."""
        assert rejected(str, TOKEN).endswith(f"write x: Annotated[…, {TOKEN!r}] instead")
        told = rejected(str, f"canary-${{{TOKEN}}}")
        assert told.endswith("write x: Annotated[…, '${vault:…}'] instead")

    @pytest.mark.parametrize("kind", [Standard, Pydantic, Inside])
    def test_of_a_nested_model(self, kind: Any) -> None:
        """Models and dataclasses are no exception."""
        assert "the default of x.token" in rejected(kind, None)

    def test_a_field_for_references(self) -> None:
        """A `VaultRef` is a value like any other where the field takes one."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(arbitrary_types_allowed=True)
            x: VaultRef = VaultRef(TOKEN)

        assert str(Settings.model_fields["x"].default) == TOKEN

    def test_objects_that_refer_to_each_other(self) -> None:
        """A default may go round in circles."""
        circle: list[Any] = ["x"]
        circle.append(circle)

        class Settings(VaultSettings):
            x: Any = circle

        assert Settings.model_fields["x"].default is circle
        circle.append(TOKEN)
        assert "the default of x" in rejected(Any, circle)

    def test_literals(self) -> None:
        """What is no reference, or escaped, is a default like any other."""

        class Settings(VaultSettings):
            prefix: str = "vault:"
            escaped: SecretStr = SecretStr("vault::x")
            ciphertext: str = "vault:v1:abc"
            raw: bytes = b"\xff"
            kind: Any = Standard  # which is not made yet
            unset: Any = Unset()
            loaded: Any = Loaded(token=TOKEN)  # what a load has made is no reference any more

        assert Settings().prefix == "vault:"


def made() -> str:
    return TOKEN


@dataclass
class StandardMaking:
    tags: list[str] = field(default_factory=lambda: [TOKEN])


class Making(BaseModel):
    token: str = Field(default_factory=made)


@dataclass
class AnnotatedMaking:
    token: Annotated[str, Field(default_factory=made)]


@dataclass(slots=True)
class SlottedMaking:
    token: Annotated[str, Field(default_factory=made)]


@pydantic_dataclass
class PydanticMaking:
    token: str = Field(default_factory=made)


class TestFactories:
    """What a default factory makes is known only when it has run."""

    @pytest.mark.parametrize(
        ("annotation", "given", "name"),
        [
            *[
                (kind, {}, "x.token")
                for kind in (Making, AnnotatedMaking, SlottedMaking, PydanticMaking)
            ],
            *[(kind, [{}], "x.0.token") for kind in (list[Making], tuple[Making, ...])],
            (dict[str, Making], {"a": {}}, "x.a.token"),
        ],
    )
    def test_inside_what_is_given(self, annotation: Any, given: Any, name: str) -> None:
        """Wherever pydantic finds the factory, in each kind of class."""
        field = (annotation, Field(default_factory=dict))
        settings = create_model("Settings", __base__=VaultSettings, x=field)
        error = unresolved(lambda: settings(x=given))
        assert [failure.field for failure in error.failures] == [name]

    def test_a_deprecated_field_is_not_read(self) -> None:
        """That would warn of the application's own settings, which it has not asked for."""

        class Settings(VaultSettings):
            old: str = Field("x", deprecated="use new")
            new: list[str] = Field(default_factory=list)

        assert Settings().new == []

    def test_a_reference(self) -> None:
        """The load fails, and names the fields."""

        class Settings(VaultSettings):
            a: str = Field(default_factory=made)
            b: SecretStr = Field(default_factory=lambda data: SecretStr(f"<${{{made()}}}>"))
            c: Making
            d: StandardMaking
            e: list[Making] = Field(default_factory=lambda: [Making()])
            f: str = Field(default_factory=lambda: "plain")

        error = unresolved(lambda: Settings(c={}, d={}))
        names = [failure.field for failure in error.failures]
        assert names == ["a", "b", "c.token", "d.tags", "e"]
        assert "its default factory returns a reference" in str(error)

    def test_what_a_source_gives(self, app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret or a literal that looks like a reference was not made by the factory."""
        app.put("odd", {"ref": TOKEN})
        monkeypatch.setenv("LITERAL", "vault::app#token")

        class Settings(VaultSettings):
            odd: Annotated[str, "vault:odd#ref"] = Field(default_factory=str)
            literal: str = Field(default_factory=str)
            inner: Making
            ready: Making
            mapping: dict[str, str]
            unset: Unset

            @model_validator(mode="after")
            def set_here(self) -> Self:
                self.by_validator = TOKEN
                return self

            by_validator: str = ""

        ready = Making(token="ready")
        inner = {"token": "vault::app#token"}
        settings = Settings(inner=inner, ready=ready, mapping={"a": "b"}, unset={})
        assert (settings.ready, settings.by_validator) == (ready, TOKEN)
        assert settings.odd == settings.literal == settings.inner.token == TOKEN


class TestOptions:
    """Keys of ``model_config`` that begin with ``vault_``."""

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"vault_fallbak": "never"}, "vault_fallbak .* write vault_fallback"),
            ({"vault_env": "x"}, "vault_env .* write vault_environment"),
            ({"vault_fallback": "sometimes"}, "expected 'development' or 'always' or 'never'"),
            ({"vault_fallback": None}, "vault_fallback has a wrong value"),
            ({"vault_fallback": ["never"]}, "vault_fallback has a wrong value"),
            ({"vault_environment": 1}, "vault_environment has a wrong value: expected a name"),
            ({"vault_environment": "Dev"}, "would ship to production"),
            ({"vault_variables": "region"}, "vault_variables has a wrong value"),
            ({"vault_variables": {"shard": 3}}, "vault_variables has a wrong value"),
            ({"vault_resolve_values": "no"}, "expected True or False"),
            ({"vault_store": 1}, "vault_store has a wrong value: expected file:DIRECTORY"),
            ({"vault_application": 1}, "vault_application has a wrong value: expected a name"),
        ],
    )
    def test_a_wrong_one(self, options: Any, told: str) -> None:
        """It is rejected in a class, as a class keyword, inherited, and with our source alone."""
        with pytest.raises(ConfigurationError, match=told):

            class InConfig(VaultSettings):
                model_config = VaultConfigDict(**options)

        with pytest.raises(ConfigurationError, match=told):

            class AsKeyword(VaultSettings, **options):
                pass

        class Plain(BaseSettings):
            model_config = SettingsConfigDict(**options)

        with pytest.raises(ConfigurationError, match=told):
            VaultSettingsSource(Plain)

    def test_a_key_that_is_none(self) -> None:
        """It counts as one that is not there."""

        class Settings(VaultSettings, vault_environment=None, vault_store=None):
            token: Annotated[str, TOKEN]

        assert Settings().token == "from vault"

    def test_class_keywords(self) -> None:
        """They count, beside pydantic's own, over ``model_config``, and are inherited."""

        class Settings(
            VaultSettings, env_prefix="X_", vault_variables={"path": "app"}, vault_fallback="never"
        ):
            model_config = VaultConfigDict(vault_fallback="always", frozen=True)
            token: Annotated[str, "vault:{path}#token"]

        class Derived(Settings, vault_resolve_values=False):
            pass

        assert Settings().token == Derived().token == "from vault"
        assert Derived.model_config["vault_fallback"] == "never"
        assert Derived.model_config["env_prefix"] == "X_"
        assert VaultSettings.model_config["vault_fallback"] == "development"

    def test_fields_of_the_users_own(self) -> None:
        """A field may begin with ``vault_``."""

        class Settings(VaultSettings):
            vault_address: str = "x"

        assert Settings().vault_address == "x"

    def test_the_keys_are_those_of_the_type(self) -> None:
        """What type checkers know is what is accepted."""
        assert set(OPTIONS) == {
            name for name in VaultConfigDict.__annotations__ if name.startswith("vault_")
        }


@pytest.mark.parametrize("name", ["_vault_enviroment", "_env_fil", "_anything"])
def test_an_argument_that_does_not_exist(name: str) -> None:
    """Misspelt, it would be ignored, and production's secrets read in its place."""

    class Settings(VaultSettings):
        debug: bool = False

    with pytest.raises(ConfigurationError, match=f"Settings has no argument {name}: write _"):
        Settings(**{name: "staging"})


def test_an_alias_may_begin_so() -> None:
    """A field's own name for its value is no option."""

    class Settings(VaultSettings):
        identity: str = Field(alias="_id")

    assert Settings(_id="x").identity == "x"


@pytest.mark.parametrize("name", ["vautl_fallback", "valut_fallback", "vault_fallbak"])
def test_a_key_that_is_misspelt_anywhere(name: str) -> None:
    """Also where the letters of ``vault_`` are mixed up."""
    with pytest.raises(ConfigurationError, match=f"{name} is not a key .*: write vault_fallback"):

        class Settings(VaultSettings):
            model_config = VaultConfigDict(**{name: "never"})  # type: ignore[typeddict-item,misc]


@pytest.mark.parametrize(
    "name",
    ["default_environment", "default_variables", "my_vault_environment", "vaults_directory"],
)
def test_a_key_of_the_application(name: str) -> None:
    """A configuration may have keys of its own, which only look a little like ours."""

    class Settings(VaultSettings):
        model_config = VaultConfigDict(**{name: "x"})  # type: ignore[typeddict-item,misc]

    assert Settings.model_config.get(name) == "x"


class Base(BaseModel):
    host: str = "h"


class Special(Base):
    token: Annotated[str, "vault:app#token"] = "default"


class Other(BaseModel):
    token: Annotated[str, "vault:app#token"]


class Outer(BaseModel):
    inner: Special


class Beside(Other):
    host: str = "h"


class Mixed(BaseModel):
    inner: Beside


class Endless(BaseModel):
    token: Annotated[str, "vault:app#token"]
    more: Endless


@pytest.mark.parametrize(
    "default",
    [
        b"vault:app#x",
        Path("vault:app#x"),
        SecretBytes(b"vault:app#x"),
        AnyUrl("https://h/${vault:app#x}"),
    ],
)
def test_a_default_that_was_made_of_a_reference(default: Any) -> None:
    """Whatever holds the text, nothing resolves it."""
    assert "the default of x" in rejected(Any, default)


@pytest.mark.parametrize("default", [Special(), Field(default_factory=Special)])
@pytest.mark.parametrize("annotation", [Base, Any, Base | None])
def test_a_default_of_a_class_that_no_annotation_shows(annotation: Any, default: Any) -> None:
    """Its references would fill nothing."""
    told = rejected(annotation, default)
    assert told.startswith("x: its default is a Special, which the vault can't fill: annotate")


@pytest.mark.parametrize("annotation", [Base, Any])
def test_a_default_that_the_vault_is_not_to_fill(annotation: Any) -> None:
    """It may be of any class, and a settings class fills itself."""

    class Derived(Base):
        size: int = 1

    class Own(BaseSettings, Base):
        token: Annotated[str, "vault:app#token"]

    for default in (Derived(), Own(token="t")):
        create_model("S", __base__=VaultSettings, x=(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Special | Other, ...),
        (Special | Other | None, None),
        (list[Special | Other], ...),
        (Outer | Other, ...),
        (Other | Endless, Other(token="t")),
        (Other | Endless, Field(default_factory=Other)),
    ],
)
def test_a_union_without_a_tag(annotation: Any, default: Any) -> None:
    """Nobody can tell which references to read; a default may not stand in without a word."""
    assert "give the union a discriminator" in rejected(annotation, default)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        *[(kind, ...) for kind in (Other | Endless, Other | Endless | None, Special | str)],
        (Mixed | Other, ...),
        (list[Other | Endless], []),
        (Base | Text, Base()),
    ],
)
def test_a_union_that_runs_on_no_default(annotation: Any, default: Any) -> None:
    """Where only other sources can give what has a reference, pydantic says what is missing."""
    create_model("S", __base__=VaultSettings, x=(annotation, default))
