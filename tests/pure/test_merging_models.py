"""What the layers become for nested models, with the vault among them and inside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, AliasPath, BaseModel, Field

from tests.pure.loads import Answering, above, below, dotenv, load, told
from tests.pure.merges import SECRETS, Row, loaded, outcome, rows
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.places import Place
from vaultconfig.masking.values import unmask


class Inner(BaseModel):
    key: Annotated[str, "vault:b#key"]
    size: int = 1


class One(BaseModel):
    kind: Literal["one"] = "one"
    key: Annotated[str, "vault:b#key"] = "d"


class Two(BaseModel):
    kind: Literal["two"] = "two"
    name: Annotated[str, "vault:a#token"] = "d"


class Outer(BaseModel):
    inner: Inner
    named: dict[str, Inner] = {}
    free: dict[str, Any] = {}


class Holding(BaseModel):
    whole: Annotated[Any, "vault:small"] = {}
    held: str = Field("d", validation_alias=AliasPath("holder", "p"))
    note: Any = None


class Without(BaseModel):
    size: int = 1


class Lax(BaseModel):
    key: Annotated[str, "vault:none?optional#x"] = "d"


class Sub(Inner):
    more: Annotated[str, "vault:a#token"] = "d"


class Here(BaseModel):
    kind: Literal["here"] = "here"
    at: int = Field(1, validation_alias=AliasChoices("at", "where"))


class There(BaseModel):
    kind: Literal["there"] = "there"


class Node(BaseModel):
    key: Annotated[str, "vault:b#key"]
    child: Node = Field(None)  # type: ignore[assignment]


class Ring(BaseModel):
    key: Annotated[str, "vault:b#key"]
    child: Ring | None = Field(default_factory=lambda: Ring.model_construct(key="d", child=None))


class Model(BaseModel):
    inner: Inner
    made: Inner = Inner(key="d", size=2)
    maybe: Inner | None = None
    both: Annotated[Inner, "vault:whole"]
    many: list[Inner] = []
    some: list[Inner] = [Inner(key="d"), Inner(key="e", size=3)]
    named: dict[str, Inner] = {"n": Inner(key="d")}
    union: One | Two = Field(One(), discriminator="kind")
    open: One | Two = Field(discriminator="kind")
    half: Annotated[One | Two, Field(discriminator="kind")] | Inner
    ring: Ring
    perhaps: Annotated[Inner | None, "vault:none?optional"] = None
    unset: One | Two = Field(None, discriminator="kind")  # type: ignore[assignment]
    refless: Annotated[Here | There, "vault:none?optional"] = Field(discriminator="kind")
    here: Annotated[Here | There, "vault:here"] = Field(discriminator="kind")
    untagged: Annotated[Inner | Lax, "vault:whole"]
    lax: Lax
    strange: Inner = Sub(key="d")
    strangers: list[Inner] = [Sub(key="d")]
    node: Node
    nodes: Node = Node.model_construct(key="d", child=Node.model_construct(key="e", child=None))
    outer: Annotated[Outer, "vault:outer"]
    holding: Holding = Holding(whole="text", note="vault:b#key")
    held: Annotated[Holding, "vault:held"]
    deep: Annotated[list[Holding], "vault:list#holdings"]
    odd: Holding = Field({"holder": "vault:b#key", "note": 1})  # type: ignore[arg-type]
    factory: Inner = Field(default_factory=lambda: Inner(key="d"))
    without: Without = Field(default_factory=Without)
    mixed: One | Two | dict[str, Inner] = {}


@rows(
    ("inner", [], {"inner": {"key": "k"}}, "vault: inner.key"),
    (
        "inner",
        [above(inner={"size": 2}), below(inner={"key": "x", "size": 3})],
        {"inner": {"key": "k", "size": 2}},
        "vault: inner.key; argument: inner.size",
    ),
    (
        "inner",
        [above(inner={"key": "x"})],
        {"inner": {"key": "x"}},
        "argument: inner.key; overridden: inner.key",
    ),
    (
        "inner",
        [dotenv(inner={"key": "x", "size": 5})],
        {"inner": {"key": "k", "size": 5}},
        "vault: inner.key; .env: inner.size; shut out: inner.key",
    ),
    (
        "inner",
        [above(inner="vault:whole")],
        {"inner": {"more": {"deep": 1}, "key": "w"}},
        "vault: inner inner.more inner.more.deep inner.key",
    ),
    ("inner", [above(inner="vault:none")], {}, "SecretNotFoundError: inner; failed: inner"),
    ("inner", [above(inner=None)], {"inner": None}, "argument: inner"),
    ("inner", [above(inner=5), below(inner={"size": 2})], {"inner": 5}, "argument: inner"),
    ("maybe", [], {}, ""),
    ("maybe", [below(maybe={})], {"maybe": {"key": "k"}}, "vault: maybe.key"),
    (
        "both",
        [],
        {"both": {"more": {"deep": 1}, "key": "k"}},
        "vault: both both.more both.more.deep both.key",
    ),
    (
        "both",
        [below(both={"size": 9, "key": "b"})],
        {"both": {"more": {"deep": 1}, "key": "k", "size": 9}},
        "vault: both both.more both.more.deep both.key; secrets directory: both.size",
    ),
    (
        "both",
        [above(both={"key": "x"})],
        {"both": {"more": {"deep": 1}, "key": "x"}},
        "vault: both both.more both.more.deep; argument: both.key; overridden: both.key",
    ),
    (
        "both",
        [above(both={"key": "x", "size": 1})],
        {"both": {"key": "x", "size": 1}},
        "argument: both.key both.size; overridden: both both.key",
    ),
    (
        "both",
        [above(both={"key": "vault:a#token"})],
        {"both": {"more": {"deep": 1}, "key": "t"}},
        "vault: both both.more both.more.deep both.key",
    ),
    (
        "outer",
        [],
        {"outer": {"inner": {"key": "k"}, "free": {"x": 1}}},
        "vault: outer outer.inner outer.inner.key outer.free outer.free.x",
    ),
    (
        "outer",
        [above(outer={"inner": {"key": "x", "size": 1}, "named": {"n": {}}, "free": {}})],
        {"outer": {"inner": {"key": "x", "size": 1}, "named": {"n": {"key": "k"}}, "free": {}}},
        "argument: outer.inner.key outer.inner.size; vault: outer.named.n.key;"
        " overridden: outer outer.inner.key",
    ),
    (
        "outer",
        [above(outer={"inner": {"key": "x"}, "named": {"n": {}}, "free": {}})],
        {"outer": {"inner": {"key": "x"}, "named": {"n": {"key": "k"}}, "free": {"x": 1}}},
        "vault: outer outer.inner outer.named.n.key outer.free outer.free.x;"
        " argument: outer.inner.key; overridden: outer.inner.key",
    ),
    (
        "outer",
        [above(outer={"inner": None, "named": None, "free": {}})],
        {"outer": {"inner": None, "named": None, "free": {}}},
        "argument: outer.inner outer.named; overridden: outer",
    ),
    (
        "outer",
        [above(outer={"inner": {"key": "x", "size": 1}})],
        {"outer": {"inner": {"key": "x", "size": 1}, "free": {"x": 1}}},
        "vault: outer outer.inner outer.free outer.free.x; "
        "argument: outer.inner.key outer.inner.size; overridden: outer.inner.key",
    ),
    ("perhaps", [], {"perhaps": {"key": "k"}}, "vault: perhaps.key; SecretNotFoundError: perhaps"),
)
def test_a_nested_model(row: Row) -> None:
    """One that is given whole needs no vault; each of its fields is merged by itself."""
    assert outcome(Model, row) == row[2:]


@rows(
    ("made", [], {"made": {"key": "k", "size": 2}}, "vault: made.key"),
    (
        "made",
        [below(made={"size": 4})],
        {"made": {"size": 4, "key": "k"}},
        "secrets directory: made.size; vault: made.key",
    ),
    (
        "some",
        [],
        {"some": [{"key": "k", "size": 1}, {"key": "k", "size": 3}]},
        "vault: some.0.key some.1.key",
    ),
    ("without", [], {}, ""),
    ("factory", [], {"factory": {"key": "k", "size": 1}}, "vault: factory.key; factories: called"),
    (
        "holding",
        [],
        {"holding": {"holder": {"p": "d"}, "whole": {"k": 1}, "note": "vault:b#key"}},
        "vault: holding.whole holding.whole.k; failed: holding.note",
    ),
    (
        "held",
        [],
        {"held": {"holder": "vault:b#key", "whole": {"k": 1, "x": 1}}},
        "vault: held held.whole held.whole.k held.whole.x",
    ),
    (
        "deep",
        [],
        {"deep": [{"whole": {"x": 1, "k": 1}}]},
        "vault: deep deep.0 deep.0.whole deep.0.whole.x deep.0.whole.k",
    ),
    (
        "odd",
        [],
        {"odd": {"holder": "vault:b#key", "whole": {"k": 1}, "note": 1}},
        "vault: odd.whole odd.whole.k; failed: odd.holder",
    ),
    ("lax", [], {"lax": {}}, "default: lax.key; SecretNotFoundError: lax.key"),
    (
        "strange",
        [],
        {"strange": {"more": "d", "key": "k", "size": 1}},
        "vault: strange.key; failed: strange",
    ),
    (
        "strangers",
        [],
        {"strangers": [{"more": "d", "key": "k", "size": 1}]},
        "vault: strangers.0.key; failed: strangers",
    ),
    ("node", [], {"node": {"key": "k"}}, "vault: node.key"),
    (
        "nodes",
        [],
        {"nodes": {"key": "k", "child": {"key": "k", "child": None}}},
        "vault: nodes.key nodes.child.key",
    ),
    (
        "ring",
        [],
        {"ring": {"key": "k", "child": {"key": "k", "child": None}}},
        "vault: ring.key ring.child.key; factories: called",
    ),
)
def test_a_default_model(row: Row) -> None:
    """The vault fills what is its in there, and the rest stays."""
    assert outcome(Model, row) == row[2:]


@rows(
    ("made", [], {}, "SecretNotFoundError: made.key; failed: made.key"),
    ("some", [], {}, "SecretNotFoundError: some.0.key some.1.key; failed: some.0.key some.1.key"),
    ("strange", [], {}, "SecretNotFoundError: strange.key; failed: strange.key"),
    ("strangers", [], {}, "SecretNotFoundError: strangers.0.key; failed: strangers.0.key"),
)
def test_a_default_model_that_the_vault_has_nothing_for(row: Row) -> None:
    """Each of its fields fails."""
    assert outcome(Model, row, secrets={}) == row[2:]


@rows(
    ("many", [], {}, ""),
    (
        "many",
        [above(many=[{}, {"key": "x"}])],
        {"many": [{"key": "k"}, {"key": "x"}]},
        "argument: many many.1.key; vault: many.0.key; overridden: many.1.key",
    ),
    (
        "many",
        [above(many="vault:list#items")],
        {"many": [{"key": "i"}, {"key": "k"}]},
        "vault: many many.0 many.0.key many.1 many.1.key",
    ),
    ("named", [], {"named": {"n": {"key": "k", "size": 1}}}, "vault: named.n.key"),
    (
        "named",
        [above(named={"m": {"size": 2}}), below(named={"m": {"key": "x"}, "n": {}})],
        {"named": {"m": {"key": "k", "size": 2}, "n": {"key": "k"}}},
        "vault: named.m.key named.n.key; argument: named.m.size",
    ),
    (
        "named",
        [above(named={"m": "vault:whole"})],
        {"named": {"m": {"more": {"deep": 1}, "key": "w"}}},
        "vault: named.m named.m.more named.m.more.deep named.m.key",
    ),
    (
        "many",
        [below(many="vault:list#items")],
        {"many": [{"key": "i"}, {"key": "k"}]},
        "vault: many many.0 many.0.key many.1 many.1.key",
    ),
    (
        "many",
        [below(many="vault:list#numbers")],
        {"many": [{"key": "7"}]},
        "vault: many many.0 many.0.key",
    ),
    (
        "named",
        [dotenv(named={"key": {"size": 3}})],
        {"named": {"key": {"size": 3, "key": "k"}}},
        ".env: named.key.size; vault: named.key.key",
    ),
)
def test_items_of_models(row: Row) -> None:
    """Each item is a model, and what an object from the vault says of it counts more."""
    assert outcome(Model, row) == row[2:]


@rows(
    ("union", [], {"union": {"kind": "one", "key": "k"}}, "vault: union.key"),
    (
        "union",
        [above(union={"kind": "two"})],
        {"union": {"kind": "two", "name": "t"}},
        "argument: union.kind; vault: union.name",
    ),
    (
        "union",
        [above(union={"kind": "vault:b#kind"})],
        {"union": {"kind": "one"}},
        "vault: union.kind; failed: union",
    ),
    ("open", [], {}, "failed: open"),
    (
        "open",
        [above(open={"kind": "two"})],
        {"open": {"kind": "two", "name": "t"}},
        "argument: open.kind; vault: open.name",
    ),
    (
        "open",
        [above(open={"kind": "three", "key": "x"})],
        {"open": {"kind": "three", "key": "x"}},
        "argument: open.kind open.key",
    ),
    (
        "open",
        [above(open={"kind": "three", "name": "vault:b#key"}), dotenv(open={"key": "x", "z": 1})],
        {"open": {"kind": "three", "name": "k", "z": 1}},
        "argument: open.kind; vault: open.name; .env: open.z; shut out: open.key",
    ),
    ("mixed", [dotenv(mixed={"key": "x"})], {"mixed": {}}, "shut out: mixed.key"),
    ("unset", [], {}, ""),
    ("refless", [], {}, "SecretNotFoundError: refless; failed: refless"),
    ("here", [], {"here": {"kind": "here", "at": 2}}, "vault: here here.kind here.at"),
    (
        "here",
        [below(here={"where": 3})],
        {"here": {"kind": "here", "at": 2}},
        "vault: here here.kind here.at",
    ),
    (
        "untagged",
        [],
        {"untagged": {"key": "w", "more": {"deep": 1}}},
        "vault: untagged untagged.key untagged.more untagged.more.deep",
    ),
    ("half", [], {}, "failed: half"),
)
def test_a_union(row: Row) -> None:
    """A tag tells which model it is; without one nothing may be asked for."""
    assert outcome(Model, row) == row[2:]


@rows(
    (
        "open",
        [above(open={"kind": "vault:b#kind"})],
        {"open": {"kind": "vault:b#kind"}},
        "argument: open.kind",
    ),
)
def test_values_that_do_not_count(row: Row) -> None:
    """A reference stays a text."""
    assert outcome(Model, row, resolves_values=False) == row[2:]


def sized(data: dict[str, Any]) -> Inner:
    return Inner(key="d", size=len(data["token"]))


def test_a_default_that_is_made_of_a_secret() -> None:
    """It is made when the answer is there; what is in it is asked for as well."""

    class Model(BaseModel):
        token: Annotated[str, "vault:a#token"]
        made: Inner = Field(default_factory=sized)

    class Items(BaseModel):
        token: Annotated[str, "vault:a#token"]
        made: list[Inner] = Field(default_factory=lambda data: [sized(data)])

    class Union(BaseModel):
        token: Annotated[str, "vault:a#token"]
        made: One | Two = Field(
            default_factory=lambda data: One(key=data["token"]), discriminator="kind"
        )

    made, one = {"key": "k", "size": 1}, {"kind": "one", "key": "k"}
    assert unmask(load(Union, [], Answering(SECRETS)).state) == {"token": "t", "made": one}
    assert unmask(load(Model, [], Answering(SECRETS)).state) == {"token": "t", "made": made}
    assert unmask(load(Items, [], Answering(SECRETS)).state) == {"token": "t", "made": [made]}


def test_a_default_that_is_there_is_asked_about_at_once() -> None:
    """Though something before it waits for the vault."""

    class Union(BaseModel):
        token: Annotated[str, "vault:a#token"]
        union: One | Two = Field(One(), discriminator="kind")

    class Items(BaseModel):
        token: Annotated[str, "vault:a#token"]
        items: list[Inner] = [Inner(key="d")]

    for model in (Union, Items):
        vault = Answering(SECRETS)
        load(model, [], vault)
        assert vault.asked == [["vault:a#token", "vault:b#key"]]


class Tree(BaseModel):
    key: Annotated[str, "vault:b#key"] = "d"
    trees: list[Tree | Inner] = Field(default_factory=lambda: [Tree.model_construct(key="d")])


def test_items_that_hold_themselves() -> None:
    """They are entered once, and again for the next field."""

    class Forest(BaseModel):
        tree: Tree
        first: list[Inner] = [Inner(key="d")]
        second: list[Inner] = [Inner(key="d")]

    items = [{"key": "k", "size": 1}]
    state = unmask(load(Forest, [], Answering(SECRETS)).state)
    assert state == {"tree": {"key": "k"}, "first": items, "second": items}


def test_a_model_that_variables_give_key_by_key() -> None:
    """All of its fields are given, so that nothing is left to the vault."""
    data = {"inner": {"key": "x", "size": 1}, "named": {"n": {"key": "y"}}, "free": {"z": 1}}
    assert told(loaded(Model, "outer", Layer("environment", {"outer": data}, Variables())))[-1] == (
        "overridden: outer outer.inner.key outer.named.n.key"
    )


class Variables:
    """An environment in which each value that is no mapping has a variable."""

    def name_at(self, place: Place) -> str | None:
        return "_".join(map(str, place)) if place[-1:] in [("key",), ("size",), ("z",)] else None

    def read(self, _place: Place, text: str) -> Any:
        return text
