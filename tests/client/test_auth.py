"""Credentials: which token goes with a request, and when there is another."""

from __future__ import annotations

import base64
import os
import threading
from urllib.parse import parse_qs

import httpx
import pytest

from tests.client.scripted import Reply, envelope
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, TokenFile
from vaultconfig.client.attempts import Deadline
from vaultconfig.connection.connection import read_connection

OK = Reply(body={"version": 1, "data": {}})


class Issuer:
    """A vault with a token endpoint: issues t1, t2, … and lets in what *accepts* says."""

    no = envelope("token_invalid", status=401)

    def __init__(self, vault, *, expires_in=3600, accepts=lambda token: True):
        self.issued, self.expires_in, self.accepts = 0, expires_in, accepts
        self.before = lambda: None
        vault.respond = self.respond

    def respond(self, asked):
        if asked.target == "/token":
            self.before()
            self.issued += 1
            token = {"access_token": f"t{self.issued}", "token_type": "Bearer"}
            return Reply(body=token | {"expires_in": self.expires_in})
        token = asked.headers["Authorization"].removeprefix("Bearer ")
        return OK if self.accepts(token) else self.no


PAGES = [Reply(401, b"<html>CANARY"), Reply(401, {"message": "CANARY"}), Reply(401, b"")]


@pytest.fixture
def credentials(vault, clock):
    def make(client_id="id", client_secret="s3cret", **options):
        defaults = {"token_url": vault.url + "/token", "scope": "secrets:read", "clock": clock}
        return ClientCredentials(client_id, client_secret, **defaults | options)

    return make


def tokens(vault):
    return [a.headers["Authorization"] for a in vault.asked if a.target != "/token"]


def test_the_token_request_as_a_form(vault, connect, credentials):
    """The form style sends id and secret in the body."""
    Issuer(vault)
    connect(credentials=credentials("i d", "s&c=ré+t"), tenant="acme").read("a/b")
    asked = vault.asked[0]
    assert (asked.method, asked.target) == ("POST", "/token")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Authorization"] is None
    assert asked.headers["User-Agent"].startswith("vaultconfig/")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["secrets:read"],
        "client_id": ["i d"],
        "client_secret": ["s&c=ré+t"],
    }
    assert tokens(vault) == ["Bearer t1"]


def test_the_token_request_as_basic(vault, connect, credentials):
    """The basic style form-encodes id and secret before it joins them (RFC 6749, 2.3.1)."""
    Issuer(vault)
    connect(credentials=credentials("i:d", "s c%t", style="basic", scope="")).read("a/b")
    asked = vault.asked[0]
    encoded = asked.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"i%3Ad:s+c%25t"
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"]}


@pytest.mark.parametrize(("expires_in", "good_for"), [(3600, 3540), (60, 30), (90, 45), (121, 61)])
def test_a_token_is_renewed_before_it_ends(
    vault, connect, credentials, clock, expires_in, good_for
):
    """A token serves until 60 s before its end, a short one for half of its life."""
    issuer = Issuer(vault, expires_in=expires_in)
    client = connect(credentials=credentials(), clock=lambda: 0.0)
    client.read("a/b")
    clock.now += good_for - 0.001
    client.read("a/b")
    assert issuer.issued == 1
    clock.now += 0.001
    client.read("a/b")
    assert tokens(vault) == ["Bearer t1", "Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("expires_in", [None, "soon", True, 0, -1, 10**400])
def test_a_token_without_an_end(vault, connect, credentials, clock, expires_in):
    """A token whose end is not said serves until it is refused."""
    issuer = Issuer(vault, expires_in=expires_in)
    client = connect(credentials=credentials(), clock=lambda: 0.0)
    client.read("a/b")
    clock.now += 1e9
    client.read("a/b")
    assert issuer.issued == 1


def test_a_refused_token_is_renewed_once(vault, connect, credentials):
    """A 401 gets a new token and one more try; another 401 is final."""
    issuer = Issuer(vault, accepts=lambda token: token == "t2")
    client = connect(credentials=credentials())
    assert client.read("a/b").version == 1
    assert tokens(vault) == ["Bearer t1", "Bearer t2"]
    issuer.accepts = lambda token: False
    with pytest.raises(errors.AuthenticationError):
        client.read("a/b")
    assert issuer.issued == 3


@pytest.mark.parametrize("page", PAGES)
def test_anybodys_401_renews_the_token(vault, connect, credentials, page):
    """Whoever sent the 401, a new token is tried once; a page in its place is an outage."""
    issuer = Issuer(vault, accepts=lambda token: token == "t2")
    issuer.no = page
    client = connect(credentials=credentials())
    assert client.read("a/b").version == 1
    issuer.accepts = lambda token: False
    with pytest.raises(errors.VaultUnavailableError, match="something between us and the vault"):
        client.read("a/b")
    assert tokens(vault) == ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]


