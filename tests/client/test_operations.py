"""Every row of ScaiVault's operations table, as it goes over the wire."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from tests.client.scripted import Reply, envelope, secret
from vaultconfig import errors
from vaultconfig.client import (
    Identity,
    SecretSummary,
    StaticToken,
    VaultClient,
    VaultHealth,
    WriteResult,
)
from vaultconfig.masking.values import is_masked


def test_whoami(vault, client):
    """Whoami is one GET, and absent fields are left out."""
    vault.script(
        Reply(
            body={
                "identity_id": "svc",
                "tenant_id": "t",
                "scopes": ["secrets:read"],
                "token_expires_at": "2030-01-02T03:04:05Z",
            }
        )
    )
    assert client.whoami() == Identity(
        "svc",
        tenant_id="t",
        scopes=("secrets:read",),
        token_expires_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert [(a.method, a.target) for a in vault.asked] == [("GET", "/v1/auth/whoami")]


def test_read(vault, client):
    """A read gives the newest version with its metadata, and values that print as asterisks."""
    vault.script(
        Reply(
            body=secret(
                version=3,
                metadata={"description": "d", "tags": ["t"]},
                expires_at="2030-01-01T00:00:00+00:00",
                data={"k": "v", "n": 1, "nested": {"x": [1.5, None, True]}},
            )
        )
    )
    found = client.read("a/b")
    assert vault.asked[0].target == "/v1/secrets/a/b"
    assert (found.path, found.version, found.secret_type) == ("a/b", 3, "kv")
    assert found.data == {"k": "v", "n": 1, "nested": {"x": [1.5, None, True]}}
    assert is_masked(found.data["k"])
    assert repr(found.metadata) == "{'description': 'd', 'tags': ['t']}"
    assert found.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert repr(found) == "Secret(path='a/b', version=3)"


def test_headers(vault, connect):
    """A request carries the token, our own user agent, and the tenant if there is one."""
    vault.script(Reply(body=secret()))
    connect(tenant="acme").read("a/b")
    connect().read("a/b")
    first, second = (asked.headers for asked in vault.asked)
    assert first["Authorization"] == "Bearer tok-CANARY"
    assert first["User-Agent"].startswith("vaultconfig/")
    assert (first["X-Tenant-ID"], second["X-Tenant-ID"]) == ("acme", None)
    assert first["Accept-Encoding"] == "identity"


def test_read_a_version(vault, client):
    """A pinned version is a query, and another version in the answer is not taken for it."""
    vault.script(Reply(body=secret(version=2)))
    assert client.read("a/b", version=2).version == 2
    assert vault.asked[0].target == "/v1/secrets/a/b?version=2"
    with pytest.raises(errors.SecretError, match="is version 2, not 1"):
        client.read("a/b", version=1)


def test_write(vault, client):
    """A write sends data, type and metadata, and options only where given."""
    vault.script(
        Reply(201, {"path": "a/b", "secret_type": "kv", "version": 1, "created": True}),
        Reply(200, {"path": "a/b", "version": 2, "created": False, "previous_version": 1}),
    )
    assert client.write("a/b", {"k": "v"}) == WriteResult("a/b", 1, created=True)
    assert client.write(
        "a/b",
        {"n": {"x": [1.5, 2, None]}},
        secret_type="json",
        description="d",
        tags=["t"],
        max_versions=5,
        expires_in="90d",
    ) == WriteResult("a/b", 2, created=False)
    assert [(a.method, a.target) for a in vault.asked] == [("PUT", "/v1/secrets/a/b")] * 2
    assert vault.asked[0].json == {
        "data": {"k": "v"},
        "secret_type": "kv",
        "metadata": {"tags": []},
    }
    assert vault.asked[1].json == {
        "data": {"n": {"x": [1.5, 2, None]}},
        "secret_type": "json",
        "metadata": {"description": "d", "tags": ["t"]},
        "options": {"max_versions": 5, "expires_in": "90d"},
    }
    assert vault.asked[0].headers["Content-Type"] == "application/json"


def test_a_write_that_is_accepted(vault, client):
    """A 202 with a version counts as written; without one the error says what to look at."""
    vault.script(Reply(202, {"path": "a/b", "version": 3}))
    assert client.write("a/b", {"k": "v"}) == WriteResult("a/b", 3, created=False)
    for reply in (Reply(204, b""), Reply(202, b""), Reply(202, {}), Reply(200, {"version": "3"})):
        vault.script(reply)
        vault.asked.clear()
        told = rf"the write of a/b \(status {reply.status}\) does not say which version it made"
        with pytest.raises(errors.ResponseError, match=f"{told}: read it"):
            client.write("a/b", {"k": "v"})
        assert len(vault.asked) == 1


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_write_what_json_cannot_hold(vault, client, value):
    """Data without a form in JSON is refused before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="JSON cannot represent"):
        client.write("a/b", {"k": value})
    assert vault.asked == []


