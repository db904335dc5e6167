"""The rule by which settings print, in tables: what is known, a value, and whether it shows."""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, computed_field
from pydantic.fields import FieldInfo

from vaultconfig.masking.known import Known
from vaultconfig.masking.printing import Printer

MASK = "'**********'"
VAULT = ["tok3n-value", "postgres://app:p4ss%2Fword@db.example.com/orders", "abcd"]


class Mode(enum.Enum):
    ORDERS = "orders"
    FAST = "fast"


class Opaque:
    def __init__(self, held: str) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"Opaque({self.held})"


def printed(
    fields: Any,
    *,
    given: Mapping[str, Any] | None = None,
    secret: Collection[str] = ("pw",),
    set_fields: Collection[str] | None = (),
) -> str:
    """Return what settings with *fields* print."""
    printer = Printer(Known(secret, given or {}, VAULT), set_fields, [], [])
    args = fields.__repr_args__()
    return ", ".join(f"{name}={value!r}" for name, value in printer.args(fields, args))


class Mixed(BaseModel):
    """Has one field that something else gave beside the vault."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    f: Any


@pytest.mark.parametrize(
    ("given", "value", "there", "elsewhere"),
    [
        ("1", True, True, False),
        ("no", True, False, False),
        ("0054", 54, True, False),
        (5, 5.0, True, False),
        ("PT", Path("PT"), True, False),
        ("fast", Mode.FAST, True, True),
        (Mode.FAST, Mode.FAST, True, False),
        ("x", "x", True, False),
        ("x", "X", False, False),
        (None, None, True, False),
        ("left,right", "left", True, True),
        ("LEFT,right", "left", True, True),
        ("left,right", "eft", False, False),
        ("1234,5678", 5678, True, True),
        ("nonesuch", None, False, False),
        ("truest", True, False, False),
        ("xtok3n-valuex", "tok3n-value", False, False),
        ("at db.example.com", "db.example.com", False, False),
        (Opaque("held"), Opaque("held"), True, False),
    ],
)
def test_beside_something_from_the_vault(
    given: Any, value: Any, *, there: bool, elsewhere: bool
) -> None:
    """What another source gave there is shown, and its texts, if the vault has none like them."""
    found = printed(Mixed(f=[value]), given={"f.0": given}, secret=["f.1"])
    assert found == (f"f=[{value!r}]" if there else f"f=[{MASK}]")
    found = printed(Mixed(f=["", value]), given={"f.0": given}, secret=["f.2"])
    assert found == f"f=[{MASK}, {repr(value) if elsewhere else MASK}]"


def test_an_object_that_a_caller_gave() -> None:
    """The same one may have been changed since, but for a member of an enumeration."""
    held = Opaque("held")
    assert printed(Mixed(f=[held]), given={"f.0": held}, secret=["f.1"]) == f"f=[{MASK}]"


@pytest.mark.parametrize(
    ("value", "shows"),
    [
        ("anything", True),
        ("ab", True),
        ("abcd", False),
        ("abc", True),
        ("<tok3n-value>", False),
        ("<TOK3N-value>", False),
        ("tok3", False),
        ("3N-V", False),
        ("tok", True),
        (b"3n-v", False),
        (b"\xff", True),
        (b"plain", True),
        (Mode.ORDERS, False),
        (Mode.FAST, True),
        (True, True),
        (None, True),
        (Opaque("tok3n-value"), False),
        (Opaque("plain"), True),
        ("db.example.com", False),
        ("p4ss/word", False),
        ("p4ss%2fword", False),
        ("/orders/", False),
    ],
)
def test_in_a_plain_field(value: Any, shows: bool) -> None:
    """All is shown but what has to do with a text of the vault."""
    for made, text in (
        (value, "{}"),
        ([value], "[{}]"),
        (("x", value), None),
        ({"k": value}, "{{'k': {}}}"),
        ({value}, "{{{}}}" if shows else "{}"),
    ):
        found = printed(Mixed(f=made), given={"f.other": "x"})
        if text is not None:
            assert found == f"f={text.format(repr(value) if shows else MASK)}"
        else:
            assert found == (f"f={made!r}" if shows else f"f=['x', {MASK}]")


def test_a_text_of_the_vault_that_another_source_gave_as_well() -> None:
    """It is shown in a plain field: it was told already."""
    hosts = ["db.example.com", "other.example.com"]
    assert printed(Mixed(f=hosts), given={"f": ",".join(hosts)}) == f"f={hosts!r}"


def test_a_set_is_shown_as_a_whole() -> None:
    """It has no order by which its items would be known."""
    assert printed(Mixed(f={"plain", "abcd"}), given={"f": ""}) == f"f={MASK}"


class Inner(BaseModel):
    name: Any = None
    port: int = 5432
    names: list[str] = Field(default_factory=list)
    rooms: list[str] = Field(default_factory=lambda: ["r"])
    other: str = Field(default_factory=lambda data: str(data["name"]))

    @computed_field
    @property
    def loud(self) -> str:
        return str(self.name).upper()


@pytest.mark.skipif(
    not hasattr(FieldInfo, "default_factory_takes_validated_data"), reason="pydantic does not tell"
)
def test_models_inside() -> None:
    """Theirs are the places below; what they compute or make of other fields is theirs alone."""
    inner = Inner(name="n")
    plain = "Inner(name='n', port=5432, names=[], rooms=['r'], other='n', loud='N')"
    mixed = f"Inner(name='n', port=5432, names=[], rooms=['r'], other={MASK}, loud={MASK})"
    secret = (
        f"Inner(name={MASK}, port={MASK}, names={MASK}, rooms={MASK}, other={MASK}, loud={MASK})"
    )
    given = {"f.name": "n", "f.0.name": "n", "f.k.name": "n", "f.fast.name": "n"}
    assert printed(Mixed(f=inner), given=given) == f"f={plain}"
    assert printed(Mixed(f=inner), given=given, secret=["f.more"]) == f"f={mixed}"
    assert printed(Mixed(f=inner), given=given, secret=["f"]) == f"f={secret}"
    for key, made, text in (
        (0, [inner], "[{}]"),
        ("k", {"k": inner}, "{{'k': {}}}"),
        ("fast", {Mode.FAST: inner}, "{{<Mode.FAST: 'fast'>: {}}}"),
    ):
        found = printed(Mixed(f=made), given=given, secret=[f"f.{key}.more"])
        assert found == f"f={text.format(mixed)}"
        found = printed(Mixed(f=made), given=given, secret=[f"f.{key}"])
        assert found == f"f={text.format(secret)}"
    inner.names.append("filled")
    inner.rooms.append("filled")
    found = printed(Mixed(f=inner), given=given, secret=["f.more"])
    assert f"names=[{MASK}], rooms=['r', 'filled']" in found
    assert printed(Mixed(f=(inner,)), given=given) == f"f={(inner,)!r}"


def test_computed_from_what_another_source_gave() -> None:
    """It is masked, though its text is no secret: what was computed is not known."""
    found = printed(Inner(name="left"), given={"name": "left"})
    assert found.startswith("name='left', port=5432")
    assert found.endswith(f"loud={MASK}")


class Root(RootModel[Any]):
    pass


class Own(BaseModel, extra="allow"):
    root: str

    def __init__(self, root: str, **more: str) -> None:
        super().__init__(root=root, **more)

    def __repr__(self) -> str:
        return f"<{self.root}>"


class OwnClosed(BaseModel):
    root: str

    def __repr__(self) -> str:
        return f"<{self.root}>"


@dataclass
class OwnData:
    name: str = field(repr=False)

    def __repr__(self) -> str:
        return f"quiet {self.name}"


class Two(NamedTuple):
    first: str
    second: str


def test_other_classes() -> None:
    """A root model adds no level, a dataclass has no record, an own `repr` is one text."""

    @dataclass
    class Data:
        name: str
        port: int = 5432
        names: list[str] = field(default_factory=list)
        hidden: str = field(default="", repr=False)

    class Local(BaseModel):
        name: str = ""

    given = {"f.0": "x", "f.name": "n"}
    assert printed(Mixed(f=Root(["x"])), given=given, secret=["f.1"]) == "f=Root(root=['x'])"
    found = printed(Mixed(f=Root(["x", "y"])), given=given, secret=["f.1"])
    assert found == f"f=Root(root=['x', {MASK}])"
    found = printed(Mixed(f=Data("n", names=["y"])), given=given, secret=["f.more"])
    kind = Data.__qualname__
    assert found == f"f={kind}(name='n', port=5432, names=[{MASK}])"
    assert printed(Mixed(f=Data("n")), given=given).startswith(f"f={kind}(name='n', port")
    assert printed(Mixed(f=[Data]), given={"f": ""}) == f"f=[{Data!r}]"
    assert printed(Mixed(f=Local(name="abcd")), given=given) == f"f=Local(name={MASK})"
    assert printed(Mixed(f=Own("x")), given=given) == "f=<x>"
    assert printed(Mixed(f=Own("abcd")), given=given) == f"f={MASK}"
    assert printed(Mixed(f=Own("tok3")), given=given) == f"f={MASK}"
    assert printed(Mixed(f=Own("x", more="tok3")), given=given) == f"f={MASK}"
    assert printed(Mixed(f=OwnClosed(root="tok3")), given=given) == f"f={MASK}"
    assert printed(Mixed(f=OwnData("tok3")), given=given) == f"f={MASK}"
    assert printed(Mixed(f=OwnData("x")), given=given) == "f=quiet x"
    assert printed(Mixed(f=OwnData("x")), given=given, secret=["f"]) == f"f={MASK}"
    for made in (Two("a", "b"), deque(["a"]), SecretStr("abcd")):
        assert printed(Mixed(f=made), given=given) == f"f={made!r}"


def test_keys() -> None:
    """A key that a source gave is a name; any other is a value."""
    for key, shows in (("k", True), ("left", True), ("x", False), (1, False), ((1, 2), False)):
        found = printed(Mixed(f={key: "y"}), given={"f.k": "y", "o": "left"}, secret=["f.more"])
        shown = repr(key) if shows else f"[{MASK}, {MASK}]" if key == (1, 2) else MASK
        assert found == f"f={{{shown}: {repr('y') if key == 'k' else MASK}}}"
    given = {"f": "x", "o": "left,right"}
    for made, text in (
        ({"left": "right"}, "{'left': 'right'}"),
        ({"x": "right"}, f"{{{MASK}: 'right'}}"),
        (OrderedDict(left="right"), repr(OrderedDict(left="right"))),
        (("left", "right"), "('left', 'right')"),
    ):
        assert printed(Mixed(f=made), given=given, secret=["f.more"]) == f"f={text}"


def test_what_holds_itself() -> None:
    """It ends there."""
    held: list[Any] = ["x"]
    held.append(held)
    assert printed(Mixed(f=held), given={"f": "x"}) == "f=['x', ...]"
    assert printed(Mixed(f=held), given={"f.0": "x"}, secret=["f.2"]) == "f=['x', ...]"


class Set(BaseModel, extra="allow"):
    default: str = "here"
    made: list[str] = Field(default_factory=lambda: ["here"])
    path: Path = Path("there")


def test_fields_that_no_source_gave() -> None:
    """A default is shown; what a validator has set is not, and what is assigned later, if plain."""
    assert printed(Set()).startswith("default='here', made=")
    assert printed(Set(), set_fields=["default"]).startswith("default='here', ")
    assert printed(Set(default="now")).startswith("default='now', ")
    assert printed(Set(default="now"), set_fields=["default"]).startswith(f"default={MASK}, ")
    assert printed(Set(default="now"), set_fields=None).startswith(f"default={MASK}, ")
    assert printed(Set(default="abcd")).startswith(f"default={MASK}, ")
    assert printed(Set(default="here"), secret=["default"]).startswith(f"default={MASK}, ")
    assert printed(Set.model_construct(path="there")).endswith("path='there'")
    assert printed(Set(more="plain")).endswith(f"more={MASK}")
    assert printed(Set(more="plain"), given={"more": "other"}).endswith("more='plain'")


def test_a_default_that_the_vault_has_as_well() -> None:
    """It is shown, but not where another value was given: it has come there by a validator."""

    class Level(BaseModel):
        f: str = "abcd"

    assert printed(Level()) == "f='abcd'"
    assert printed(Level(), given={"f": "x"}) == f"f={MASK}"
