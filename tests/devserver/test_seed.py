"""Seed files: the forms they take, and what is said of those that are wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError

TOML = """
["environments/development/db"]
user = "app"
password = "seed-canary"
ports = [1, 2]

["shared/tls"]
nested = { deep = true }

["$about"."environments/development/db"]
secret_type = "json"
metadata = { tags = ["db"] }
options = { expires_in = "90d" }

["$tokens".reader-token]
identity_id = "reader"
scopes = ["secrets:read"]
read = ["shared/**"]

["$clients".billing]
secret = "billing-secret"
write = []
"""

JSON = """
{"environments/development/db": {"user": "app", "password": "seed-canary", "ports": [1, 2]},
 "shared/tls": {"nested": {"deep": true}},
 "$about": {"environments/development/db":
   {"secret_type": "json", "metadata": {"tags": ["db"]}, "options": {"expires_in": "90d"}}},
 "$tokens": {"reader-token":
   {"identity_id": "reader", "scopes": ["secrets:read"], "read": ["shared/**"]}},
 "$clients": {"billing": {"secret": "billing-secret", "write": []}}}
"""

YAML = """
environments/development/db: {user: app, password: seed-canary, ports: [1, 2]}
shared/tls:
  nested: {deep: true}
$about:
  environments/development/db:
    secret_type: json
    metadata: {tags: [db]}
    options: {expires_in: 90d}
$tokens:
  reader-token: {identity_id: reader, scopes: ["secrets:read"], read: ["shared/**"]}
$clients:
  billing: {secret: billing-secret, write: []}