def test_delete(vault, client):
    """A delete is one request, whose answer may be empty."""
    vault.script(Reply(204, b""), envelope("secret_not_found", status=404))
    client.delete("a/b")
    assert [(a.method, a.target) for a in vault.asked] == [("DELETE", "/v1/secrets/a/b")]
    with pytest.raises(errors.SecretNotFoundError):
        client.delete("a/b")


@pytest.mark.parametrize("name", ["secrets", "data"])
def test_list(vault, client, name):
    """A listing follows the cursor over pages, and is lazy."""
    item = {"path": "p/1", "secret_type": "kv", "version": 4, "tags": ["x"]}
    vault.script(
        Reply(body={name: [item], "cursor": "c 1", "has_more": True}),
        Reply(body={name: [{"path": "p/2"}], "cursor": None, "has_more": False}),
    )
    pages = client.list("p/ä&")
    assert vault.asked == []
    assert next(pages) == SecretSummary("p/1", 4, "kv", tags=("x",))
    assert len(vault.asked) == 1
    assert [summary.path for summary in pages] == ["p/2"]
    assert [asked.target for asked in vault.asked] == [
        "/v1/secrets?prefix=p%2F%C3%A4%26",
        "/v1/secrets?prefix=p%2F%C3%A4%26&cursor=c+1",
    ]


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"secrets": ["a"]}, {"data": [{"version": 1}]}),
        {"secrets": [], "has_more": True},
        {"secrets": [], "has_more": True, "cursor": None, "next": "c"},
        {"secrets": [], "has_more": True, "cursor": ""},
        {"secrets": [], "has_more": True, "cursor": 7},
        {"secrets": [], "cursor": 7},
    ],
)
def test_a_listing_that_breaks_the_protocol(vault, client, body):
    """A page without entries, an entry without a path, and more without a cursor, are rejected."""
    vault.script(Reply(body=body))
    with pytest.raises(errors.ResponseError, match="the vault's answer to the listing"):
        list(client.list())


@pytest.mark.parametrize(
    "last",
    [
        {"has_more": False},
        {"has_more": False, "cursor": "c2"},
        {"has_more": None},
        {"cursor": None, "next_cursor": ""},
        {},
    ],
)
@pytest.mark.parametrize("first", [{"has_more": True}, {"has_more": None}, {}])
@pytest.mark.parametrize("name", ["cursor", "next_cursor"])
def test_where_a_listing_ends(vault, client, name, first, last):
    """It goes on while the vault says that there is more, and where it only gives a cursor."""
    vault.script(
        Reply(body={"secrets": [{"path": "p/1"}], name: "c1"} | first),
        Reply(body={"secrets": [{"path": "p/2"}]} | last),
    )
    assert [summary.path for summary in client.list("p")] == ["p/1", "p/2"]
    assert len(vault.asked) == 2


@pytest.mark.parametrize("name", ["secrets", "data"])
def test_a_listing_of_nothing(vault, client, name):
    """An empty list may be null, as a server in Go writes it."""
    vault.script(Reply(body={name: None, "has_more": False}))
    assert list(client.list()) == []


@pytest.mark.parametrize(
    ("text", "zone"), [("soon", None), (7, None), ("2030-01-01T00:00:00", UTC)]
)
def test_odd_times(vault, client, text, zone):
    """A time that we can't read is left out, and one without a zone is UTC."""
    vault.script(Reply(body=secret(expires_at=text)))
    expires_at = client.read("a/b").expires_at
    assert (expires_at and expires_at.tzinfo) == zone


def test_list_in_a_circle(vault, client):
    """A cursor that comes again is an error rather than an endless listing."""
    vault.script(Reply(body={"secrets": [], "cursor": "c", "has_more": True}))
    with pytest.raises(errors.ResponseError, match="a cursor came again"):
        list(client.list())


@pytest.mark.parametrize("page", [[], [{"path": "p/1"}]])
def test_a_listing_without_an_end(vault, client, page):
    """Ever new cursors to nothing new end in an error; some such pages on the way do not."""
    cursors = itertools.count()

    def respond(asked):
        number = next(cursors)
        news = [{"path": f"p/{number}"}] if number < 40 and number % 10 == 0 else page
        return Reply(body={"secrets": news, "cursor": f"c{number}", "has_more": True})

    vault.respond = respond
    found = []
    with pytest.raises(errors.ResponseError, match="has no end: 10 pages without news"):
        found.extend(summary.path for summary in client.list())
    assert {"p/0", "p/10", "p/20", "p/30"} <= set(found)
    assert len(vault.asked) == 41