@pytest.mark.parametrize("page", PAGES)
def test_anybodys_401_reads_the_token_file_again(vault, connect, tmp_path, page):
    """Whoever sent the 401, a token that has changed in its file is tried once."""
    file = tmp_path / "token"
    file.write_text("t1")

    def respond(asked):
        file.write_text("t2")
        return OK if asked.headers["Authorization"] == "Bearer t2" else page

    vault.respond = respond
    assert connect(credentials=TokenFile(file)).read("a/b").version == 1


def test_threads_share_one_fetch(vault, connect, credentials):
    """Eight threads that ask while a token is being fetched cause one fetch."""
    issuer = Issuer(vault)
    client = connect(credentials=credentials())
    asking = threading.Barrier(9)
    fetching, go = threading.Event(), threading.Event()
    issuer.before = lambda: (fetching.set(), go.wait(5))

    def read() -> None:
        asking.wait(5)
        client.read("a/b")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    asking.wait(5)
    assert fetching.wait(5)
    go.set()
    for thread in threads:
        thread.join()
    assert tokens(vault) == ["Bearer t1"] * 8
    assert issuer.issued == 1


def test_threads_share_one_renewal(vault, connect, credentials):
    """Eight threads whose token is refused at the same moment cause one renewal."""
    refused = threading.Barrier(8, timeout=5)

    def accepts(token):
        if token == "t1" and issuer.strict:
            refused.wait()
            return False
        return True

    issuer = Issuer(vault, accepts=accepts)
    issuer.strict = False
    client = connect(credentials=credentials())
    client.read("a/b")
    issuer.strict = True
    assert len(client.read_many([("a/b", 1)] + [("a/c" + str(i), 1) for i in range(7)])) == 8
    assert issuer.issued == 2


