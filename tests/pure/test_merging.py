"""What layers become with the vault among them: which value counts, and where it came from."""

from __future__ import annotations

import json
from collections import UserDict
from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, BaseModel, Field

from tests.pure.loads import above, below, dotenv, told
from tests.pure.merges import Row, loaded, outcome, rows
from vaultconfig.errors import InvalidReferenceError
from vaultconfig.loading.fields import ModelField
from vaultconfig.loading.layers import Layer
from vaultconfig.loading.places import Place
from vaultconfig.masking.values import mask, unmask


class Model(BaseModel):
    name: str = ""
    token: Annotated[str, "vault:a#token"]
    null: Annotated[str | None, "vault:a#null"] = "d"
    missing: Annotated[str, "vault:none#x"] = "d"
    needed: Annotated[str, "vault:none#x"]
    optional: Annotated[str, "vault:none?optional#x"] = "d"
    whole: Annotated[dict[str, Any], "vault:whole"] = {}
    path: Annotated[str, "vault:a#token"] = Field(
        validation_alias=AliasChoices("A", AliasPath("holder", "x"), AliasPath("holder", "l", 1))
    )
    plain: str = Field("d", validation_alias=AliasChoices("P", "Q", AliasPath("holder", "p")))
    anything: Any = None
    twice: Annotated[str, "vault:none?optional#x"] = Field(
        "d", validation_alias=AliasChoices("A", "B")
    )
    plainly: Annotated[list[str], "vault:none?optional#x"] = Field(default_factory=list)


@rows(
    ("name", [above(name="x"), below(name="y")], {"name": "x"}, "argument: name"),
    ("name", [above(), below(name="y")], {"name": "y"}, "secrets directory: name"),
    ("name", [below(name="vault:b#key")], {"name": "k"}, "vault: name"),
    (
        "name",
        [below(name="vault:none#key"), below(name="y")],
        {},
        "default: name; SecretNotFoundError: name; failed: name",
    ),
    (
        "name",
        [below(name="vault:none?optional#key"), below(name="y")],
        {"name": "y"},
        "secrets directory: name; SecretNotFoundError: name",
    ),
    ("name", [below(name="vault::a")], {"name": "vault:a"}, "secrets directory: name"),
    ("name", [below(name=mask("x"))], {"name": "x"}, "vault: name; handed on: once"),
    (
        "name",
        [below(**{"name": "x", "else": "vault:b#key"})],
        {"else": "vault:b#key", "name": "x"},
        "secrets directory: name",
    ),
    (
        "name",
        [above(**{"else": {"a": 1}}), below(**{"else": {"a": 2, "c": 3}})],
        {"else": {"a": 1, "c": 3}},
        "",
    ),
    ("optional", [above(optional="vault:a#token")], {"optional": "t"}, "vault: optional"),
    ("token", [above(token="vault:b#key")], {"token": "k"}, "vault: token"),
    ("token", [above(token="vault:none#key")], {}, "SecretNotFoundError: token; failed: token"),
    (
        "token",
        [above(token="vault:none?optional#key")],
        {"token": "t"},
        "vault: token; SecretNotFoundError: token",
    ),
    ("name", [below(name="vault:a#null")], {"name": None}, "vault: name; null: name"),
    ("name", [above(name=7)], {"name": 7}, "argument: name"),
)
def test_a_value(row: Row) -> None:
    """The highest layer counts; a reference in it is what it stands for."""
    assert outcome(Model, row) == row[2:]


@rows(
    ("name", [below(name="vault:b#key")], {"name": "vault:b#key"}, "secrets directory: name"),
)
def test_values_that_do_not_count(row: Row) -> None:
    """A reference stays a text."""
    assert outcome(Model, row, resolves_values=False) == row[2:]


