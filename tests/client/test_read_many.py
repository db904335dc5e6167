"""Many secrets in few requests."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from tests.client.scripted import Reply, envelope, secret
from tests.client.test_operations import ODD_SECRETS
from vaultconfig import errors
from vaultconfig.client import StaticToken, VaultClient
from vaultconfig.client.transport import MOST_CONNECTIONS
from vaultconfig.secret import Secret


def batch_of(asked, **failing):
    """Answer a batch: a secret for each path, but for those in *failing*."""
    paths = asked.json["paths"]
    return Reply(
        body={
            "secrets": {p: {"data": {"p": p}, "version": 1} for p in paths if p not in failing},
            "errors": {p: {"code": failing[p], "message": "m"} for p in paths if p in failing},
        }
    )


def single_of(asked):
    path, _, query = asked.target.removeprefix("/v1/secrets/").partition("?version=")
    return Reply(body=secret(path, version=int(query or 1), data={"p": path}))


def either(asked):
    return batch_of(asked) if asked.method == "POST" else single_of(asked)


@pytest.mark.parametrize(
    ("count", "posts", "gets"),
    [(0, 0, 0), (1, 0, 1), (2, 1, 0), (99, 1, 0), (100, 1, 0), (101, 2, 0), (201, 3, 0)],
)
def test_how_many_requests(vault, client, count, posts, gets):
    """Paths go in batches of at most 100; one path alone is a single read."""
    vault.respond = either
    paths = [f"a/{i}" for i in range(count)]
    found = client.read_many(paths)
    assert {path: found[path].data["p"] for path in paths} == {path: path for path in paths}
    assert list(found) == paths
    methods = [asked.method for asked in vault.asked]
    assert (methods.count("POST"), methods.count("GET")) == (posts, gets)
    assert all(len(a.json["paths"]) <= 100 for a in vault.asked if a.method == "POST")


def test_the_wire(vault, client):
    """A batch is a POST of the paths with partial success; it may bring metadata and expiry."""
    item = {"data": {}, "version": 7, "metadata": {"tags": []}, "expires_at": "2030-01-01"}
    vault.script(Reply(body={"secrets": {"a": item, "b": item}}))
    found = client.read_many(["a", "b"])
    (asked,) = vault.asked
    assert (asked.method, asked.target) == ("POST", "/v1/secrets/batch")
    assert asked.json == {
        "paths": ["a", "b"],
        "options": {"include_metadata": True, "fail_fast": False},
    }
    assert found["b"].version == 7
    assert found["b"].metadata == {"tags": []}
    assert found["b"].expires_at.year == 2030


ODD_ENTRIES = ODD_SECRETS | {
    "7": "is not an object",
    "[]": "is not an object",
}


@pytest.mark.parametrize(("entry", "fault"), ODD_ENTRIES.items(), ids=range(len(ODD_ENTRIES)))
def test_an_odd_entry_in_a_batch(vault, client, entry, fault):
    """It is the error of its own path; the others are taken from the same answer, or alone."""
    good = '{"data": {"s": "x"}, "version": 2}'

    def respond(asked):
        if asked.method == "GET":
            return Reply(200, (entry if asked.target.endswith("/b") else good).encode())
        return Reply(200, f'{{"secrets": {{"a": {good}, "b": {entry}, "c": {good}}}}}'.encode())

    vault.respond = respond
    found = client.read_many(["a", "b", "c"])
    assert [found["a"].version, found["c"].version] == [2, 2]
    assert type(found["b"]) is errors.SecretError
    assert fault in str(found["b"])
    assert "CANARY" not in str(found["b"])
    # What is nested so deeply that the parser gives up spoils the answer, but not the reads.
    assert len(vault.asked) == (4 if "[" * 9999 in entry else 1)


LEFT_OPEN = [
    {"secrets": {"a": {"data": {"p": "a"}, "version": 1}}},
    {"secrets": {"a": {"data": {"p": "a"}, "version": 1}, "b": None}, "errors": {"b": None}},
    *(
        {"secrets": {"a": {"data": {"p": "a"}, "version": 1}}, "errors": {"b": error}}
        for error in ({"message": "CANARY"}, {}, "there is no CANARY", "", 404, ["x"], {"code": 1})
    ),
]


@pytest.mark.parametrize("body", LEFT_OPEN)
def test_a_path_that_a_batch_leaves_open(vault, client, body):
    """It is read alone, which tells what became of it."""
    gone = envelope("secret_not_found", status=404)
    vault.respond = lambda asked: Reply(body=body) if asked.method == "POST" else gone
    found = client.read_many(["a", "b"])
    assert found["a"].data == {"p": "a"}
    assert type(found["b"]) is errors.SecretNotFoundError
    vault.respond = lambda asked: Reply(body=body) if asked.method == "POST" else single_of(asked)
    assert client.read_many(["a", "b"])["b"].data == {"p": "b"}
    targets = [asked.target for asked in vault.asked]
    assert targets == ["/v1/secrets/batch", "/v1/secrets/b"] * 2  # and the batch is not given up


def test_a_batch_that_gives_nothing(vault, client):
    """A null in place of the secrets is as good as none, beside an error for each path."""
    no = {"code": "access_denied"}
    vault.script(Reply(body={"secrets": None, "errors": {"a": no, "b": no}}))
    found = client.read_many(["a", "b"])
    assert {type(error) for error in found.values()} == {errors.AccessDeniedError}


@pytest.mark.parametrize(
    "error",
    [
        "SECRET_NOT_FOUND",
        "secret-not-found",
        *({"code": c} for c in ("Secret_Not_Found", "SECRET-NOT-FOUND")),
    ],
)
def test_codes_of_a_path_in_whatever_case(vault, client, error):
    """Inside the vault's own answer a code is known however it is written."""
    vault.script(Reply(body={"secrets": {"a": secret("a")}, "errors": {"b": error}}))
    found = client.read_many(["a", "b"])
    assert type(found["b"]) is errors.SecretNotFoundError
    assert len(vault.asked) == 1


