"""Nested models: defaults, lists, mappings, and the unions they may be chosen from."""

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal

import pydantic_settings
import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tests.settings.loading import Asked, reasons, unresolved
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError
from vaultconfig.inspection import gather


@pytest.fixture(autouse=True)
def app(vault_env: DevServer) -> DevServer:
    vault_env.put("db", {"password": "db password"})
    vault_env.put("queue", {"password": "queue password"})
    return vault_env


class Db(BaseModel):
    kind: Literal["db"] = "db"
    host: str = "localhost"
    password: Annotated[str, "vault:db#password"]


class Queue(BaseModel):
    kind: Literal["queue"] = "queue"
    topic: str = "all"
    password: Annotated[str, "vault:queue#password"]


class TestDefaults:
    """The default instance of a nested model is filled in part."""

    def test_the_other_fields_of_a_default_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The vault replaces what carries a reference, the rest is the default's."""

        class Settings(VaultSettings):
            db: Db = Db(host="from default", password="to be replaced")

        assert Settings().db == Db(host="from default", password="db password")

    @pytest.mark.parametrize("is_made", [False, True])
    def test_the_other_fields_of_a_mapping_stay(self, is_made: bool) -> None:
        """A default may be the input of the model, as pydantic-settings validates it."""
        given = {"host": "from default"}

        class Settings(VaultSettings):
            db: Db = Field(default_factory=lambda: given) if is_made else given  # type: ignore[assignment]

        assert Settings().db == Db(host="from default", password="db password")

    def test_a_tag_in_a_mapping(self) -> None:
        """A default that is a mapping tells which model it is."""

        class Settings(VaultSettings):
            backend: Db | Queue = Field({"kind": "queue", "topic": "some"}, discriminator="kind")  # type: ignore[assignment]

        assert Settings().backend == Queue(topic="some", password="queue password")

    @pytest.mark.parametrize("is_inside", [False, True])
    @pytest.mark.parametrize(
        ("annotation", "default"),
        [
            (list[Db], [Db(host="a", password="to be replaced")]),
            (list[Db], [{"host": "a"}]),
            (tuple[Db, ...], (Db(host="a", password="to be replaced"),)),
            (dict[int, Db], {0: Db(host="a", password="to be replaced")}),
        ],
    )
    def test_the_items_of_a_default(self, annotation: Any, default: Any, is_inside: bool) -> None:
        """The vault replaces what carries a reference in them too, and never runs on a stand-in."""
        inner = create_model("Inner", dbs=(annotation, default))
        of_inner = (inner, inner.model_construct(dbs=default))
        model = create_model(
            "Model", __base__=VaultSettings, dbs=of_inner if is_inside else (annotation, default)
        )
        settings: Any = model()
        dbs = settings.dbs.dbs if is_inside else settings.dbs
        assert dbs[0] == Db(host="a", password="db password")

    def test_the_items_of_a_default_fail_alone(self, app: DevServer) -> None:
        """What the vault lacks for an item is an error, as for any other field."""
        app.delete("db")

        class Settings(VaultSettings):
            dbs: list[Db] = [Db(password="stands in")]  # noqa: RUF012  # pydantic copies it

        assert set(reasons(Settings)) == {"dbs.0.password"}

    def test_items_that_contain_their_own_class(self) -> None:
        """A default that begins anew inside of itself has an end."""

        class Node(BaseModel):
            password: Annotated[str, "vault:db#password"]
            nodes: "list[Node]" = [{}]  # type: ignore[list-item]

        class Settings(VaultSettings):
            node: Node

        assert Settings().node.password == "db password"

    def test_a_variable_takes_the_place_of_a_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the environment gives in part replaces a default, as in pydantic-settings."""

        class Inner(BaseModel):
            db: Db
            port: int = 1
            user: str = "u"

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            inner: Inner = Inner(db=Db(host="from default", password=""), port=2, user="def")

        monkeypatch.setenv("INNER__USER", "env")
        inner = Settings().inner
        assert inner == Inner(db=Db(password="db password"), port=1, user="env")

    def test_the_class_is_left_alone(self) -> None:
        """Loading changes neither the default nor what it holds."""
        default = Db(password="to be replaced")

        class Settings(VaultSettings):
            db: Db = default

        assert Settings().db.password == "db password"
        assert default.password == "to be replaced"

    def test_several_fields_of_one_default(self) -> None:
        """Of a default with several references each is filled, or left, for itself."""

        class Several(BaseModel):
            one: Annotated[str, "vault:db#password"]
            two: Annotated[str, "vault:queue#password"]
            three: Annotated[str, "vault:gone?optional#password"]
            four: str

        class Settings(VaultSettings):
            several: Several = Several(one="1", two="2", three="3", four="4")

        assert Settings().several == Several(
            one="db password", two="queue password", three="3", four="4"
        )

    def test_a_default_of_a_dataclass(self) -> None:
        """A dataclass's default instance is no different."""

        @dataclass
        class Inner:
            password: Annotated[str, "vault:db#password"]
            host: str = "h"

        class Settings(VaultSettings):
            inner: Inner = Inner("x", "from default")

        assert Settings().inner == Inner("db password", "from default")

    def test_a_default_factory_is_kept_too(self) -> None:
        """What a factory makes is a default like any other; a class is filled, not called."""

        class Settings(VaultSettings):
            db: Db = Field(default_factory=lambda: Db(host="from factory", password=""))
            other: Db = Field(default_factory=Db)  # which would lack its password

        settings = Settings()
        assert settings.db == Db(host="from factory", password="db password")
        assert settings.other == Db(password="db password")

    def test_what_a_dataclass_makes_itself(self) -> None:
        """It is no part of the input that a default is made from."""

        @pydantic_dataclass(config=ConfigDict(extra="forbid"))
        class Made:
            password: Annotated[str, "vault:db#password"]
            host: str = "h"
            made: int = Field(default=3, init=False)

        class Settings(VaultSettings):
            made: Made = Made(password="", host="x")

        assert Settings().made == Made(password="db password", host="x")

    def test_a_default_factory_takes_what_the_vault_says(self, asked: Asked) -> None:
        """It is called once that is there, and validated as the class says."""

        class Settings(VaultSettings):
            host: Annotated[str, AfterValidator(str.upper), "vault:db#password"]
            db: Db = Field(default_factory=lambda d: Db(host=d["host"], password=""))
            other: Db | None = Field(default_factory=lambda d: Db(host=d["host"], password=""))

        settings = Settings()
        assert settings.db == settings.other == Db(host="DB PASSWORD", password="db password")
        assert len(asked()) == 1

    @pytest.mark.parametrize(
        "annotation",
        [
            Queue,
            Queue | None,
            Annotated[Db | Queue, Field(discriminator="kind")],
            Annotated[Db | Queue, Field(discriminator="kind")] | None,
            Annotated[
                Annotated[Db, Tag("db")] | Annotated[Queue, Tag("queue")],
                Discriminator(lambda value: value["kind"]),
            ],
        ],
    )
    def test_a_class_as_the_default_factory(self, annotation: Any) -> None:
        """It says which model there is, and is filled, whatever else the field could be."""
        field = (annotation, Field(default_factory=Queue))
        settings = create_model("Settings", __base__=VaultSettings, backend=field)()
        assert settings.backend == Queue(password="queue password")  # type: ignore[attr-defined]

    def test_what_is_extra_in_a_default(self) -> None:
        """It stays beside what the vault fills."""

        class Loose(Db, extra="allow"):
            inner: Db = Db(password="")

        class Settings(VaultSettings):
            loose: Loose = Loose(password="", spare="extra", inner={"password": "", "host": "x"})

        loose = Settings().loose
        assert loose.model_extra == {"spare": "extra"}
        assert loose.inner == Db(host="x", password="db password")

    @pytest.mark.parametrize("is_inside", [False, True])
    def test_a_default_of_another_class(self, is_inside: bool) -> None:
        """What a factory makes of a class that no annotation has would come out as another one."""

        class Special(Db):
            more: int = 1

        class Inner(BaseModel):
            db: Db

        class Settings(VaultSettings):
            db: Db = Field(default_factory=lambda: Special(password=""))

        class Outer(VaultSettings):
            inner: Inner = Field(default_factory=lambda: Inner(db=Special(password="")))

        error = unresolved(Outer if is_inside else Settings)
        assert "its default is a Special" in str(error)

    def test_a_default_factory_takes_what_validators_made(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Validators of the class count, with what they are told; what they reject ends it."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_prefix="app_", extra="forbid")
            first: str = Field("first", alias="one", validate_default=True)
            name: str
            db: Db = Field(default_factory=lambda data: Db(host=data["name"], password=""))

            @field_validator("first", "name")
            @classmethod
            def check(cls, value: str, info: ValidationInfo) -> str:
                if value == "wrong":
                    raise ValueError("it is wrong")
                return f"{info.field_name}{sorted(info.data)}{value}"

        monkeypatch.setenv("APP_NAME", "x")
        settings = Settings()
        assert settings.name == settings.db.host == "name['first']x"
        assert settings.db.password == "db password"
        monkeypatch.setenv("APP_NAME", "wrong")
        with pytest.raises(ValidationError, match="it is wrong"):
            Settings()

    def test_a_default_factory_beside_a_class_that_pydantic_does_not_know(self) -> None:
        """What is given for that goes to the factory as it is."""

        class Thing:
            pass

        class Settings(VaultSettings):
            model_config = VaultConfigDict(arbitrary_types_allowed=True)
            thing: Thing
            db: Db = Field(
                default_factory=lambda d: Db(host=type(d["thing"]).__name__, password="")
            )

        assert Settings(thing=Thing()).db.host == "Thing"

    def test_a_default_factory_is_not_called_without_what_it_takes(self) -> None:
        """What is missing is told as such, and not by an exception of the factory's."""

        class Settings(VaultSettings):
            host: Annotated[str, "vault:nowhere#host"]
            db: Db = Field(default_factory=lambda d: Db(host=d["host"].lower(), password=""))

        assert reasons(Settings) == {"host": "SecretNotFoundError"}

    def test_partial_updates_by_pydantic_settings_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``nested_model_default_partial_update`` gives the same."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(
                env_nested_delimiter="__", nested_model_default_partial_update=True
            )
            db: Db = Db(host="from default", password="to be replaced")

        assert Settings().db == Db(host="from default", password="db password")
        monkeypatch.setenv("DB__HOST", "env")
        assert Settings().db == Db(host="env", password="db password")


