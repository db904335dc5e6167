"""ScaiVault's operations table, row by row, over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from vaultconfig.devserver import DevServer

DB = "environments/production/db"


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_whoami_describes_the_identity(server: DevServer, connect) -> None:
    """Whoami names the identity, its tenant and its scopes."""
    token = server.add_token(
        identity_id="svc-1", scopes=("secrets:read",), partner_id="p1", expires_in=60
    )
    assert connect(server, token).get("/v1/auth/whoami").json() == {
        "identity_id": "svc-1",
        "identity_type": "service_account",
        "tenant_id": "dev",
        "partner_id": "p1",
        "scopes": ["secrets:read"],
        "display_name": "svc-1",
        "groups": [],
        "roles": [],
        "token_expires_at": "2027-01-15T08:01:00.000Z",
    }


def test_first_put_creates(http: httpx.Client) -> None:
    """The first write answers with version 1 and created, never with the data."""
    answer = http.put(f"/v1/secrets/{DB}", json={"data": {"user": "app"}, "secret_type": "json"})
    assert answer.status_code == 201
    assert answer.json() == {
        "path": DB,
        "secret_type": "json",
        "version": 1,
        "created": True,
        "created_at": "2027-01-15T08:00:00.000Z",
    }


def test_second_put_updates(http: httpx.Client) -> None:
    """A further write answers with its number and the previous one."""
    http.put(f"/v1/secrets/{DB}", json={"data": {"user": "app"}})
    answer = http.put(f"/v1/secrets/{DB}", json={"data": {"user": "app2"}})
    assert answer.status_code == 200
    assert answer.json() == {
        "path": DB,
        "version": 2,
        "created": False,
        "previous_version": 1,
        "updated_at": "2027-01-15T08:00:00.000Z",
    }


def test_get_returns_the_newest_version(http: httpx.Client, clock) -> None:
    """A read gives the newest data with everything that is known of it."""
    metadata = {"description": "the database", "tags": ["db", "eu"]}
    options = {"expires_in": "90d", "rotation_policy_id": "rp-1"}
    http.put(f"/v1/secrets/{DB}", json={"data": {"user": "old"}})
    clock.advance(1)
    body = {"data": {"user": {"first": "ä\ud800"}}, "metadata": metadata, "options": options}
    http.put(f"/v1/secrets/{DB}", content=json.dumps(body))
    assert http.get(f"/v1/secrets/{DB}").json() == {
        "path": DB,
        "secret_type": "kv",
        "version": 2,
        "data": {"user": {"first": "ä\ud800"}},
        "metadata": metadata,
        "created_at": "2027-01-15T08:00:00.000Z",
        "updated_at": "2027-01-15T08:00:01.000Z",
        "expires_at": "2027-04-15T08:00:01.000Z",
        "rotation_policy_id": "rp-1",
    }


def test_an_update_keeps_what_it_does_not_name(server: DevServer, http: httpx.Client) -> None:
    """Type and metadata stay those of the last version; an empty metadata object clears them."""
    server.put(DB, {"a": 1}, secret_type="api_key", metadata={"tags": ["x"]})
    server.put(DB, {"a": 2})
    second = http.get(f"/v1/secrets/{DB}").json()
    assert (second["secret_type"], second["metadata"]) == ("api_key", {"tags": ["x"]})
    server.put(DB, {"a": 3}, metadata={})
    assert http.get(f"/v1/secrets/{DB}").json()["metadata"] == {}


def test_a_pinned_version_stays_readable(server: DevServer, http: httpx.Client) -> None:
    """``?version=1`` gives the first data after an update."""
    server.put(DB, {"user": "old"})
    server.put(DB, {"user": "new"})
    pinned = http.get(f"/v1/secrets/{DB}", params={"version": 1}).json()
    assert (pinned["version"], pinned["data"]) == (1, {"user": "old"})


def test_versions_age_out(server: DevServer, http: httpx.Client) -> None:
    """With max_versions 2 the third write leaves versions 2 and 3, and the limit is kept."""
    server.put(DB, {"n": 1}, max_versions=2)
    server.put(DB, {"n": 2})
    server.put(DB, {"n": 3})
    found = [http.get(f"/v1/secrets/{DB}", params={"version": n}) for n in (1, 2, 3, 4)]
    assert [answer.status_code for answer in found] == [404, 200, 200, 404]
    assert code(found[0]) == (404, "version_not_found")
    assert code(found[3]) == (404, "version_not_found")


@pytest.mark.parametrize("version", ["0", "-1", "x", "", "1.0", "٣", "9" * 5000])
def test_a_version_is_a_whole_number(server: DevServer, http: httpx.Client, version: str) -> None:
    """A version that is not a number from 1 is a validation error that names the parameter."""
    server.put(DB, {"n": 1})
    answer = http.get(f"/v1/secrets/{DB}", params={"version": version})
    assert code(answer) == (422, "validation_error")
    assert list(answer.json()["error"]["details"]["fields"]) == ["version"]


def test_delete_is_soft(server: DevServer, http: httpx.Client, clock) -> None:
    """A deleted secret is not found, in any version, and its numbers go on when it comes back."""
    server.put(DB, {"n": 1})
    assert http.delete(f"/v1/secrets/{DB}").status_code == 200
    for version in ({}, {"version": 1}):
        answer = http.get(f"/v1/secrets/{DB}", params=version)
        assert code(answer) == (404, "secret_not_found")
    assert code(http.delete(f"/v1/secrets/{DB}")) == (404, "secret_not_found")
    clock.advance(1)
    again = http.put(f"/v1/secrets/{DB}", json={"data": {"n": 2}}).json()
    assert (again["version"], again["created"]) == (2, True)
    assert again["created_at"] == "2027-01-15T08:00:01.000Z"
    old = http.get(f"/v1/secrets/{DB}", params={"version": 1})
    assert code(old) == (404, "version_not_found")
    third = http.put(f"/v1/secrets/{DB}", json={"data": {"n": 3}}).json()
    assert (third["version"], third["created"]) == (3, False)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "a/%2E%2E/b",
        "A/b",
        "a.b",
        "a b",
        "a%3Fb",
        "a%23b",
        "a%0A",
        "a%0Ab",
        "%C3%A4",
        "/".join("abcdefghijk"),
        "a" * 513,
    ],
)
def test_invalid_paths(http: httpx.Client, path: str) -> None:
    """A path outside the documented alphabet, depth and length is invalid_path."""
    for method in ("GET", "PUT", "DELETE"):
        answer = http.request(method, f"/v1/secrets/{path}")
        assert code(answer) == (400, "invalid_path")


@pytest.mark.parametrize("path", ["a", "/".join("abcdefghij"), "a" * 512, "a-b_9/0", "batch"])
def test_valid_paths(http: httpx.Client, path: str) -> None:
    """Ten levels and 512 characters are allowed, and so is a secret called batch."""
    assert http.put(f"/v1/secrets/{path}", json={"data": {}}).status_code == 201
    assert http.get(f"/v1/secrets/{path}").json()["path"] == path


@pytest.mark.parametrize(
    "body",
    ["", "[]", "nul", '{"data": {"a": NaN}}', b"\xff", "[" * 100_000],
)
def test_a_body_has_to_be_a_json_object(http: httpx.Client, body: str | bytes) -> None:
    """What isn't a JSON object is invalid_request."""
    assert code(http.put(f"/v1/secrets/{DB}", content=body)) == (400, "invalid_request")
    assert code(http.post("/v1/secrets/batch", content=body)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data"),
        ({"data": "text"}, "data"),
        ({"data": [1]}, "data"),
        ({"data": {}, "secret_type": "password"}, "secret_type"),
        ({"data": {}, "metadata": 1}, "metadata"),
        ({"data": {}, "metadata": {"description": 1}}, "metadata.description"),
        ({"data": {}, "metadata": {"tags": "a"}}, "metadata.tags"),
        ({"data": {}, "metadata": {"tags": [1]}}, "metadata.tags"),
        ({"data": {}, "options": []}, "options"),
        ({"data": {}, "options": {"max_versions": 0}}, "options.max_versions"),
        ({"data": {}, "options": {"max_versions": True}}, "options.max_versions"),
        ({"data": {}, "options": {"expires_in": "90"}}, "options.expires_in"),
        ({"data": {}, "options": {"expires_in": "0d"}}, "options.expires_in"),
        ({"data": {}, "options": {"expires_in": 90}}, "options.expires_in"),
        ({"data": {}, "options": {"rotation_policy_id": 1}}, "options.rotation_policy_id"),
    ],
)
def test_a_body_with_wrong_fields(http: httpx.Client, body: object, field: str) -> None:
    """A field that holds what it may not is named, and nothing is written."""
    answer = http.put(f"/v1/secrets/{DB}", json=body)
    assert code(answer) == (422, "validation_error")
    assert list(answer.json()["error"]["details"]["fields"]) == [field]
    assert code(http.get(f"/v1/secrets/{DB}")) == (404, "secret_not_found")