"""


def write(directory: Path, name: str, text: str) -> Path:
    file = directory / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "text"), [("s.toml", TOML), ("s.json", JSON), ("s.yaml", YAML), ("s.YML", YAML)]
)
def test_seeds(server: DevServer, connect, tmp_path: Path, name: str, text: str) -> None:
    """TOML, JSON and YAML say the same: secrets, what is known of them, tokens and clients."""
    server.seed(write(tmp_path, name, text))
    http = connect(server)
    secret = http.get("/v1/secrets/environments/development/db").json()
    assert secret["data"] == {"user": "app", "password": "seed-canary", "ports": [1, 2]}
    assert (secret["secret_type"], secret["metadata"]) == ("json", {"tags": ["db"]})
    assert secret["expires_at"] == "2027-04-15T08:00:00.000Z"
    assert http.get("/v1/secrets/shared/tls").json()["data"] == {"nested": {"deep": True}}

    reader = connect(server, "reader-token")
    assert reader.get("/v1/auth/whoami").json()["identity_id"] == "reader"
    assert reader.get("/v1/secrets/shared/tls").status_code == 200
    assert reader.get("/v1/secrets/environments/development/db").status_code == 403

    form = {"client_id": "billing", "client_secret": "billing-secret"}
    asked = httpx.post(
        f"{server.url}/oauth/token", data={"grant_type": "client_credentials", **form}
    )
    client = connect(server, asked.json()["access_token"])
    assert client.get("/v1/secrets/shared/tls").status_code == 200
    assert client.put("/v1/secrets/shared/tls", json={"data": {}}).status_code == 403


@pytest.mark.parametrize(("name", "text"), [("s.yaml", ""), ("s.toml", ""), ("s.json", "{}")])
def test_an_empty_seed(server: DevServer, tmp_path: Path, name: str, text: str) -> None:
    """A seed may be empty."""
    server.seed(write(tmp_path, name, text))


def test_a_seed_leaves_what_was_written(server: DevServer, http, tmp_path: Path) -> None:
    """Paths that were written or deleted since keep that; new ones are added."""
    server.put("changed", {"x": "mine"})
    server.put("deleted", {"x": "mine"})
    server.delete("deleted")
    server.seed(write(tmp_path, "s.toml", "changed.x = 1\ndeleted.x = 1\nnew.x = 1\n"))
    assert http.get("/v1/secrets/changed").json()["data"] == {"x": "mine"}
    assert http.get("/v1/secrets/deleted").status_code == 404
    assert http.get("/v1/secrets/new").json()["data"] == {"x": 1}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.txt", "", "name it .toml, .json, .yaml or .yml"),
        ("s.toml", 'a.x = "canary\nb', "it is not TOML (line 1, column 14)"),
        ("s.toml", 'a.x = "canary', "it is not TOML (end of document)"),
        ("s.toml", 'a.x = "canary"\nb', "it is not TOML"),
        ("s.json", '{"a": "canary"', "it is not JSON (line 1, column 15)"),
        ("s.yaml", "a: {x: canary\nb: ]", "it is not YAML (line 2, column 2)"),
        ("s.yaml", "a: \x01canary", "it is not YAML"),
        ("s.json", '["canary"]', "paths with their data are needed"),
        ("s.json", '{"a": "canary"}', "a: its data has to be a table"),
        ("s.toml", "a.x = 2026-01-01", "(put dates, and keys that are numbers, in quotes)"),
        ("s.json", '{"a/b": {"x": 1}, "a/b": {"x": "canary"}}', "an object repeats a key"),
        ("s.json", '{"a/b": {"x": 1, "x": "canary"}}', "an object repeats a key"),
        ("s.yaml", "a: {x: 1}\nb: {x: 1}\na: {x: canary}", "line 3 repeats a key"),
        ("s.yaml", "a: {x: 1, y: {z: 1,\n z: canary}}", "line 2 repeats a key"),
        ("s.toml", "a.x = 1\na.x = 'canary'", "it is not TOML"),
        ("s.yaml", "a: {1: canary}", "a: its data has to be a table"),
        ("s.yaml", "1: {x: canary}", "1 is not a path: put it in quotes"),
        ("s.toml", '[A]\nx = "canary"', "A: a path is at most 10 levels"),
        ("s.json", '{"$about": {"a": {}}}', '"$about" names a, which has no data here'),
        ("s.json", '{"$about": []}', '"$about" has to hold tables'),
        ("s.json", '{"$tokens": {"canary": 1}}', '"$tokens" has to hold tables'),
        (
            "s.json",
            '{"a": {}, "$about": {"a": {"secret_type": "canary"}}}',
            "a: secret_type: Input should be 'kv'",
        ),
        (
            "s.json",
            '{"$tokens": {"canary": {"reads": []}}}',
            "reads: There is no such key; there are",
        ),
        (
            "s.json",
            '{"$tokens": {"canary": {"read": "canary"}}}',
            "read: Input should be a valid list",
        ),
        (
            "s.json",
            '{"$tokens": {"canary": {"tenant_id": 1}}}',
            "tenant_id: Input should be a valid string",
        ),
        ("s.yaml", "$tokens: {1: {}}", '"$tokens" has a key that is not a text'),
        ("s.yaml", "$about: {1: {}, a: {}}", '"$about" has a key that is not a text'),
        (
            "s.json",
            '{"$clients": {"billing": {"secret": "canary", "identity_id": "x"}}}',
            "$clients.billing: identity_id: There is no such key",
        ),
        ("s.json", '{"$clients": {"billing": {}}}', "$clients.billing: secret: Field required"),
    ],
)
def test_malformed_seeds(
    server: DevServer, tmp_path: Path, name: str, text: str, said: str
) -> None:
    """The error names the file, the place and the way out, and no value; nothing is written."""
    file = write(tmp_path, name, text)
    with pytest.raises(ConfigurationError) as caught:
        server.seed(file)
    error: BaseException | None = caught.value
    assert str(error).startswith(f"seed {file}: ")
    assert said in str(error)
    while error is not None:
        assert "canary" not in repr(error)
        assert "canary" not in repr(vars(error))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("s.toml", '[a.b.c]\nx = "canary"', "a/b/c"),
        ("s.toml", '[a.b]\nx = "canary"\n[a.c]\nx = 1', "a/b"),
        ("s.toml", 'a.b.c = "canary"', "a/b"),
        ("s.json", '{"a": {"b": {"c": {"x": "canary"}}}}', "a/b/c"),
        ("s.json", '{"a": {"b": {}}}', "a/b"),
        ("s.yaml", "a:\n  b:\n    c: {x: canary}\n  d: {}", "a/b/c"),
    ],
)
def test_a_path_in_pieces(
    server: DevServer, tmp_path: Path, name: str, text: str, meant: str
) -> None:
    """Tables in tables look like a path that was not quoted: the error says how to write it."""
    with pytest.raises(ConfigurationError, match="a holds only tables") as caught:
        server.seed(write(tmp_path, name, text))
    assert f'["{meant}"]' in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.toml", '[a.b]\nx = 1\n["$about".a]'),
        ("s.json", '{"a": {"b": {"x": 1}}, "$about": {"a": {}}}'),
        ("s.yaml", "a: {b: {x: 1}}\n$about: {a: {}}"),
    ],
)
def test_a_secret_of_tables(server: DevServer, http, tmp_path: Path, name: str, text: str) -> None:
    """What "$about" names is a path, and its data may be tables only."""
    server.seed(write(tmp_path, name, text))
    assert http.get("/v1/secrets/a").json()["data"] == {"b": {"x": 1}}


def test_nested_data(server: DevServer, http, tmp_path: Path) -> None:
    """Tables beside a field, an empty secret and those of a path with a slash are data."""
    text = '[a]\nx = 1\n[a.b]\ny = 1\n["c/d".e]\nz = 1\n[f]\n'
    server.seed(write(tmp_path, "s.toml", text))
    for path, data in (("a", {"x": 1, "b": {"y": 1}}), ("c/d", {"e": {"z": 1}}), ("f", {})):
        assert http.get(f"/v1/secrets/{path}").json()["data"] == data


@pytest.mark.parametrize("name", ["s.toml", "s.json", "s.yaml"])
def test_a_byte_order_mark(server: DevServer, http, tmp_path: Path, name: str) -> None:
    """The mark that some editors put first is no part of the text."""
    text = {"s.toml": "a.x = 1", "s.json": '{"a": {"x": 1}}', "s.yaml": "a: {x: 1}"}[name]
    server.seed(write(tmp_path, name, f"\ufeff{text}"))
    assert http.get("/v1/secrets/a").json()["data"] == {"x": 1}


def test_a_file_by_its_name(server: DevServer, http, tmp_path: Path) -> None:
    """A seed may be named by a text as well as by a path."""
    server.seed(str(write(tmp_path, "s.toml", "a.x = 1")))
    assert http.get("/v1/secrets/a").status_code == 200


def test_yaml_without_its_library(
    server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seed in YAML says what to install if that is missing."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'scaivault-config\[yaml\]', or"):
        server.seed(write(tmp_path, "s.yaml", ""))


def test_seeds_that_cannot_be_read(server: DevServer, tmp_path: Path) -> None:
    """A missing file, a directory and bytes that aren't text each say so."""
    (tmp_path / "d.toml").mkdir()
    (tmp_path / "b.toml").write_bytes(b"\xff")
    for name, said in (
        ("missing.toml", "No such file"),
        ("d.toml", "Is a directory"),
        ("b.toml", "it is not UTF-8 text"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            server.seed(tmp_path / name)