class TestMany:
    """The items of lists and the values of mappings are models of their own."""

    def test_items_that_are_given_are_filled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each item that another source gives gets its references filled."""

        class Settings(VaultSettings):
            dbs: list[Db] = []  # noqa: RUF012  # pydantic copies it
            named: dict[str, Db] = {}  # noqa: RUF012  # likewise
            pair: tuple[Db, ...] = ()

        monkeypatch.setenv("DBS", '[{"host": "a"}, {"host": "b", "password": "own"}]')
        monkeypatch.setenv("NAMED", '{"x": {"host": "c"}}')
        settings = Settings(pair=[{"host": "d"}])
        assert [(db.host, db.password) for db in settings.dbs] == [
            ("a", "db password"),
            ("b", "own"),
        ]
        assert settings.named == {"x": Db(host="c", password="db password")}
        assert settings.pair == (Db(host="d", password="db password"),)

    def test_items_that_are_given_take_the_place_of_a_reference(
        self, app: DevServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A list or mapping from the environment is whole; only its items are completed."""

        class Settings(VaultSettings):
            dbs: Annotated[list[Db], "vault:many#dbs"]
            named: Annotated[dict[str, Db], "vault:many#named"]

        whole = {"host": "v", "password": "p"}
        app.put("many", {"dbs": [whole], "named": {"y": whole}})
        assert Settings().named == {"y": Db(host="v", password="p")}
        monkeypatch.setenv("DBS", '[{"host": "a"}]')
        monkeypatch.setenv("NAMED", '{"x": {"host": "c"}}')
        settings = Settings()
        assert settings.dbs == [Db(host="a", password="db password")]
        assert settings.named == {"x": Db(host="c", password="db password")}

    def test_without_items_nothing_is_read(self, app: DevServer) -> None:
        """An empty list has nothing to fill."""

        class Settings(VaultSettings):
            dbs: list[Db] = []  # noqa: RUF012  # pydantic copies it

        assert Settings().dbs == []
        assert not app.requests

    def test_the_callers_list_is_not_changed(self) -> None:
        """Arguments belong to the caller."""

        class Settings(VaultSettings):
            dbs: list[Db]

        given: list[Any] = [{"host": "a"}]
        assert Settings(dbs=given).dbs[0].password == "db password"
        assert given == [{"host": "a"}]

    def test_a_failing_item_is_named_by_its_place(self) -> None:
        """The dotted name counts items from 0."""

        class Broken(BaseModel):
            password: Annotated[str, "vault:gone#password"]

        class Settings(VaultSettings):
            items: list[Broken]
            named: dict[str, Broken]

        load = lambda: Settings(items=[{}], named={"x": {}})  # noqa: E731  # it is called twice
        assert set(reasons(load)) == {"items.0.password", "named.x.password"}