def test_a_refused_request_gives_its_connection_back(credentials):
    """The 401 is read to its end before the wait for the lock, or eight of them block the ninth."""
    extensions = {"timeout": {"read": Deadline(5)}}
    headers = {"User-Agent": "x", "Accept-Encoding": "identity"}
    flow = credentials().sync_auth_flow(
        httpx.Request("GET", "https://h", headers=headers, extensions=extensions)
    )
    next(flow)
    flow.send(httpx.Response(200, json={"access_token": "t"}))
    refusal = httpx.Response(401, stream=httpx.ByteStream(b"no"))
    flow.send(refusal)
    assert refusal.is_closed
    flow.close()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, {"error": "invalid_client"}), errors.AuthenticationError),
        (Reply(401, b"<html>"), errors.AuthenticationError),
        (Reply(403, {"error": {"code": "forbidden"}}), errors.AuthenticationError),
        (Reply(429, b"", {"Retry-After": "99"}), errors.RateLimitedError),
        (Reply(503, b"<html>"), errors.VaultUnavailableError),
        (Reply(403, {"error": "access_denied"}), errors.AuthenticationError),
        (Reply(403, b"<html>"), errors.VaultUnavailableError),
        (Reply(403, {"message": "no"}), errors.VaultUnavailableError),
        (Reply(404, b"<html>"), errors.VaultUnavailableError),
        (Reply(404, {"error": {"code": "not_found"}}), errors.ResponseError),
        (Reply(405, b"<html>"), errors.VaultUnavailableError),
        (Reply(302, b"", {"Location": "https://elsewhere"}), errors.ResponseError),
        (Reply(200, b"<html>"), errors.ResponseError),
        (Reply(200, {"access_token": 7}), errors.ResponseError),
        (Reply(200, {"access_token": ""}), errors.ResponseError),
        (Reply(200, {"access_token": "a\nb"}), errors.ResponseError),
        (Reply(200, {"access_token": "t", "token_type": "mac"}), errors.ResponseError),
        (Reply(200, b"x" * (8 * 1024 * 1024 + 1)), errors.ResponseError),
        (lambda connection: None, errors.VaultUnavailableError),
    ],
)
def test_what_the_token_endpoint_answers(vault, connect, credentials, reply, kind):
    """Refused, unavailable and nonsense are three things, at the token endpoint too."""
    vault.script(reply)
    with pytest.raises(errors.VaultConfigError) as caught:
        connect(credentials=credentials()).read_many(["a/b"], retry=False)
    assert type(caught.value) is kind
    assert {asked.target for asked in vault.asked} == {"/token"}


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(200, body) for body in (b"<html>", b"[]", b"", b'{"a":' * 9999, {"token": "t"})),
        Reply(302, b"", {"Location": "https://elsewhere"}),
        Reply(404, {"error": {"code": "not_found"}}),
    ],
)
def test_what_is_no_token_endpoint_is_named(vault, connect, credentials, reply):
    """It is the token URL that is to be checked, not the vault's."""
    vault.script(reply)
    with pytest.raises(errors.ResponseError) as caught:
        connect(credentials=credentials()).read("a/b")
    told = str(caught.value)
    assert told.startswith(f"the token endpoint {vault.url}/token answered ")
    assert told.endswith(": check the token URL (SCAIKEY_TOKEN_URL)")


@pytest.mark.parametrize("status", [403, 404])
def test_a_proxys_page_for_the_token_endpoint(vault, connect, credentials, status):
    """A page that is not the token endpoint's is an outage after one attempt, and says where."""
    vault.script(Reply(status, b"<html>CANARY"))
    with pytest.raises(errors.VaultUnavailableError, match=f"answered {status}") as caught:
        connect(credentials=credentials()).read("a/b")
    assert f"{vault.url}/token" in str(caught.value)
    assert len(vault.asked) == 1


def test_an_unavailable_token_endpoint_is_retried(vault, connect, credentials, clock):
    """An outage of the token endpoint is waited out like one of the vault."""
    token = Reply(body={"access_token": "t"})
    vault.script(Reply(503), Reply(429, b"", {"Retry-After": "2"}), token, OK)
    assert connect(credentials=credentials()).read("a/b").version == 1
    assert clock.slept == [0.1, pytest.approx(2.2)]


@pytest.mark.parametrize(
    "options",
    [
        {"token_url": "http://elsewhere.example/token"},
        {"token_url": "nonsense"},
        {"client_id": ""},
        {"client_secret": ""},
        {"client_secret": "CANARY\n"},
        {"client_secret": "CANARY\udc80"},
        {"style": "Basic"},
    ],
)
def test_client_credentials_that_cannot_be(credentials, options):
    """A token URL in clear, or half a credential, is refused when it is given."""
    with pytest.raises(errors.ConfigurationError) as caught:
        credentials(**options)
    assert "CANARY" not in str(caught.value)


def test_allow_http_is_for_the_token_url_too(credentials):
    """With allow_http the token may come in clear."""
    credentials(token_url="http://elsewhere.example/token", allow_http=True)


