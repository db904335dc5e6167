"""What validation shapes otherwise than the input is masked all the same, and the rest is shown."""

import base64
import copy
import datetime
import enum
import pickle
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import new_class
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    Field,
    RootModel,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from vaultconfig import LiveSettings, VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer

PASSWORD = "canary/7f3a 9c+x"
DSN = f"postgres://app:{quote(PASSWORD, safe='')}@db.example.com/orders"
R = "vault:a#pw"


@pytest.fixture(autouse=True)
def _vault(vault_env: DevServer) -> None:
    vault_env.put("a", {"pw": PASSWORD, "dsn": DSN, "yes": True, "pin": "42", "port": 54321})


def leaks_in(text: str) -> list[str]:
    """Return the parts of what the vault has that stand in *text*."""
    coded = base64.b64encode(PASSWORD.encode()).decode()
    return [part for part in ("canary", "yranac", "7f3a", coded, "True", "42") if part in text]


def class_of(annotation: Any) -> Any:
    names = {"__annotations__": {"f": annotation}, "__module__": __name__}
    made = new_class("S", (VaultSettings,), exec_body=lambda body: body.update(names))
    globals()["S"] = made  # where a pickle finds it
    return made


class Hosts(RootModel[dict[str, str]]):
    pass


class Names(RootModel[list[str]]):
    pass


class Role(enum.Enum):
    ADMIN = "admin"


class Login(NamedTuple):
    user: str
    pw: str


class Flags(NamedTuple):
    first: bool
    second: bool


class A(BaseModel):
    pw: str = Field(alias="pass-word")


class B(BaseModel):
    key: str