class Kind(str, Enum):  # noqa: UP042  # the spelling that most applications have
    DB = "db"
    QUEUE = "queue"


class EnumDb(BaseModel):
    kind: Literal[Kind.DB] = Kind.DB
    password: Annotated[str, "vault:db#password"]


class EnumQueue(BaseModel):
    kind: Literal[Kind.QUEUE] = Kind.QUEUE
    password: Annotated[str, "vault:queue#password"]


class PlainDb(BaseModel):
    kind: Literal["db"]
    password: str


class PlainQueue(BaseModel):
    kind: Literal["queue"]
    topic: str
    password: str


def tag_of(value: Any) -> str | None:
    if isinstance(value, dict):
        return "queue" if "topic" in value else "db"
    return "queue" if isinstance(value, Queue) else "db"


class TestUnions:
    """Of a union only the chosen member's references are read."""

    def test_a_tag_from_the_environment(
        self, app: DevServer, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A tag that another source gives chooses the member."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Annotated[Db | Queue, Field(discriminator="kind")]

        monkeypatch.setenv("BACKEND__KIND", "queue")
        assert Settings().backend == Queue(password="queue password")
        assert asked() == [("GET", ("queue",))]

    @pytest.mark.parametrize("kind", ["queue", Kind.QUEUE])
    def test_a_tag_that_is_an_enum(self, kind: Any) -> None:
        """An enum's member and its value choose alike."""

        class Settings(VaultSettings):
            backend: EnumDb | EnumQueue = Field(discriminator="kind")

        assert Settings(backend={"kind": kind}).backend == EnumQueue(password="queue password")

    @pytest.mark.parametrize("kind", ["other", [], {}, None])
    def test_a_tag_that_means_nothing(self, app: DevServer, kind: Any) -> None:
        """Nothing is read for it, and pydantic says what is wrong."""

        class Settings(VaultSettings):
            backend: Db | Queue = Field(discriminator="kind")

        with pytest.raises(ValidationError, match="backend"):
            Settings(backend={"kind": kind})
        assert not app.requests

    def test_a_tag_under_an_alias(self) -> None:
        """A tag is found under its alias."""

        class One(BaseModel):
            kind: Literal["one"] = Field(alias="type")
            password: Annotated[str, "vault:db#password"]

        class Two(BaseModel):
            kind: Literal["two"] = Field(alias="type")
            password: Annotated[str, "vault:queue#password"]

        class Settings(VaultSettings):
            backend: One | Two = Field(discriminator="kind")

        assert Settings(backend={"type": "two"}).backend.password == "queue password"

    def test_a_function_that_tells_tags(self) -> None:
        """A callable discriminator is asked, with ``Tag`` for its answers."""

        class Settings(VaultSettings):
            backend: Annotated[
                Annotated[Db, Tag("db")] | Annotated[Queue, Tag("queue")], Discriminator(tag_of)
            ]

        assert Settings(backend={"topic": "t"}).backend.password == "queue password"
        assert Settings(backend={"host": "h"}).backend.password == "db password"

    def test_a_tag_from_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no source gives a tag, the default's choice stands."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Db | Queue = Field(
                Queue(topic="from default", password=""), discriminator="kind"
            )

        assert Settings().backend == Queue(topic="from default", password="queue password")

    def test_another_tag_than_the_default_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tag from the environment leaves nothing of a default of another kind."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Db | Queue = Field(
                Queue(topic="from default", password=""), discriminator="kind"
            )

        monkeypatch.setenv("BACKEND__KIND", "db")
        assert Settings().backend == Db(password="db password")

    def test_a_tag_from_the_vault(self, app: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A whole object brings its tag; what the environment gives is laid over it."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Annotated[PlainDb | PlainQueue, Field(discriminator="kind"), "vault:backend"]

        app.put("backend", {"kind": "queue", "topic": "t", "password": "p"})
        assert Settings().backend == PlainQueue(kind="queue", topic="t", password="p")
        monkeypatch.setenv("BACKEND__TOPIC", "env")
        assert Settings().backend == PlainQueue(kind="queue", topic="env", password="p")

    @pytest.mark.parametrize(("variable", "part"), [("BACKEND", ""), ("BACKEND__KIND", "#kind")])
    def test_a_default_goes_with_a_tag_from_the_vault(
        self, app: DevServer, monkeypatch: pytest.MonkeyPatch, variable: str, part: str
    ) -> None:
        """A partial update is one of the default where the vault gives the default's tag."""
        if pydantic_settings.__version__.startswith("2.15."):
            pytest.skip("this pydantic-settings does not look at the tag of a default")

        class Left(BaseModel):
            kind: Literal["left"] = "left"
            name: str = "from class"
            host: str = "from class"

        class Right(BaseModel, extra="forbid"):
            kind: Literal["right"] = "right"
            host: str = "from class"

        class Settings(VaultSettings):
            model_config = VaultConfigDict(
                env_nested_delimiter="__", nested_model_default_partial_update=True
            )
            backend: Left | Right = Field(Left(name="from default"), discriminator="kind")

        monkeypatch.setenv("BACKEND__HOST", "env")
        for tag in ("left", "right"):
            app.put(tag, {"kind": tag})
        monkeypatch.setenv(variable, f"vault:left{part}")
        assert Settings().backend == Left(name="from default", host="env")
        monkeypatch.setenv(variable, f"vault:right{part}")
        assert Settings().backend == Right(host="env")

    def test_a_tag_that_is_a_reference(
        self, app: DevServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Models with references of their own can't wait for a tag that the vault is to give."""

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Annotated[Db | Queue, Field(discriminator="kind")]

        app.put("tag", {"kind": "queue"})
        monkeypatch.setenv("BACKEND__KIND", "vault:tag#kind")
        monkeypatch.setenv("BACKEND__TOPIC", "t")
        assert reasons(Settings) == {"backend": "ConfigurationError"}
        monkeypatch.setenv("BACKEND__PASSWORD", "env")
        assert reasons(Settings) == {"backend": "ConfigurationError"}

    def test_a_nested_union(self) -> None:
        """A union inside a union is chosen by both of its tags."""

        class Small(BaseModel):
            kind: Literal["cache"] = "cache"
            size: Literal["small"] = "small"
            password: Annotated[str, "vault:db#password"]

        class Large(BaseModel):
            kind: Literal["cache"] = "cache"
            size: Literal["large"] = "large"
            password: Annotated[str, "vault:queue#password"]

        Cache = Annotated[Small | Large, Field(discriminator="size")]

        class Settings(VaultSettings):
            backend: Annotated[Cache | Db, Field(discriminator="kind")]

        given = {"kind": "cache", "size": "large"}
        assert Settings(backend=given).backend == Large(password="queue password")
        assert Settings(backend={"kind": "db"}).backend == Db(password="db password")

    def test_a_union_with_one_member_that_has_no_tag(
        self, app: DevServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That is for what has no tag; what has one is the member with it, in whatever order."""

        class Bare(BaseModel):
            number: int = 0
            password: Annotated[str, "vault:db#password"] = "default"

        class Settings(VaultSettings):
            model_config = VaultConfigDict(env_nested_delimiter="__")
            backend: Bare | Annotated[Db | Queue, Field(discriminator="kind")] | None = None

        assert Settings().backend is None
        assert Settings(backend={"kind": "queue"}).backend == Queue(password="queue password")
        assert Settings(backend={"number": 1}).backend == Bare(number=1, password="db password")
        monkeypatch.setenv("BACKEND__TOPIC", "t")
        monkeypatch.setenv("BACKEND", "vault:tag")
        app.put("tag", {"kind": "queue"})
        assert reasons(Settings) == {"backend": "ConfigurationError"}

    def test_a_list_of_unions(self) -> None:
        """Each item chooses for itself."""

        class Settings(VaultSettings):
            backends: list[Annotated[Db | Queue, Field(discriminator="kind")]]

        settings = Settings(backends=[{"kind": "queue"}, {"kind": "db"}])
        assert settings.backends == [Queue(password="queue password"), Db(password="db password")]

    def test_an_optional_union_stays_none(self, app: DevServer) -> None:
        """With no tag from anywhere nothing is chosen and nothing read."""

        class Settings(VaultSettings):
            backend: Db | Queue | None = Field(None, discriminator="kind")

        assert Settings().backend is None
        assert not app.requests

    def test_an_undiscriminated_union_that_a_factory_makes(self) -> None:
        """Its default may not stand in for what the vault has, without a word."""

        class Settings(VaultSettings):
            backend: Db | Queue = Field(default_factory=lambda: Queue(password="default"))

        assert reasons(Settings) == {"backend": "ConfigurationError"}
        assert Settings(backend={"kind": "db", "password": "own"}).backend == Db(password="own")

    def test_an_undiscriminated_union_is_given_by_others(self, app: DevServer) -> None:
        """A plain union has no tag, so nobody can tell which references to read."""

        class Settings(VaultSettings):
            backend: Db | Queue

        given = {"kind": "queue", "password": "own"}
        assert Settings(backend=given).backend == Queue(password="own")
        assert not app.requests


def test_a_model_that_contains_itself() -> None:
    """A recursive model is planned once, and filled as deep as others give it."""
    assert Tree(child={"child": {}}).child == Node(
        password="db password", child=Node(password="db password")
    )


class Node(BaseModel):
    password: Annotated[str, "vault:db#password"]
    child: "Node | None" = None


class Tree(VaultSettings):
    child: Node


def test_settings_inside_settings(app: DevServer, asked: Asked) -> None:
    """References of nested settings classes join the one batch of the outer one."""

    class Inner(VaultSettings):
        password: Annotated[str, "vault:queue#password"]

    class Outer(VaultSettings):
        password: Annotated[str, "vault:db#password"]
        inner: Inner

    settings = Outer()
    assert (settings.password, settings.inner.password) == ("db password", "queue password")
    assert asked() == [("POST", ("db", "queue"))]


def test_what_nested_settings_were_handed_is_not_resolved_again(app: DevServer) -> None:
    """A secret that looks like a reference stays what it is on its way inwards."""
    app.put("tricky", {"a": "vault:db#password", "b": "x${vault:db#password}"})

    class Inner(VaultSettings):
        a: Annotated[str, "vault:tricky#a"]
        b: Annotated[str, "vault:tricky#b"]
        plain: dict[str, str] = {}  # noqa: RUF012  # pydantic copies it

    class Outer(VaultSettings):
        inner: Inner
        whole: Annotated[Inner, "vault:tricky"]
        items: Annotated[list[Inner], '[{"plain": {"x": "${vault:tricky#a}"}}]']

    settings = Outer()
    for inner in (settings.inner, settings.whole):
        assert (inner.a, inner.b) == ("vault:db#password", "x${vault:db#password}")
    assert settings.items[0].plain == {"x": "vault:db#password"}


def test_a_secret_within_nested_settings_is_masked(app: DevServer) -> None:
    """Nested settings print no more than the outer ones."""

    class Inner(VaultSettings):
        password: Annotated[str, "vault:queue#password"]

    class Outer(VaultSettings):
        inner: Inner

    settings = Outer()
    assert "queue password" not in repr(settings)
    assert "queue password" not in repr(settings.inner)
    assert type(settings.inner.password) is str


class ByPassword(BaseModel):
    kind: Literal["password"] = "password"
    password: Annotated[str, "vault:app#token"]


class ByHost(BaseModel):
    kind: Literal["host"] = "host"
    host: Annotated[str, "vault:app#host"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (ByPassword | ByHost, "give the union a discriminator"),
        (Annotated[ByPassword | ByHost, Field(discriminator="kind")], "no source gives its tag"),
    ],
)
def test_a_union_that_nothing_tells_apart(kind: Any, told: str) -> None:
    """Its references are not read, and the load says why; a tag, or the value, helps."""
    model = create_model("Model", __base__=VaultSettings, x=(kind, ...))
    for load in (model, partial(gather, model)):
        with pytest.raises(UnresolvedSettingsError) as caught:
            load()
        assert told in str(caught.value.failures)
    assert model(x={"kind": "host", "host": "h"}).x == ByHost(host="h")


@pytest.mark.parametrize("default", ["off", False, 0])
def test_a_default_that_is_something_else(default: Any) -> None:
    """Where no source mentions the field it stays, and nothing is read."""
    model = create_model("Model", __base__=VaultSettings, x=(ByHost | Any, default))
    assert model().x == default