@rows(
    (
        "name",
        [below(name="vault:none#key"), below(name="y")],
        {"name": "y"},
        "secrets directory: name; SecretNotFoundError: name; fell back: name",
    ),
    (
        "name",
        [below(name="vault:a b"), below(name="y")],
        {},
        "default: name; InvalidReferenceError: name; failed: name",
    ),
    (
        "needed",
        [dotenv(needed="x")],
        {"needed": "x"},
        ".env: needed; SecretNotFoundError: needed; fell back: needed",
    ),
    (
        "needed",
        [below(needed="x")],
        {"needed": "x"},
        "secrets directory: needed; SecretNotFoundError: needed; fell back: needed",
    ),
    ("needed", [], {}, "SecretNotFoundError: needed; failed: needed"),
    ("missing", [], {}, "default: missing; SecretNotFoundError: missing; fell back: missing"),
    (
        "missing",
        [below(missing="x")],
        {"missing": "x"},
        "secrets directory: missing; SecretNotFoundError: missing; fell back: missing",
    ),
)
def test_in_development(row: Row) -> None:
    """In development whatever is left stands in, but not for a malformed reference."""
    assert outcome(Model, row, mode="development", environment="dev") == row[2:]


@rows(
    (
        "name",
        [below(**{"name": "x", "else": "vault:b#key"})],
        {"else": "k", "name": "x"},
        "vault: else; secrets directory: name",
    ),
    (
        "name",
        [above(**{"else": {"a": 1, "b": "vault:b#key"}}), below(**{"else": {"a": 2, "c": 3}})],
        {"else": {"a": 1, "b": "k", "c": 3}},
        "argument: else.a; vault: else.b; secrets directory: else.c",
    ),
    (
        "name",
        [below(**{"else": "vault:none?optional#x"})],
        {},
        "SecretNotFoundError: else; failed: else",
    ),
)
def test_what_is_no_field(row: Row) -> None:
    """Its references count where the class takes it, and mappings are merged."""
    assert outcome(Model, row, extra=True) == row[2:]


@rows(
    ("token", [above(token="x")], {"token": "x"}, "argument: token; overridden: token"),
    ("token", [below(token="x")], {"token": "t"}, "vault: token"),
    (
        "token",
        [dotenv(token="x"), below(token="y")],
        {"token": "t"},
        "vault: token; shut out: token",
    ),
    (
        "token",
        [below(token="y"), dotenv(token="x")],
        {"token": "t"},
        "vault: token; shut out: token",
    ),
    (
        "needed",
        [dotenv(needed="x")],
        {},
        "SecretNotFoundError: needed; failed: needed; shut out: needed",
    ),
    ("needed", [below(needed="x")], {}, "SecretNotFoundError: needed; failed: needed"),
    ("needed", [], {}, "SecretNotFoundError: needed; failed: needed"),
    ("missing", [], {}, "default: missing; SecretNotFoundError: missing; failed: missing"),
    ("optional", [], {}, "default: optional; SecretNotFoundError: optional"),
    (
        "optional",
        [below(optional="x")],
        {"optional": "x"},
        "secrets directory: optional; SecretNotFoundError: optional",
    ),
    ("null", [], {"null": None}, "vault: null; null: null"),
    ("null", [below(null="x")], {"null": None}, "vault: null; null: null"),
    ("plainly", [], {}, "default: plainly; SecretNotFoundError: plainly"),
    ("twice", [above(A="x", B="y")], {"A": "x"}, "argument: twice; overridden: twice"),
)
def test_an_annotation(row: Row) -> None:
    """It stands between what is above the vault and what is below; `.env` is left out."""
    assert outcome(Model, row) == row[2:]