def test_whoami_of_another_kind(vault, client):
    """An identity may be a number, and scopes one text, as OAuth has them."""
    vault.script(Reply(body={"identity_id": 17, "scopes": "secrets:read secrets:list"}))
    identity = Identity(identity_id="17", scopes=("secrets:read", "secrets:list"))
    assert client.whoami() == identity


def test_health(vault, client):
    """Health needs no credentials, and 503 is an answer, whatever its body."""
    vault.script(
        Reply(headers={"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}), Reply(503, b"<html>no</html>")
    )
    clock = datetime(2030, 1, 1, tzinfo=UTC)
    assert client.health() == VaultHealth(ready=True, server_time=clock)
    assert not client.health().ready
    assert vault.asked[0].target == "/v1/health/ready"
    assert vault.asked[0].headers["Authorization"] is None


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a b/ä%2F", "/v1/secrets/a%20b/%C3%A4%252F"),
        ("A.b/c_d-e~f", "/v1/secrets/A.b/c_d-e~f"),
        ("a:b@c&d=e+f", "/v1/secrets/a%3Ab%40c%26d%3De%2Bf"),
        ("/".join("abcdefghij"), "/v1/secrets/a/b/c/d/e/f/g/h/i/j"),
        ("x" * 512, "/v1/secrets/" + "x" * 512),
    ],
)
def test_paths_are_encoded(vault, client, path, target):
    """A path arrives as the one that was asked for; what is odd in it is the server's to judge."""
    vault.script(Reply(body=secret(path)))
    client.read(path)
    assert vault.asked[0].target == target


@pytest.mark.parametrize(
    "path",
    [
        *("", "/a", "a/", "a//b", "a/../b", "..", "a/./b", "a?b", "a#b", "a\nb", "a\x00"),
        *("x" * 513, "/".join("abcdefghijk"), "a\ud800"),
    ],
)
def test_bad_paths(vault, client, path):
    """A path that would reach another resource is refused here, before anything is sent."""
    for operation in (client.read, client.delete, lambda path: client.write(path, {"k": "v"})):
        with pytest.raises(errors.SecretError, match="is not a secret's path"):
            operation(path)
    assert vault.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://vault.example.com", "in clear"),
        ("http://10.0.0.1", "in clear"),
        ("http://localhost.example.com", "in clear"),
        ("ftp://x", "such as https"),
        ("vault.example.com", "such as https"),
        ("https://", "such as https"),
        ("https://h:port", "such as https"),
        ("https://h/a b", "such as https"),
        ("https://user:CANARY@h", "without credentials"),
        ("https://h/?q=CANARY", "without credentials, '[?]'"),
        ("https://h?", "without credentials, '[?]'"),
        ("https://h#", "or '#'"),
    ],
)
def test_urls_that_get_no_token(url, message):
    """A URL that is none, or would carry the token in clear, is refused without quoting secrets."""
    with pytest.raises(errors.ConfigurationError, match=message) as caught:
        VaultClient(url, credentials=StaticToken("t"))
    assert "CANARY" not in str(caught.value)


def test_urls_that_get_one():
    """Loopback may be plain HTTP, and everything may with allow_http."""
    for url in ("http://localhost:1", "http://127.0.0.1:1/base/", "http://[::1]:1", "https://h"):
        VaultClient(url, credentials=StaticToken("t"))
    VaultClient("http://vault.example.com", credentials=StaticToken("t"), allow_http=True)


def test_a_large_write(vault, client):
    """A body of many pieces arrives whole."""
    vault.script(Reply(body={"path": "a/b", "version": 1}))
    client.write("a/b", {"k": "x" * 1_000_001})
    assert vault.asked[0].json["data"] == {"k": "x" * 1_000_001}


def test_base_path(vault, connect):
    """The API may stand below a path, with or without a slash at its end."""
    vault.script(Reply(body=secret()))
    connect(url=vault.url + "/base/").read("a/b")
    assert vault.asked[0].target == "/base/v1/secrets/a/b"


@pytest.mark.parametrize("tenant", ["a\r\nX: y", "tenänt"])
def test_a_tenant_that_no_header_can_carry(connect, tenant):
    """A tenant is refused in our words where a header can't hold it."""
    with pytest.raises(errors.ConfigurationError, match="tenant"):
        connect(tenant=tenant)


@pytest.mark.parametrize("deadline", [0, -1, float("nan")])
def test_a_deadline_is_positive(client, deadline):
    """A deadline that leaves no time is a mistake, not an outage."""
    with pytest.raises(errors.ConfigurationError):
        client.read_many(["a/b"], deadline=deadline)


