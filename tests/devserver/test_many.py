"""Reading many secrets at once, and listing them over pages."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from vaultconfig.devserver import DevServer


def batch(http: httpx.Client, *paths: str, **options: Any) -> httpx.Response:
    return http.post("/v1/secrets/batch", json={"paths": paths, "options": options})


def test_a_batch_is_a_partial_success(server: DevServer, http: httpx.Client) -> None:
    """Missing, denied and malformed paths stand beside the secrets that were read."""
    server.put("a", {"x": 1})
    server.put("b/secret", {"x": 2})
    server.deny("b/**")
    answer = batch(http, "a", "b/secret", "b/missing", "c", "D", "a")
    assert answer.status_code == 200
    body = answer.json()
    assert body["secrets"] == {"a": {"data": {"x": 1}, "version": 1, "secret_type": "kv"}}
    assert {path: error["code"] for path, error in body["errors"].items()} == {
        "b/secret": "access_denied",
        "b/missing": "access_denied",
        "c": "secret_not_found",
        "D": "invalid_path",
    }
    assert all(set(error) == {"code", "message"} for error in body["errors"].values())


def test_a_batch_describes_on_request(server: DevServer, http: httpx.Client) -> None:
    """``include_metadata`` adds metadata and times, expires_at among them."""
    server.put("a", {"x": 1}, metadata={"tags": ["t"]}, expires_in="60s")
    described = batch(http, "a", include_metadata=True).json()["secrets"]["a"]
    assert described["metadata"] == {"tags": ["t"]}
    assert described["expires_at"] == "2027-01-15T08:01:00.000Z"


def test_a_batch_pins_all_its_paths(server: DevServer, http: httpx.Client) -> None:
    """``options.version`` is for every path; one without it is version_not_found."""
    for number in (1, 2):
        server.put("a", {"n": number})
    server.put("b", {"n": 1})
    body = batch(http, "a", "b", version=2).json()
    assert body["secrets"]["a"]["data"] == {"n": 2}
    assert body["errors"]["b"]["code"] == "version_not_found"


def test_fail_fast_fails_the_whole_batch(server: DevServer, http: httpx.Client) -> None:
    """With ``fail_fast`` the first failure is the answer."""
    server.put("a", {"x": 1})
    answer = batch(http, "a", "missing", "B", fail_fast=True)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "secret_not_found"
    assert batch(http, "a", fail_fast=True).json()["errors"] == {}


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_batches_up_to_the_limit(server: DevServer, http: httpx.Client, count: int) -> None:
    """A batch holds up to 100 paths."""
    paths = [f"p/{number}" for number in range(count)]
    for number, path in enumerate(paths):
        server.put(path, {"n": number})
    secrets = batch(http, *paths).json()["secrets"]
    assert [secret["data"]["n"] for secret in secrets.values()] == list(range(count))


def test_a_batch_over_the_limit(http: httpx.Client) -> None:
    """101 paths are a validation error."""
    answer = batch(http, *(f"p/{number}" for number in range(101)))
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["fields"] == {"paths": "at most 100 paths"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "paths"),
        ({"paths": "a"}, "paths"),
        ({"paths": [1]}, "paths"),
        ({"paths": [], "options": [1]}, "options"),
        ({"paths": [], "options": {"version": 0}}, "options.version"),
        ({"paths": [], "options": {"version": True}}, "options.version"),
        ({"paths": [], "options": {"fail_fast": 1}}, "options.fail_fast"),
        ({"paths": [], "options": {"include_metadata": "yes"}}, "options.include_metadata"),
    ],
)
def test_a_batch_with_wrong_fields(http: httpx.Client, body: object, field: str) -> None:
    """Each field of a batch is checked and named."""
    answer = http.post("/v1/secrets/batch", json=body)
    assert answer.json()["error"]["code"] == "validation_error"
    assert list(answer.json()["error"]["details"]["fields"]) == [field]


def pages(http: httpx.Client, **params: Any) -> list[list[str]]:
    found, cursor = [], {}
    while True:
        page = http.get("/v1/secrets", params={**params, **cursor}).json()
        found.append([secret["path"] for secret in page["secrets"]])
        assert page["has_more"] == (page["cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = {"cursor": page["cursor"]}


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, [0]), (1, [1]), (2, [2]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])]
)
def test_pages(server: DevServer, http: httpx.Client, count: int, sizes: list[int]) -> None:
    """Pages hold up to *limit* paths, each path once, and the last says that it is."""
    paths = sorted(f"p/{number}" for number in range(count))
    for path in paths:
        server.put(path, {})
    found = pages(http, prefix="p/", limit=3)
    assert [len(page) for page in found] == sizes
    assert [path for page in found for path in page] == paths


def test_a_list_describes_without_data(server: DevServer, http: httpx.Client) -> None:
    """A listed secret shows path, type, version, time and tags."""
    server.put("a/b", {"x": 1}, metadata={"tags": ["t"]})
    server.put("a/c", {"x": 1}, metadata={"tags": None})
    server.put("other", {"x": 1})
    first, second = http.get("/v1/secrets", params={"prefix": "a/"}).json()["secrets"]
    assert first == {
        "path": "a/b",
        "secret_type": "kv",
        "version": 1,
        "updated_at": "2027-01-15T08:00:00.000Z",
        "tags": ["t"],
    }
    assert second["tags"] == []


def test_a_list_holds_what_may_be_read(server: DevServer, connect) -> None:
    """Deleted secrets and those of others don't show, and don't count for a page."""
    for path in ("a/1", "b/1", "a/2", "a/3"):
        server.put(path, {})
    server.delete("a/2")
    token = server.add_token(read=("a/*",))
    assert pages(connect(server, token), limit=1) == [["a/1"], ["a/3"]]


def test_a_page_goes_on_after_a_change(server: DevServer, http: httpx.Client) -> None:
    """A path that is deleted between two pages neither repeats nor hides another."""
    for path in "abcd":
        server.put(path, {})
    first = http.get("/v1/secrets", params={"limit": 2}).json()
    server.delete("b")
    second = http.get("/v1/secrets", params={"cursor": first["cursor"]}).json()
    assert [secret["path"] for secret in second["secrets"]] == ["c", "d"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"limit": "0"}, 422),
        ({"limit": "1"}, 200),
        ({"limit": "100"}, 200),
        ({"limit": "101"}, 422),
        ({"limit": "x"}, 422),
        ({"cursor": "???"}, 400),
        ({"cursor": "_w=="}, 400),
    ],
)
def test_list_parameters(http: httpx.Client, params: dict[str, str], status: int) -> None:
    """A limit is 1 to 100, and a cursor one that the server gave out."""
    assert http.get("/v1/secrets", params=params).status_code == status