def test_a_batch_of_status_207(vault, client):
    """A batch that says by its status that it is partial is taken as any other."""
    body = {"secrets": {"a": secret("a")}, "errors": {"b": {"code": "access_denied"}}}
    vault.script(Reply(207, body))
    found = client.read_many(["a", "b"])
    assert (found["a"].version, type(found["b"])) == (1, errors.AccessDeniedError)
    assert len(vault.asked) == 1


@pytest.mark.parametrize(("status", "code"), [(400, "invalid_path"), (422, "validation_error")])
def test_a_batch_refused_for_one_path(vault, client, status, code):
    """A bad path that takes its batch down gets an error of its own; the others are read."""

    def respond(asked):
        if asked.method == "POST" and "bad" in asked.json["paths"]:
            return envelope(code, status=status)
        return envelope(code, status=status) if asked.target.endswith("/bad") else either(asked)

    vault.respond = respond
    found = client.read_many(["a", "bad", "b"])
    assert type(found["bad"]) is errors.SecretError
    assert (found["a"].version, found["b"].version) == (1, 1)
    assert len(vault.asked) == 4
    client.read_many(["a", "b"])
    assert vault.asked[-1].method == "POST"  # not remembered


def test_duplicates_and_pins(vault, client):
    """A path is read once however often it is named; a pinned version is a read of its own."""
    vault.respond = either
    found = client.read_many(["a", "b", "a", ("a", 2), ("a", 2), ("b", 3)])
    assert {key: s.version for key, s in found.items()} == {
        "a": 1,
        "b": 1,
        ("a", 2): 2,
        ("b", 3): 3,
    }
    assert sorted(asked.target for asked in vault.asked) == [
        "/v1/secrets/a?version=2",
        "/v1/secrets/b?version=3",
        "/v1/secrets/batch",
    ]


def test_one_request_runs_in_the_calling_thread(vault, client, monkeypatch):
    """A single request, batch or not, starts no thread of ours."""
    vault.respond = either

    def refuse(*args, **options):
        raise AssertionError("a thread was made")

    monkeypatch.setattr("vaultconfig.client.reading.threading", SimpleNamespace(Thread=refuse))
    assert len(client.read_many(["a", "b"])) == 2
    assert len(client.read_many([("a", 1)])) == 1


def test_partial_success(vault, client):
    """Each path has its own outcome, whatever happened to the others."""
    codes = {
        "gone": "secret_not_found",
        "closed": "access_denied",
        "odd": "invalid_path",
        "new": "some_new_code",
        "Weird": "no code: TEXT-CANARY",
    }
    alone = envelope("TEXT-CANARY", status=400)
    vault.respond = lambda asked: batch_of(asked, **codes) if asked.method == "POST" else alone
    found = client.read_many(["ok", *codes, "a/../b"])
    assert isinstance(found["ok"], Secret)
    assert type(found["gone"]) is errors.SecretNotFoundError
    assert type(found["closed"]) is errors.AccessDeniedError
    assert type(found["odd"]) is errors.SecretError
    assert "invalid_path" in str(found["odd"])
    assert "answered 400" in str(found["new"])  # alone, its status tells
    assert "answered 400" in str(found["Weird"])
    assert "CANARY" not in str(found["Weird"])
    assert not any("None" in str(error) for error in found.values())
    assert "'..'" in str(found["a/../b"])
    assert "a/../b" not in vault.asked[0].json["paths"]