class Renames(BaseModel):
    pw: str = ""
    port: int = 5

    @model_validator(mode="before")
    @classmethod
    def _(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {"pw": data["password"]}


class Swaps(BaseModel):
    one: str
    two: str

    @model_validator(mode="before")
    @classmethod
    def _(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {"one": data["two"], "two": data["one"]}


class Regroups(BaseModel):
    by_team: dict[str, Any]

    @field_validator("by_team", mode="before")
    @classmethod
    def _(cls, value: dict[str, str]) -> dict[str, Any]:
        return {"team": {"inner": [*value.values()]}}


class Lengthens(BaseModel):
    items: list[str]

    @field_validator("items")
    @classmethod
    def _(cls, value: list[str]) -> list[str]:
        return ["first", *value]


class Encodes(BaseModel):
    pw: str
    header: str = ""

    @model_validator(mode="after")
    def _(self) -> "Encodes":
        self.header = base64.b64encode(self.pw.encode()).decode()
        return self


@dataclass
class Holder:
    inner: Hosts


class Key(BaseModel, frozen=True):
    pw: str


class Opaque:
    """Is no collection, and prints what it holds."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"Opaque({self.held!r})"


RESHAPED: dict[str, tuple[Any, Any]] = {
    "root model": (Hosts, {"db": R}),
    "root model of a list": (Names, ["x", R]),
    "root model in a dataclass": (Holder, {"inner": {"db": R}}),
    "root models in a list": (list[Hosts], [{"x": "y"}, {"db": R}]),
    "enum key": (dict[Role, str], {"admin": R}),
    "int key": (dict[int, str], {"05": R}),
    "bool key": (dict[bool, str], {"true": R}),
    "uuid key": (dict[UUID, str], {"0" * 32: R}),
    "upper key": (dict[Annotated[str, StringConstraints(to_upper=True)], str], {"a": R}),
    "key made a tuple": (
        Annotated[dict[Any, str], AfterValidator(lambda d: {tuple(k): v for k, v in d.items()})],
        {"ab": R},
    ),
    "value made a key": (
        Annotated[dict[str, str], AfterValidator(lambda d: {v: k for k, v in d.items()})],
        {"ab": R},
    ),
    "named tuple": (Login, {"user": "me", "pw": R}),
    "booleans of a tuple": (Flags, {"first": "vault:a#yes", "second": False}),
    "moved boolean": (
        Annotated[list[Any], AfterValidator(lambda v: v[::-1])],
        ["vault:a#yes", "Truest"],
    ),
    "union without a tag": (A | B, {"pass-word": R}),
    "sorted": (Annotated[list[str], AfterValidator(sorted)], ["z", R]),
    "sorted, what is short": (Annotated[list[str], AfterValidator(sorted)], ["z", "vault:a#pin"]),
    "reversed, converted": (
        Annotated[list[Any], AfterValidator(lambda v: [int(v[1]), v[0]])],
        ["z", "vault:a#pin"],
    ),
    "set": (set[str], ["z", R]),
    "deque": (Annotated[deque[str], AfterValidator(lambda v: deque([*v, "z"]))], [R]),
    "joined": (Annotated[Any, AfterValidator(",".join)], ["z", R]),
    "an object": (Annotated[Any, AfterValidator(Opaque)], [R]),
    "a key of another model": (Annotated[Any, AfterValidator(lambda v: {Key(pw=v[0]): 1})], [R]),
    "renamed in a model": (Renames, {"password": R}),
    "swapped in a model": (Swaps, {"one": "app", "two": R}),
    "swapped, what is short": (Swaps, {"one": "app", "two": "vault:a#pin"}),
    "regrouped in a model": (Regroups, {"by_team": {"a": "b", "c": R}}),
    "lengthened in a model": (Lengthens, {"items": ["a", R]}),
    "encoded in a model": (Encodes, {"pw": R}),
}


def prints(settings: Any) -> list[str]:
    copies = [settings.model_copy(), settings.model_copy(deep=True), copy.deepcopy(settings)]
    copies.append(pickle.loads(pickle.dumps(settings)))
    return [repr(settings), *map(repr, copies), repr(pickle.loads(pickle.dumps(copies[-1])))]


@pytest.mark.parametrize("name", RESHAPED)
def test_no_shape_shows_a_value(name: str) -> None:
    """Whatever shape a field has in the end, its value from the vault is masked in it."""
    annotation, given = RESHAPED[name]
    settings = class_of(annotation)(f=given)
    assert not leaks_in(repr(settings))
    assert len({*prints(settings)}) == 1


class Moves(VaultSettings):
    """Moves the key of one field to that of another before validation."""

    dsn: Annotated[str, "vault:a#dsn"] = ""
    password: str = ""

    @model_validator(mode="before")
    @classmethod
    def _(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {"password": data["dsn"]}


class Unprinted(VaultSettings):
    """Computes from a field that is not printed."""

    dsn: Annotated[SecretStr, "vault:a#dsn"] = Field(repr=False)
    url: str = ""

    @model_validator(mode="after")
    def _(self) -> "Unprinted":
        self.url = self.dsn.get_secret_value() + "?ssl=1"
        return self


class Splits(VaultSettings):
    """Sets a field to a part of another."""

    dsn: Annotated[SecretStr, "vault:a#dsn"]
    password: str = ""
    host: str | None = None
    hosts: list[str] = Field(default=[])
    made: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _(self) -> "Splits":
        parts = self.dsn.get_secret_value().split(":")[2].split("@")
        self.password, self.host = parts[0], parts[0][:5]
        self.hosts.append(parts[0])
        self.made.append(parts[0])
        return self


class Factory(VaultSettings):
    """Makes a default of another field."""

    dsn: Annotated[str, "vault:a#dsn"]
    password: str | None = Field(default_factory=lambda data: urlsplit(data["dsn"]).password)
    coded: str = Field(default_factory=lambda d: base64.b64encode(d["dsn"].encode()).decode())


class Quotes(VaultSettings):
    """Puts a value into a URL, that of a default and one that is given."""

    pw: Annotated[str, R]
    url: str = "https://app:{}@h"
    other: str = "x"

    @model_validator(mode="after")
    def _(self) -> "Quotes":
        self.url = self.url.format(quote(self.pw))
        self.other += quote_plus(self.pw)
        return self


class Overwrites(VaultSettings):
    """A validator puts another field's value into one that a source gave."""

    pw: Annotated[str, R]
    name: str = "n"
    part: str = "p"
    default: str = ""

    @field_validator("name", "default")
    @classmethod
    def _(cls, value: str, info: ValidationInfo) -> str:
        return f"{value} {info.data['pw']}"

    @field_validator("part")
    @classmethod
    def _part(cls, value: str, info: ValidationInfo) -> str:
        return str(info.data["pw"][3:12])


class Encoded(VaultSettings):
    """A field of its own holds a form that no text of the vault is found in."""

    pw: Annotated[str, R]
    header: str = ""
    flag: bool = False

    def model_post_init(self, context: Any) -> None:
        self.header = base64.b64encode(self.pw.encode()).decode()
        self.flag = self.pw.startswith("c")


COPIED = [Moves, Unprinted, Splits, Factory, Quotes, Overwrites, Encoded]


@pytest.mark.parametrize("cls", COPIED, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("given", [{}, {"other": "y", "name": "given", "part": "given"}])
def test_no_other_field_shows_a_value(cls: Any, given: dict[str, str]) -> None:
    """What a validator or a default makes of a value is masked in whatever field it stands."""
    settings = cls(**{k: v for k, v in given.items() if k in cls.model_fields})
    assert not leaks_in(repr(settings))
    assert len({*prints(settings)}) == 1


def test_live_settings_print_alike(vault_env: DevServer) -> None:
    """A snapshot masks what its own load has moved, before and after a rotation."""
    with LiveSettings(Splits) as live:
        before = repr(live.current)
        vault_env.put("a", {"dsn": "postgres://app:next-canary@db.example.com/orders"})
        live.refresh()
        assert live.current.password == "next-canary"
        assert [repr(live.current), *prints(live.current)] == [before] * 7
    assert not leaks_in(before)


def test_what_is_copied_later_is_masked() -> None:
    """An assignment after the load copies a value no more openly than a validator."""

    class Settings(VaultSettings):
        pw: Annotated[str, R]
        name: str = "app"

    for settings in (Settings(), pickle.loads(pickle.dumps(Moves()))):
        settings.__dict__["name"] = "plain"
        assert not leaks_in(repr(settings))
    settings = Settings()
    settings.name = "plain"
    assert "name='plain'" in repr(settings)
    settings.name = f"<{settings.pw}>"
    assert not leaks_in(repr(settings))


def test_settings_that_print_in_a_validator() -> None:
    """What they show while they are made is masked as it is in the end."""
    seen: list[str] = []

    class Settings(VaultSettings):
        pw: Annotated[str, R]
        header: str = ""
        names: list[str] = Field(default_factory=lambda: ["plain"])

        @model_validator(mode="after")
        def _(self) -> "Settings":
            self.header = self.pw[::-1]
            seen.append(repr(self))
            return self

    assert [repr(Settings())] == seen
    assert "pw='**********', header='**********', names=" in seen[0]


class Level(enum.IntEnum):
    INFO = 20


def local_hosts() -> list[str]:
    return ["db.example.com"]


class Db(BaseModel):
    password: Annotated[str, R]
    host: str = "localhost"
    port: int = 5432
    ssl: bool = False
    timeout: float = 1.5
    wait: datetime.timedelta = datetime.timedelta(seconds=1)
    url: AnyUrl | None = None


class Plain(VaultSettings):
    """Has all that ordinary settings have beside a secret."""

    model_config = VaultConfigDict(env_nested_delimiter="__")
    whole: Annotated[SecretStr, "vault:a#dsn"]
    port_of_vault: Annotated[int, "vault:a#port"]
    yes: Annotated[bool, "vault:a#yes"]
    debug: bool = False
    port: int = 54321
    name: str = "app"
    scheme: str = "postgres"
    host: str = "nowhere"
    level: Level = Level.INFO
    url: AnyUrl = AnyUrl("https://db.example.com")
    ids: Annotated[list[int], BeforeValidator(lambda text: text.split(","))]
    folder: Path = Path("data")
    hosts: list[str] = Field(default_factory=local_hosts)
    db: Db
    labels: Hosts = Hosts({})
    by_role: dict[Role, str]
    mixed: dict[str, str]


def test_ordinary_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a source or a default gives is shown, though the vault has the same text or part."""
    for name, text in {
        "DEBUG": "1",
        "NAME": "orders",
        "HOST": "db.example.com",
        "LEVEL": "20",
        "URL": "postgres://db.example.com",
        "FOLDER": "/orders",
        "DB__PORT": "0054321",
        "DB__SSL": "yes",
        "DB__TIMEOUT": "5",
        "DB__WAIT": "PT7S",
        "DB__URL": "https://x.example.com",
        "LABELS": '{"a": "app"}',
        "BY_ROLE": '{"admin": "orders"}',
        "MIXED": f'{{"a": "b", "c": "{R}"}}',
    }.items():
        monkeypatch.setenv(name, text)
    settings = Plain(ids="4,2,42")
    # pydantic 2.10 does not tell whether a factory takes values, so it is masked there.
    tells = hasattr(FieldInfo, "default_factory_takes_validated_data")
    host = "db.example.com" if tells else "**********"
    assert repr(settings) == (
        "Plain(whole=SecretStr('**********'), port_of_vault='**********', yes='**********',"
        " debug=True, port=54321, name='orders', scheme='postgres', host='db.example.com',"
        " level=<Level.INFO: 20>, url=AnyUrl('postgres://db.example.com'), ids=[4, 2, 42],"
        f" folder={Path('/orders')!r}, hosts=['{host}'], db=Db(password='**********',"
        " host='localhost', port=54321, ssl=True, timeout=5.0,"
        " wait=datetime.timedelta(seconds=7), url=AnyUrl('https://x.example.com/')),"
        " labels=Hosts(root={'a': 'app'}), by_role={<Role.ADMIN: 'admin'>: 'orders'},"
        " mixed={'a': 'b', 'c': '**********'})"
    )
    assert len({*prints(settings)}) == 1


class Server(BaseModel):
    """Has a secret, and plain fields that validators shape."""

    pw: Annotated[str, R]
    hosts: Annotated[list[Any], NoDecode, BeforeValidator(lambda text: text.split(","))]
    rooms: list[str] = Field(default_factory=lambda: ["main room"])
    ports: list[int] = []


class Service(BaseModel):
    """Has none."""

    name: str
    made: list[str] = Field(default_factory=lambda: ["aisle", "attic"])

    @computed_field
    @property
    def loud(self) -> str:
        return self.name.upper()


class Beside(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")
    dsn: Annotated[str, "vault:a#dsn"]
    server: Server
    service: Service
    hosts: Annotated[list[str], NoDecode, BeforeValidator(lambda text: text.split(","))]
    tags: Annotated[set[str], NoDecode, BeforeValidator(lambda text: {text})] = Field(set())
    pair: Annotated[Login, BeforeValidator(lambda _: ("me", "you"))] = Login("x", "y")
    cut: Annotated[str, AfterValidator(lambda _: "postgres")] = ""
    whole: Annotated[str, AfterValidator(lambda text: f"{text}: {PASSWORD}")] = ""
    length: Annotated[Any, AfterValidator(len)] = None


def test_plain_fields_that_validators_shape_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their texts tell them from those of the vault, beside a secret only with four characters."""
    for name, text in {
        "SERVER__HOSTS": "left,right,no",
        "SERVER__PORTS": "[80, 0]",
        "SERVICE__NAME": "a",
        "HOSTS": "a,db.example.com,orders.example.com",
        "TAGS": "red",
        "PAIR": '"x"',
        "CUT": "x",
        "WHOLE": "it is",
        "LENGTH": "x",
    }.items():
        monkeypatch.setenv(name, text)
    settings = Beside()
    tells = hasattr(FieldInfo, "default_factory_takes_validated_data")
    rooms = "main room" if tells else "**********"
    assert repr(settings) == (
        f"Beside(dsn='**********', server=Server(pw='**********', hosts=['left', 'right',"
        f" '**********'], rooms=['{rooms}'], ports=[80, 0]), service=Service(name='a',"
        " made=['aisle', 'attic'], loud='A'), hosts=['a', 'db.example.com', 'orders.example.com'],"
        " tags={'red'}, pair=Login(user='me', pw='you'), cut='**********', whole='**********',"
        " length=1)"
    )
    assert len({*prints(settings)}) == 1


@dataclass
class Printed:
    """Prints in its own way, also what is not to be printed."""

    name: str
    pw: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"<{self.name} {self.pw}>"


class Hidden(BaseModel):
    """Prints nothing of what it holds."""

    code: str
    pw: str = ""

    def __repr__(self) -> str:
        return "Hidden"


class Handed(VaultSettings):
    """Puts a value into objects that the caller has given."""

    pw: Annotated[str, R]
    service: Service | None = None
    printed: Printed | None = None
    hidden: Hidden | None = None
    other: Any = None
    fills: bool = True

    def model_post_init(self, context: Any) -> None:
        if self.fills and self.service:
            self.service.name = self.pw
        for given in (self.printed, self.hidden):
            if self.fills and given:
                given.pw = self.pw


def test_objects_that_a_caller_gave() -> None:
    """They are not as they were given where a validator has put something into them."""

    def given() -> dict[str, Any]:
        return {
            "service": Service(name="n"),
            "printed": Printed("n"),
            "hidden": Hidden(code="mine"),
        }

    settings = Handed(**given())
    assert repr(settings) == (
        "Handed(pw='**********', service=Service(name='**********', made=['aisle', 'attic'],"
        " loud='**********'), printed='**********', hidden='**********', other=None, fills=True)"
    )
    settings = Handed(**given(), other=Unprintable(), fills=False)
    assert repr(settings) == (
        "Handed(pw='**********', service=Service(name='n', made=['aisle', 'attic'], loud='N'),"
        " printed=<n >, hidden=Hidden, other='**********', fills=False)"
    )


def test_a_pickle_shows_what_was_shown() -> None:
    """What is assigned afterwards is masked, unless it is the default: nothing tells what it is."""
    settings = pickle.loads(pickle.dumps(Assigned(f={"db": R})))
    for number, printed in ((2, "'**********'"), (1, "1")):
        settings.n = number
        assert f"n={printed}" in repr(settings)


def test_settings_inside_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """They know best what is theirs, and show no value of those around them."""

    class Inner(VaultSettings):
        own: str = ""
        pw: Annotated[str, R]
        short: str = Field("z", validation_alias="SHORT")

    class Outer(VaultSettings):
        dsn: Annotated[str, "vault:a#dsn"]
        inner: Inner

        def model_post_init(self, context: Any) -> None:
            self.inner.own = self.dsn

    monkeypatch.setenv("SHORT", "s")
    assert repr(Outer(inner={})) == (
        "Outer(dsn='**********', inner=Inner(own='**********', pw='**********', short='s'))"
    )


def test_what_a_class_makes_of_plain_settings_is_shown() -> None:
    """Where nothing came from the vault, nothing is masked."""

    class Settings(VaultSettings):
        token: Annotated[str, R]
        header: str = ""

        @computed_field
        @property
        def twice(self) -> str:
            return self.token * 2

        def model_post_init(self, context: Any) -> None:
            self.header = self.token[::-1]

    assert repr(Settings(token="ab")) == "Settings(token='ab', header='ba', twice='abab')"


class Assigned(VaultSettings):
    """Checks what is assigned, and tells of others in the error."""

    model_config = VaultConfigDict(validate_assignment=True)
    f: Hosts
    dsn: Annotated[str, "vault:a#dsn"] = ""
    moved: str = Field(default="", repr=False)
    n: int = 1

    @model_validator(mode="before")
    @classmethod
    def _move(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data if "moved" in data else {"moved": data.pop("dsn"), **data}

    @field_validator("n")
    @classmethod
    def _(cls, value: int, info: ValidationInfo) -> int:
        if value > 5:
            other = info.data["f"].root["db"] if value == 6 else info.data["moved"]
            raise ValueError(f"not with {other}")
        return value


def test_an_error_of_an_assignment_holds_no_value() -> None:
    """A validator's message is withheld, in whatever shape the value it quotes stands."""
    made = Assigned(f={"db": R})
    for settings in (made, pickle.loads(pickle.dumps(made))):
        for number in (6, 7):
            with pytest.raises(ValidationError) as caught:
                settings.n = number
            told = caught.value.errors()[0]["msg"]
            assert told == "(withheld: it quotes a value from the vault)"


def test_an_error_of_an_assignment_after_all_is_forgotten() -> None:
    """What the settings hold no more is withheld as well."""
    kept: list[str] = []

    class Settings(VaultSettings):
        model_config = VaultConfigDict(validate_assignment=True)
        dsn: Annotated[str, "vault:a#dsn"] = ""
        n: int = 1

        @model_validator(mode="before")
        @classmethod
        def _take(cls, data: dict[str, Any]) -> dict[str, Any]:
            kept.append(f"{data.pop('dsn', '')}")
            return data

        @field_validator("n")
        @classmethod
        def _(cls, value: int) -> int:
            if value > 5:
                raise ValueError(f"not with {kept[0]}")
            return value

    settings = Settings()
    with pytest.raises(ValidationError) as caught:
        settings.n = 6
    assert not leaks_in(f"{caught.value}")


def test_a_pickle_holds_no_more_than_the_fields() -> None:
    """What a validator has thrown away of a value is not in the pickle, nor what is printed by."""

    class Base(VaultSettings):
        dsn: Annotated[str, "vault:a#dsn"] = ""

    settings = Base()
    settings.__dict__["dsn"] = "gone"
    assert b"canary" not in pickle.dumps(settings.__getstate__()["__pydantic_private__"])
    assert b"canary" not in pickle.dumps(settings._vaultconfig_origins)
    assert "canary" not in repr(vars(settings._vaultconfig_origins))


class Fails(BaseModel):
    pw: str

    @computed_field
    @property
    def broken(self) -> str:
        raise RuntimeError(self.pw)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


def test_printing_does_not_fail() -> None:
    """A class that cannot print itself, or holds itself, is masked and breaks nothing."""
    round_trip: list[Any] = []
    round_trip.append(round_trip)
    for made in (Fails(pw="x"), Unprintable(), round_trip):
        settings = class_of(Annotated[list[Any], AfterValidator(lambda v, m=made: [*v, m])])(f=[R])
        assert not leaks_in(repr(settings))