def test_a_closed_client_says_so(vault, connect):
    """A client that has been closed raises, and its repr shows no more than the URL."""
    vault.script(Reply(body=secret()))
    with connect() as client:
        client.read("a/b")
    with pytest.raises(errors.ConfigurationError, match="closed"):
        client.read("a/b")
    assert repr(client) == f"VaultClient('{vault.url}')"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>CANARY</html>",
        b"[]",
        b'"x"',
        b"\xff\xfe\x00",
        b'{"version": 1, "data": {}',
    ],
)
def test_answers_that_break_the_protocol(vault, client, body):
    """A 200 that is not the JSON we expect is refused at once, without a second try."""
    vault.script(Reply(200, body))
    with pytest.raises(errors.ResponseError):
        client.read("a/b")
    assert len(vault.asked) == 1


ODD_SECRETS = {
    '{"data": {}}': "has no integer as 'version'",
    '{"version": "1", "data": {}}': "has no integer as 'version'",
    '{"version": true, "data": {}}': "has no integer as 'version'",
    '{"version": 0, "data": {}}': "has a 'version' that no secret can have",
    '{"version": -1, "data": {}}': "has a 'version' that no secret can have",
    '{"version": 2147483648, "data": {}}': "has a 'version' that no secret can have",
    '{"version": 1}': "has no object as 'data'",
    '{"version": 1, "data": null}': "has no object as 'data'",
    '{"version": 1, "data": ["CANARY"]}': "has no object as 'data'",
    '{"version": 1, "data": {}, "path": "CANARY/c"}': "is about another path",
    '{"version": 1, "data": {}, "path": 7}': "is about another path",
    '{"version": 1, "data": {"k": "CANARY", "x": 1e999}}': "holds a number that is too large",
    '{"version": 1, "data": {"x": {"y": [-1e999]}}}': "holds a number that is too large",
    '{"version": 1e999, "data": {}}': "holds a number that is too large",
    '{"version": 1, "data": {"k": NaN}}': "holds NaN or Infinity",
    '{"version": 1, "data": {"k": -Infinity}}': "holds NaN or Infinity",
    f'{{"version": 1, "data": {{"k": {"7" * 5000}}}}}': "holds an integer of too many digits",
    f'{{"version": 1, "data": {{"k": {"[" * 110}"CANARY"{"]" * 110}}}}}': "nested too deeply",
    f'{{"version": 1, "data": {{"k": {"[" * 9999}"CANARY"{"]" * 9999}}}}}': "nested too deeply",
}


@pytest.mark.parametrize(("body", "fault"), ODD_SECRETS.items(), ids=range(len(ODD_SECRETS)))
def test_a_secret_that_cannot_be_used(vault, client, body, fault):
    """It is an error about this secret, after one attempt, which quotes nothing of it."""
    vault.script(Reply(200, body.encode(), {"X-Request-ID": "req_7"}))
    with pytest.raises(errors.SecretError, match="the vault's answer for a/b ") as caught:
        client.read("a/b")
    assert type(caught.value) is errors.SecretError
    assert fault in str(caught.value)
    assert (caught.value.path, caught.value.request_id) == ("a/b", "req_7")
    assert "CANARY" not in str(caught.value)
    assert len(vault.asked) == 1


@pytest.mark.parametrize("location", ["https://elsewhere.example/", "http://h:port", ""])
def test_redirects_are_not_followed(vault, client, location):
    """A redirect is refused at once, however broken its Location."""
    vault.script(Reply(302, b"", {"Location": location}))
    for call in (lambda: client.read("a/b"), lambda: client.read_many(["a/b", "a/c"])):
        with pytest.raises(errors.ResponseError, match="redirect"):
            call()
    assert len(vault.asked) == 2


def test_large_answers(vault, client):
    """Exactly 8 MiB is read; a byte more is refused, with a declared length or without."""
    limit = 8 * 1024 * 1024
    start = b'{"version": 1, "data": {}, "metadata": {"x": "'
    fitting = start + b"x" * (limit - len(start) - 3) + b'"}}'
    vault.script(Reply(200, fitting), Reply(200, fitting + b" "), endless)
    assert client.read("a/b").version == 1
    for _ in range(2):
        with pytest.raises(errors.ResponseError, match="larger than 8 MiB"):
            client.read("a/b")


def endless(connection) -> None:
    connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_answers_that_are_plain(vault, client, encoding):
    """However the server writes that."""
    vault.script(Reply(body=secret(), headers={"Content-Encoding": encoding}))
    assert client.read("a/b").version == 1


def test_compressed_answers(vault, client):
    """We ask for plain answers, so that 8 MiB are 8 MiB; a compressed one is refused."""
    vault.script(Reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}))
    with pytest.raises(errors.ResponseError, match="compressed"):
        client.read("a/b")