def test_every_answer_has_a_request_id(http: httpx.Client) -> None:
    """X-Request-ID is on every answer, different each time, and equal to the envelope's."""
    ids = set()
    for path in ("/v1/health", "/v1/auth/whoami", "/nowhere", "/v1/secrets/a", "/v1/secrets"):
        answer = http.get(path)
        ids.add(answer.headers["X-Request-ID"])
        if path == "/v1/secrets/a":
            assert answer.json()["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/v1/health", "/v1/health/ready", "/v1/version"])
def test_health_needs_no_token(server: DevServer, path: str) -> None:
    """Health, readiness and version answer everybody."""
    assert httpx.get(server.url + path).status_code == 200


def test_unknown_places(http: httpx.Client) -> None:
    """An unknown URL is 404 and a known one with another method 405, without the envelope."""
    assert http.get("/v2/secrets").status_code == 404
    assert http.post("/v1/secrets/a").status_code == 405


def test_quickstart_only_knows_the_quickstart(connect) -> None:
    """Such a server writes, reads, pins and lists, and knows nothing else."""
    with DevServer(quickstart_only=True) as server:
        http = connect(server)
        assert http.put("/v1/secrets/a", json={"data": {"x": 1}}).status_code == 201
        assert set(http.get("/v1/secrets/a", params={"version": 1}).json()) == {
            *("path", "secret_type", "version", "data", "metadata", "created_at", "updated_at")
        }
        assert len(http.get("/v1/secrets").json()["secrets"]) == 1
        assert set(http.get("/v1/auth/whoami").json()) == {
            *("identity_id", "identity_type", "tenant_id", "partner_id", "scopes")
        }
        assert http.post("/v1/secrets/batch", json={"paths": ["a"]}).status_code == 405
        assert http.delete("/v1/secrets/a").status_code == 405
        for missing in ("/v1/health", "/v1/health/ready", "/v1/version"):
            assert http.get(missing).status_code == 404
        assert http.post("/oauth/token").status_code == 404