@pytest.mark.parametrize("token", ["", "a b", "a\n", "a\r\nX: y", "tök", "a\x00", "\u2603"])
def test_tokens_that_cannot_be(token, tmp_path, connect):
    """What no header can carry is refused in our words, whence ever it comes."""
    with pytest.raises(errors.ConfigurationError, match="the token"):
        StaticToken(token)
    file = tmp_path / "token"
    file.write_text(token + "x\ny", encoding="utf-8")
    with pytest.raises(errors.ConfigurationError, match="the token file"):
        connect(credentials=TokenFile(file)).read("a/b")


# A token is its own, whatever it looks like: of the last ones nothing is to be said.
AROUND_TOKENS = {
    '"CANARY"': "without quotes",
    "'CANARY'": "without quotes",
    ' "CANARY"\r\n': "without quotes",
    '{"token": "CANARY"}': "not JSON",
    '{\n  "access_token": "CANARY"\n}\n': "not JSON",
    "SCAIVAULT_TOKEN=CANARY": "without a name",
    "SCAIVAULT_TOKEN = CANARY": "without a name",
    'export SCAIVAULT_TOKEN="CANARY"\n': "without a name",
    "token=CANARY==": "without a name",
    "Bearer CANARY\n": "without 'Bearer'",
    "bearer\tCANARY": "without 'Bearer'",
    "Authorization: Bearer CANARY": "without 'Bearer'",
    "bearer-CANARY": None,
    "CANARYtoken==": None,
    "token:CANARY": None,
    '1|a"b{CANARY}': None,
}


@pytest.mark.parametrize(("content", "advice"), AROUND_TOKENS.items())
def test_what_stands_around_a_token(vault, connect, tmp_path, content, advice):
    """The token alone is sent; what else stands in the file is named, the token is not."""
    vault.script(OK)
    file = tmp_path / "token"
    file.write_bytes(content.encode())
    client = connect(credentials=TokenFile(file))
    if advice is None:
        client.read("a/b")
        assert tokens(vault) == [f"Bearer {content}"]
        return
    with pytest.raises(errors.ConfigurationError) as caught:
        client.read("a/b")
    told = str(caught.value)
    assert told.startswith(f"the token file {file}: expected the token alone, {advice}")
    assert "CANARY" not in told
    assert vault.asked == []


@pytest.mark.parametrize(("content", "advice"), AROUND_TOKENS.items())
def test_what_stands_around_a_token_in_the_environment(content, advice):
    """There the same is said, with the variable's name."""
    environ = {"SCAIVAULT_TOKEN": content}
    if advice is None:
        assert read_connection(environ).token.get_secret_value() == content
        return
    with pytest.raises(errors.ConfigurationError) as caught:
        read_connection(environ)
    words = "has quotes around" if "quotes" in advice else advice
    assert str(caught.value).startswith("SCAIVAULT_TOKEN")
    assert words in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_token_file_is_read_again(vault, connect, tmp_path):
    """A token file that changes serves its new token, without its line end."""
    vault.script(OK)
    file = tmp_path / "token"
    client = connect(credentials=TokenFile(file))
    for token in ("t1\n", "t2\r\n"):
        file.write_bytes(token.encode())
        client.read("a/b")
    assert tokens(vault) == ["Bearer t1", "Bearer t2"]


def test_a_token_file_that_changes_meanwhile(vault, connect, tmp_path):
    """A 401 is tried once more if the file now holds another token, and else is final."""
    file = tmp_path / "token"
    file.write_text("t1")

    def respond(asked):
        file.write_text("t2")
        return envelope("token_invalid", status=401)

    vault.respond = respond
    client = connect(credentials=TokenFile(str(file)))
    for _ in range(2):
        with pytest.raises(errors.AuthenticationError):
            client.read("a/b")
    assert tokens(vault) == ["Bearer t1", "Bearer t2", "Bearer t2"]