def test_only_bad_paths(vault, client):
    """Where no path is one, nothing is sent."""
    assert "is not a secret's path" in str(client.read_many(["..", ("..", 1)])["..", 1])
    assert vault.asked == []


@pytest.mark.parametrize("refusal", [Reply(404), Reply(405, b"no"), Reply(501, b"<html>")])
def test_a_vault_without_batch(vault, client, refusal):
    """Where there is no batch read, single reads do, and that is remembered."""
    vault.respond = lambda asked: refusal if asked.method == "POST" else single_of(asked)
    paths = [f"a/{i}" for i in range(101)]
    assert {p: s.data["p"] for p, s in client.read_many(paths).items()} == {p: p for p in paths}
    assert [a.method for a in vault.asked].count("GET") == 101
    before = len(vault.asked)
    client.read_many(paths[:3])
    assert [asked.method for asked in vault.asked[before:]] == ["GET"] * 3


@pytest.mark.parametrize("refusal", [Reply(404, b"<html>"), Reply(405), Reply(501)])
def test_a_missing_batch_is_remembered_once_a_read_works(vault, client, refusal):
    """A proxy's page to everything does not cost the batch for good; its absence alone does."""
    vault.script(refusal)
    with suppress(errors.VaultUnavailableError):
        client.read_many(["a", "b"])
    vault.asked.clear()
    vault.respond = either
    client.read_many(["a", "b"])
    assert [asked.method for asked in vault.asked] == ["POST"]
    vault.respond = lambda asked: refusal if asked.method == "POST" else single_of(asked)
    client.read_many(["a", "b"])
    vault.asked.clear()
    client.read_many(["a", "b"])
    assert [asked.method for asked in vault.asked] == ["GET", "GET"]


def test_a_page_in_place_of_some_secrets(vault, client):
    """In a vault without batch a proxy's page is no word about a secret; the vault's own is."""

    def respond(asked):
        if asked.method == "POST":
            return Reply(404, b"<html>")
        if asked.target.endswith("/page"):
            return Reply(404, b"<html>")
        if asked.target.endswith("/gone"):
            return envelope("secret_not_found", status=404)
        return single_of(asked)

    vault.respond = respond
    found = client.read_many(["a/ok", "a/gone", "a/page"])
    assert isinstance(found["a/ok"], Secret)
    assert type(found["a/gone"]) is errors.SecretNotFoundError
    assert type(found["a/page"]) is errors.VaultUnavailableError


def test_a_batch_that_speaks_of_a_secret(vault, client):
    """A 404 in the vault's words about a secret is about the batch if each secret is there."""
    no = envelope("secret_not_found", status=404)

    def respond(asked):
        return no if asked.method == "POST" or asked.target.endswith("/gone") else single_of(asked)

    vault.respond = respond
    for _ in range(2):
        assert isinstance(client.read_many(["a", "gone"])["a"], Secret)
    assert [asked.method for asked in vault.asked].count("POST") == 2
    for _ in range(2):
        assert isinstance(client.read_many(["a", "b"])["a"], Secret)
    assert [asked.method for asked in vault.asked].count("POST") == 3


def test_an_unknown_tenant_is_no_missing_batch(vault, client):
    """An unknown tenant is a refusal of us."""
    vault.script(envelope("tenant_not_found", status=404))
    with pytest.raises(errors.AuthenticationError, match="tenant_not_found"):
        client.read_many(["a", "b"])
    assert len(vault.asked) == 1


def test_at_most_eight_connections(vault):
    """Single reads run side by side: eight meet, no ninth connection is ever opened."""
    meeting = threading.Barrier(8, timeout=5)
    ports, lock = set(), threading.Lock()

    def respond(asked):
        if asked.method == "POST":
            return Reply(405)
        with lock:
            ports.add(asked.port)
        meeting.wait()
        return single_of(asked)

    vault.respond = respond
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        assert len(client.read_many([f"a/{i}" for i in range(40)])) == 40
    assert len(ports) <= 8