@rows(
    (
        "whole",
        [],
        {"whole": {"key": "w", "more": {"deep": 1}}},
        "vault: whole whole.key whole.more whole.more.deep",
    ),
    (
        "whole",
        [above(whole={"key": "x"})],
        {"whole": {"key": "x"}},
        "argument: whole.key; overridden: whole",
    ),
    (
        "whole",
        [below(whole={"key": "x", "below": 2})],
        {"whole": {"key": "w", "more": {"deep": 1}, "below": 2}},
        "vault: whole whole.key whole.more whole.more.deep; secrets directory: whole.below",
    ),
    (
        "whole",
        [below(whole={"more": {"x": "vault:b#key"}})],
        {"whole": {"key": "w", "more": {"deep": 1, "x": "k"}}},
        "vault: whole whole.key whole.more whole.more.deep whole.more.x",
    ),
    (
        "whole",
        [below(whole="text")],
        {"whole": {"key": "w", "more": {"deep": 1}}},
        "vault: whole whole.key whole.more whole.more.deep",
    ),
    (
        "anything",
        [above(anything={"a": "vault:b#key", "b": [1, "vault:b#key"]})],
        {"anything": {"a": "k", "b": [1, "k"]}},
        "vault: anything.a anything.b.1; argument: anything.b anything.b.0",
    ),
    (
        "anything",
        [above(anything=["vault:a#items"])],
        {"anything": [["x", "vault:b#key"]]},
        "argument: anything; vault: anything.0 anything.0.0 anything.0.1",
    ),
    (
        "anything",
        [above(anything=("x", "vault:b#key"))],
        {"anything": ("x", "k")},
        "argument: anything anything.0; vault: anything.1",
    ),
    (
        "anything",
        [dotenv(anything="vault:whole"), dotenv(anything={"key": 1, "z": 2})],
        {"anything": {"key": "w", "more": {"deep": 1}, "z": 2}},
        "vault: anything anything.key anything.more anything.more.deep; .env: anything.z",
    ),
    (
        "anything",
        [above(anything={"vault: reference": "vault:whole", "key": 1})],
        {"anything": {"key": 1, "more": {"deep": 1}}},
        "vault: anything anything.more anything.more.deep; argument: anything.key",
    ),
    (
        "anything",
        [above(anything={"a": 1}), below(anything=[1]), below(anything={"b": 2})],
        {"anything": {"a": 1}},
        "argument: anything.a",
    ),
    (
        "anything",
        [above(anything={"a": 1}), below(anything="vault:b#key")],
        {"anything": {"a": 1}},
        "argument: anything.a",
    ),
    (
        "anything",
        [below(anything={"a": "vault:none?optional#x", "b": 1})],
        {"anything": {"b": 1}},
        "secrets directory: anything.b; SecretNotFoundError: anything.a; failed: anything.a",
    ),
)
def test_an_object(row: Row) -> None:
    """What it does not have is taken from below; what is above is not asked for."""
    assert outcome(Model, row) == row[2:]


@rows(
    ("path", [], {"A": "t"}, "vault: path"),
    ("path", [above(A="x")], {"A": "x"}, "argument: path; overridden: path"),
    (
        "path",
        [above(holder={"x": "x"})],
        {"holder": {"x": "x"}},
        "argument: path; overridden: path",
    ),
    ("path", [below(holder={"x": "x", "y": 1})], {"holder": {"x": "t", "y": 1}}, "vault: path"),
    ("path", [below(holder={"l": [1, 2, 3]})], {"holder": {"l": [1, "t", 3]}}, "vault: path"),
    (
        "path",
        [dotenv(holder={"l": [1, 2, 3]})],
        {"holder": {"l": [1, "t", 3]}, "A": "t"},
        "vault: path; shut out: path",
    ),
    (
        "path",
        [above(holder={"x": "x"}), below(A="y", holder={"l": [1, 2]})],
        {"holder": {"l": [1, "x"], "x": "x"}},
        "argument: path; overridden: path",
    ),
    (
        "path",
        [above(holder="vault:whole")],
        {"holder": {"key": "w", "more": {"deep": 1}}, "A": "t"},
        "vault: holder holder.key holder.more holder.more.deep path",
    ),
    (
        "path",
        [above(holder="vault:none")],
        {"A": "t"},
        "vault: path; SecretNotFoundError: holder; failed: holder",
    ),
    ("plain", [above(P="x", Q="y")], {"P": "x", "Q": "y"}, "argument: plain"),
    ("plain", [above(Q="y"), below(P="x")], {"Q": "y"}, "argument: plain"),
    (
        "plain",
        [above(holder={"p": "vault:b#key"}), below(P="x")],
        {"holder": {"p": "k"}},
        "vault: plain",
    ),
    (
        "plain",
        [above(Q="vault:none?optional#x", holder={"p": 1})],
        {"holder": {}},
        "default: plain; SecretNotFoundError: plain",
    ),
    (
        "plain",
        [above(holder={"p": "vault:none?optional#x"})],
        {"holder": {}},
        "default: plain; SecretNotFoundError: plain",
    ),
    (
        "plain",
        [above(P="x"), below(holder={"p": "y"})],
        {"holder": {"p": "x"}, "P": "x"},
        "argument: plain",
    ),
)
def test_several_spellings(row: Row) -> None:
    """A field has one value, whatever each layer calls it; that of the vault goes there."""
    assert outcome(Model, row) == row[2:]


