"""References in the JSON schema of a settings class: where a value is, never what it is."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter
from pydantic.json_schema import SkipJsonSchema
from pydantic_settings import BaseSettings

from vaultconfig import VaultSettings

CANARY = "canary-71c4"


class Db(BaseModel):
    host: str = "h"
    password: Annotated[str, "vault:{environment}/db#password"] = CANARY


@dataclasses.dataclass
class Part:
    key: Annotated[str, "vault:part#key"]


class Node(BaseModel):
    token: Annotated[str, "vault:node#token"]
    children: list[Node] = []


class Settings(VaultSettings):
    debug: bool = False
    user: Annotated[str, "vault:a?ttl=300#user"] = CANARY
    optional: Annotated[str, "vault:a?optional#b"] | None = None
    secret: Annotated[SecretStr, "vault:a#c"] = SecretStr(CANARY)
    url: Annotated[str, f"pg://{CANARY}:${{vault:a#b|urlquote}}@${{vault:a#host}}"]
    aliased: Annotated[str, "vault:a#d"] = Field(validation_alias=AliasChoices("FIRST", "second"))
    db: Db = Db()
    replica: Db | None = None
    whole: Annotated[Db, "vault:whole"]
    parts: dict[str, Part] = Field({})
    node: Node
    own: Annotated[str, "vault:a#e"] = Field(
        "shown", json_schema_extra={"x-vault": "mine", "default": "shown"}
    )


def test_references_stand_beside_the_rest() -> None:
    """Each field has its reference, also those of nested models; no value is there."""
    schema = Settings.model_json_schema()
    assert CANARY not in json.dumps(schema)
    found = {name: item.get("x-vault") for name, item in schema["properties"].items()}
    assert found == {
        "debug": None,
        "user": "vault:a?ttl=5m#user",
        "optional": "vault:a?optional#b",
        "secret": "vault:a#c",
        "url": ["vault:a#b", "vault:a#host"],
        "FIRST": "vault:a#d",
        "db": None,
        "replica": None,
        "whole": "vault:whole",
        "parts": None,
        "node": None,
        "own": "mine",
    }
    inside = {
        (model, name): item["x-vault"]
        for model, definition in schema["$defs"].items()
        for name, item in definition["properties"].items()
        if "x-vault" in item
    }
    assert inside == {
        ("Db", "password"): "vault:{environment}/db#password",
        ("Part", "key"): "vault:part#key",
        ("Node", "token"): "vault:node#token",
    }


def stripped(schema: Any) -> Any:
    """Return *schema* without references and defaults."""
    if isinstance(schema, list):
        return [stripped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    gone = {"x-vault", "default", "additionalProperties"}
    return {key: stripped(item) for key, item in schema.items() if key not in gone}


@pytest.mark.parametrize("by_alias", [True, False])
def test_nothing_else_changes(by_alias: bool) -> None:
    """But for the references, and defaults of what the vault fills, it is pydantic's own."""

    class Plain(BaseSettings):
        debug: bool = Settings.model_fields["debug"].default
        user: str = CANARY
        aliased: str = Field(validation_alias=AliasChoices("FIRST", "second"))
        db: Db = Db()
        whole: Db

    class Ours(VaultSettings):
        debug: bool = False
        user: Annotated[str, "vault:a#user"] = CANARY
        aliased: Annotated[str, "vault:a#d"] = Field(
            validation_alias=AliasChoices("FIRST", "second")
        )
        db: Db = Db()
        whole: Annotated[Db, "vault:whole"]

    Plain.__name__ = "Ours"
    ours, plain = (c.model_json_schema(by_alias=by_alias) for c in (Ours, Plain))
    plain["title"] = ours["title"]
    assert stripped(ours) == stripped(plain)
    assert ours["properties"]["debug"]["default"] is False
    name = "FIRST" if by_alias else "aliased"
    assert ours["properties"][name]["x-vault"] == "vault:a#d"


def test_wherever_the_schema_is_made() -> None:
    """The same in a TypeAdapter, and as part of another model."""

    class Outer(BaseModel):
        inner: Settings

    listed = TypeAdapter(list[Settings]).json_schema()["$defs"]["Settings"]
    nested = Outer.model_json_schema()["$defs"]["Settings"]
    for schema in (listed, nested, Settings.model_json_schema(mode="serialization")):
        assert schema["properties"]["user"]["x-vault"] == "vault:a?ttl=5m#user"
        assert CANARY not in json.dumps(schema)


class Silent(BaseModel):
    """Describes itself as a text, which has no properties."""

    key: Annotated[str, "vault:silent#key"]

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "title": "Silent"}


class One(BaseModel):
    model_config = ConfigDict(title="The first")
    key: Annotated[str, "vault:one#key"]


class Two(BaseModel):
    key: Annotated[str, "vault:two#key"]


def test_models_of_a_union() -> None:
    """Each has its own references, also where it goes by another title."""

    class Union(VaultSettings):
        either: One | Two

    definitions = Union.model_json_schema()["$defs"]
    found = {name: item["properties"]["key"]["x-vault"] for name, item in definitions.items()}
    assert found == {"One": "vault:one#key", "Two": "vault:two#key"}


def test_what_a_schema_leaves_out() -> None:
    """A field or properties that are not there get no references."""

    class Partial(VaultSettings):
        hidden: SkipJsonSchema[Annotated[str, "vault:a#b"]] = Field("d", exclude=True)
        silent: Silent

    schema = Partial.model_json_schema(mode="serialization")
    assert list(schema["properties"]) == ["silent"]
    assert "vault:" not in json.dumps(schema)


def test_a_default_that_is_said() -> None:
    """It stays where the schema's own extras have it, and goes where they have something else."""

    class Extras(VaultSettings):
        said: Annotated[str, "vault:a#b"] = Field("d", json_schema_extra={"default": "shown"})
        other: Annotated[str, "vault:a#b"] = Field(CANARY, json_schema_extra={"examples": ["e"]})

    properties = Extras.model_json_schema()["properties"]
    assert properties["said"]["default"] == "shown"
    assert "default" not in properties["other"]
    assert properties["other"]["examples"] == ["e"]


def test_it_costs_nothing_before() -> None:
    """What makes it is imported with the first schema."""
    code = (
        "import sys; import vaultconfig; vaultconfig.VaultSettings;"
        "print('vaultconfig.loading.schema' in sys.modules, 'pydantic.json_schema' in sys.modules)"
    )
    done = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert done.split()[0] == "False"