def test_a_refusal_of_the_whole_batch(vault, client):
    """A 401, or a 403 on the batch itself, is about us and comes bare."""
    for reply in (
        envelope("token_expired", status=401),
        envelope("insufficient_scope", status=403),
    ):
        vault.script(reply)
        with pytest.raises(errors.AuthenticationError) as caught:
            client.read_many(["a", "b"])
        assert caught.value.request_id == "req_1"
    assert len(vault.asked) == 2


def test_a_refused_token_among_single_reads(vault, client):
    """A 401 to one of several requests stops the others that have not begun."""
    vault.script(envelope("token_invalid", status=401))
    with pytest.raises(errors.AuthenticationError):
        client.read_many([("a", i) for i in range(1, 200)])
    assert len(vault.asked) < 100


def test_what_is_retried_is_what_failed(vault, client, clock):
    """Of a batch, the paths whose code may pass are asked for again, alone."""
    vault.script(
        Reply(
            body={
                "secrets": {"a": {"data": {}, "version": 1}},
                "errors": {
                    "b": {"code": "service_unavailable"},
                    "c": {"code": "internal_error"},
                    "d": {"code": "access_denied"},
                },
            }
        ),
        Reply(
            body={
                "secrets": {},
                "errors": {"b": {"code": "internal_error"}, "c": {"code": "internal_error"}},
            }
        ),
        Reply(body={"secrets": {"b": {"data": {}, "version": 9}}, "errors": {}}),
    )
    found = client.read_many(["a", "b", "c", "d"])
    assert [a.json["paths"] for a in vault.asked] == [["a", "b", "c", "d"], ["b", "c"], ["b"]]
    assert found["b"].version == 9
    assert type(found["c"]) is errors.VaultUnavailableError
    assert type(found["d"]) is errors.AccessDeniedError
    assert clock.slept == [0.1, 0.2]


def test_without_retries(vault, client, clock):
    """retry=False is one attempt, of the batch and of its paths."""
    vault.respond = lambda asked: batch_of(asked, b="service_unavailable")
    found = client.read_many(["a", "b"], retry=False)
    assert isinstance(found["a"], Secret)
    assert isinstance(found["b"], errors.VaultUnavailableError)
    vault.script(envelope("service_unavailable", status=503))
    with pytest.raises(errors.VaultUnavailableError):
        client.read_many(["a", "b"], retry=False)
    assert len(vault.asked) == 2
    assert clock.slept == []


def test_an_outage_beside_an_answer(vault, client):
    """While some path is answered, an outage is the value of the others; else it is raised."""
    down = envelope("service_unavailable", status=503)
    vault.respond = lambda asked: down if "?version" in asked.target else batch_of(asked)
    found = client.read_many(["a", "b", ("c", 1)], deadline=5)
    assert isinstance(found["a"], Secret)
    assert isinstance(found["c", 1], errors.VaultUnavailableError)
    with pytest.raises(errors.VaultUnavailableError):
        client.read_many([("c", 1), ("d", 1), ".."], deadline=5)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        {"secrets": []},
        {"errors": {}},
        {"secrets": None},
        {"secrets": [], "errors": {"a": {"code": "access_denied"}}},
        {"secrets": {}, "errors": ["a"]},
    ],
)
def test_a_batch_that_breaks_the_protocol(vault, client, body):
    """A batch answer without its shape is rejected whole, after one attempt."""
    vault.script(Reply(body=body))
    with pytest.raises(errors.ResponseError):
        client.read_many(["a", "b"])
    assert len(vault.asked) == 1


def test_a_limit_is_for_all_reads(vault, client):
    """Where the vault has no batch, the reads that are still to come are not sent past a limit."""
    limit = envelope("rate_limited", status=429, headers={"Retry-After": "60"})
    vault.respond = lambda asked: Reply(405) if asked.method == "POST" else limit
    with pytest.raises(errors.RateLimitedError):
        client.read_many([f"a{number}" for number in range(40)])
    assert len(vault.asked) <= 1 + 2 * MOST_CONNECTIONS  # of which some were under way


def test_what_is_under_way_ends_with_the_call(vault):
    """Once the token is rejected, no other read goes on trying behind the caller's back."""
    unavailable = envelope("service_unavailable", status=503)
    replies = {"/v1/secrets/a": envelope("token_revoked", status=401)}
    vault.respond = lambda asked: (
        Reply(405) if asked.method == "POST" else replies.get(asked.target, unavailable)
    )
    with VaultClient(vault.url, credentials=StaticToken("t"), deadline=60) as client:
        with pytest.raises(errors.AuthenticationError):
            client.read_many([*"abcd"])
        for thread in threading.enumerate():
            if thread.name == "vaultconfig-read":
                thread.join(20)
                assert not thread.is_alive()