class Variables:
    """An environment in which these places have a variable."""

    def __init__(self, *places: Place) -> None:
        self.places = places

    def name_at(self, place: Place) -> str | None:
        return "_".join(map(str, place)).upper() if place in self.places else None

    def read(self, _place: Place, text: str) -> Any:
        return json.loads(text)


def test_an_object_that_variables_give() -> None:
    """One that is given whole needs no vault; for one that is given key by key it has the rest."""
    whole = Layer("environment", {"whole": {"a": 1}}, Variables(("whole",)))
    parts = Layer("environment", {"whole": {"b": 2}}, Variables(("whole", "b")))
    assert unmask(loaded(Model, "whole", whole).state) == {"whole": {"a": 1}}
    more = {"key": "w", "more": {"deep": 1}}
    assert unmask(loaded(Model, "whole", parts).state) == {"whole": {**more, "b": 2}}
    assert unmask(loaded(Model, "whole", parts, whole).state) == {"whole": {"a": 1, "b": 2}}


def test_what_needs_no_change_is_the_same() -> None:
    """Mappings and lists without references are handed on as they are."""
    given: dict[str, Any] = {"a": [1, {"b": 2}]}
    assert loaded(Model, "anything", above(anything=given)).state["anything"] is given


def test_an_object_of_a_source_of_its_own() -> None:
    """What holds a field, and is no mapping or list, stays what it is."""
    holder = UserDict({"p": "x"})
    report = loaded(Model, "plain", above(holder=holder))
    assert report.state == {"holder": holder}
    assert report.state["holder"] is holder


def test_the_keys_of_a_text_are_secret() -> None:
    """No name has them."""
    layer = Layer("environment", {"anything": "vault:json#text"}, Variables(("anything",)))
    report = loaded(Model, "anything", layer, secrets={"json": {"text": '{"canary": 1}'}})
    assert unmask(report.state) == {"anything": {"canary": 1}}
    assert told(report) == ["vault: anything"]


def test_a_text_in_a_list() -> None:
    """It is read as what a field takes only where it is an item of models."""

    def read(_field: ModelField, _text: str) -> Any:
        raise AssertionError

    report = loaded(Model, "anything", above(anything=["vault:b#key"]), read_text=read)
    assert unmask(report.state) == {"anything": ["k"]}


def test_what_other_sources_gave() -> None:
    """Nothing of the vault, whichever way it came."""
    layers = [above(name=mask("x")), below(anything=["vault:b#key", "own", 1])]
    assert [loaded(Model, name, *layers).given for name in ("name", "token", "whole")] == [{}] * 3
    assert loaded(Model, "anything", *layers).given == {"anything.1": "own", "anything.2": 1}


def test_an_answer_that_is_a_mistake() -> None:
    """It is the fault of what was given only where a source gave the reference."""
    wrong = {"none": InvalidReferenceError("x", column=1, expected="y")}
    options: Any = {"secrets": wrong, "mode": "development", "environment": "dev"}
    assert told(loaded(Model, "missing", **options))[-1] == "fell back: missing"
    given = above(name="vault:none#x")
    assert told(loaded(Model, "name", given, **options))[-1] == "failed: name"