def test_token_files_that_cannot_be_read(vault, connect, tmp_path):
    """A file that is missing, empty, too large or not a file is named."""
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"x" * (64 * 1024 + 1))
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("missing", "No such file"),
        ("empty", "is empty"),
        ("large", "is larger than 64 KiB"),
        ("pipe", "not a regular file"),
        (".", "not a regular file"),
    ]:
        with pytest.raises(errors.ConfigurationError, match=reason) as caught:
            connect(credentials=TokenFile(tmp_path / name)).read("a/b")
        assert str(tmp_path / name) in str(caught.value)
    assert vault.asked == []


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_token_of_64_kib(vault, connect, tmp_path, end):
    """The largest token that is read is sent whole, with a line end behind it or not."""
    file = tmp_path / "token"
    file.write_bytes(b"x" * (64 * 1024 - len(end)) + end)
    with pytest.raises(errors.VaultUnavailableError, match="431"):  # all that this server says
        connect(credentials=TokenFile(file)).read("a/b")


def test_a_rejected_token_is_named(vault, connect, credentials, tmp_path):
    """The error says which token the vault rejected, and where; never the token."""
    (tmp_path / "token").write_text("s3cret")
    Issuer(vault, accepts=lambda token: False)
    for given, name in [
        (StaticToken("s3cret"), "the token"),
        (StaticToken("s3cret", name="the token from SCAIVAULT_TOKEN"), None),
        (TokenFile(tmp_path / "token"), f"the token from the token file {tmp_path / 'token'}"),
        (credentials(name="X"), "the token for X"),
    ]:
        with pytest.raises(errors.AuthenticationError) as caught:
            connect(credentials=given).read("a/b")
        expected = f"the vault rejected {name or given.name} (token_invalid) at {vault.url}: "
        assert str(caught.value).startswith(expected)
        assert "s3cret" not in str(caught.value)


def test_rejected_client_credentials_are_named(vault, connect, credentials):
    """The token endpoint's error says whose credentials it rejected, and where."""
    vault.script(Reply(401, {"error": "invalid_client"}))
    with pytest.raises(errors.AuthenticationError) as caught:
        connect(credentials=credentials(name="the client credentials (X)")).read("a/b")
    assert str(caught.value).startswith(
        f"the token endpoint {vault.url}/token rejected the client credentials (X) (invalid_client)"
    )


RFC_6749 = [
    *["invalid_request", "invalid_client", "invalid_grant", "invalid_scope"],
    *["unauthorized_client", "unsupported_grant_type", "server_error", "temporarily_unavailable"],
]


@pytest.mark.parametrize("code", RFC_6749)
def test_the_codes_of_oauth_are_repeated(vault, connect, credentials, code):
    """They are those of RFC 6749; any other one may be a secret."""
    vault.script(Reply(400, {"error": code}))
    with pytest.raises(errors.VaultConfigError, match=code):
        connect(credentials=credentials()).read_many(["a/b"], retry=False)


def test_a_denial_of_everything_is_named(vault, connect):
    """A denial of the whole request names the token and the place as well."""
    vault.script(envelope("insufficient_scope", status=403))
    with pytest.raises(errors.AuthenticationError, match="denied whoami to the token") as caught:
        connect(credentials=StaticToken("t")).whoami()
    assert f"(insufficient_scope) at {vault.url}: ask for a token with the scope" in str(
        caught.value
    )


class Theirs(httpx.Auth):
    """Credentials of a user's own."""

    def auth_flow(self, request):
        request.headers["Authorization"] = "Bearer t"
        yield request


def test_credentials_of_a_users_own(vault, connect):
    """Any httpx.Auth will do; what it does not name is "the token"."""
    vault.script(envelope("token_expired", status=401))
    with pytest.raises(errors.AuthenticationError, match=r"rejected the token \(token_expired"):
        connect(credentials=Theirs()).read("a/b")


def test_a_token_endpoint_that_repeats_the_secret(vault, connect, credentials):
    """Its request id is left out where it is the client secret."""
    vault.script(Reply(401, {"error": "invalid_client"}, {"X-Request-ID": "s3cret"}))
    with pytest.raises(errors.AuthenticationError, match="invalid_client") as caught:
        connect(credentials=credentials()).read("a/b")
    assert caught.value.request_id is None
    assert "s3cret" not in str(caught.value)
