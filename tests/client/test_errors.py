"""ScaiVault's error codes, and whether to try again."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path

import httpx
import pytest

from tests.client.scripted import TOKEN, Reply, envelope, secret
from vaultconfig import errors
from vaultconfig.client import StaticToken, codes, failures
from vaultconfig.client.answer import ErrorReport
from vaultconfig.client.attempts import FIRST_WAIT, LONGEST_WAIT
from vaultconfig.client.codes import Kind, Retry
from vaultconfig.client.wire import failure_of
from vaultconfig.devserver.answers import STATUS

OK = Reply(body=secret())
# The error codes of ScaiVault's documentation. A read that gets one again and again raises this,
# after so many attempts within three seconds.
DOCUMENTED = [
    (401, "authentication_required", errors.AuthenticationError, 1),
    (401, "token_expired", errors.AuthenticationError, 1),
    (401, "token_invalid", errors.AuthenticationError, 1),
    (401, "token_revoked", errors.AuthenticationError, 1),
    (403, "access_denied", errors.AccessDeniedError, 1),
    (403, "insufficient_scope", errors.AccessDeniedError, 1),
    (403, "mfa_required", errors.AccessDeniedError, 1),
    (403, "ip_not_allowed", errors.AccessDeniedError, 1),
    (403, "time_window_violation", errors.AccessDeniedError, 1),
    (403, "tenant_access_denied", errors.AccessDeniedError, 1),
    (403, "forbidden", errors.AccessDeniedError, 1),
    (400, "invalid_request", errors.SecretError, 1),
    (400, "invalid_path", errors.SecretError, 1),
    (422, "validation_error", errors.SecretError, 1),
    (404, "secret_not_found", errors.SecretNotFoundError, 1),
    (404, "version_not_found", errors.VersionNotFoundError, 1),
    (404, "tenant_not_found", errors.AuthenticationError, 1),
    (409, "secret_exists", errors.SecretError, 1),
    (409, "version_conflict", errors.SecretError, 1),
    (429, "rate_limited", errors.RateLimitedError, 5),
    (503, "service_unavailable", errors.VaultUnavailableError, 5),
    (500, "internal_error", errors.VaultUnavailableError, 2),
]


@pytest.mark.parametrize(("status", "code", "kind", "attempts"), DOCUMENTED)
def test_each_documented_code(vault, connect, status, code, kind, attempts):
    """Each code of ScaiVault's has its error, and is retried as its documentation says."""
    vault.script(envelope(code, status=status))
    with pytest.raises(errors.VaultConfigError) as caught:
        connect(deadline=3).read("a/b", 7)
    assert type(caught.value) is kind
    assert getattr(caught.value, "code", code) == code
    assert "unknown_code" not in str(caught.value)
    assert len(vault.asked) == attempts


def test_each_code_of_the_dev_server():
    """The client knows every code that the dev server sends, and few that are not documented."""
    documented = {code for _, code, *_ in DOCUMENTED}
    assert set(STATUS) <= set(codes.CODES), "add it to CODES in vaultconfig/client/codes.py"
    more = {"subscription_not_found", "not_found", "misdirected_request"}
    assert set(codes.CODES) == documented | more, "add it to DOCUMENTED above"


PAGE = Path(__file__).parents[2] / "docs/reference/connection.md"
ASKS_AGAIN = {
    Retry.NEVER: "never",
    Retry.ONCE: "once",
    Retry.BACKOFF: f"after a random wait of up to {FIRST_WAIT} s, "
    f"which doubles up to {LONGEST_WAIT:.0f} s",
}


def test_the_table_of_the_page():
    """For each documented code it has the error, and whether the client asks again."""
    page = PAGE.read_text(encoding="utf-8")
    lines = re.findall(r"^\| (`[a-z]+_.+?) \| `(\w+Error)` \| (.+) \|$", page, re.MULTILINE)
    rows = {code: row for said, *row in lines for code in re.findall(r"`([a-z_]+)`", said)}
    assert {code: error for code, (error, _) in rows.items()} == {
        code: kind.__name__ for _, code, kind, _ in DOCUMENTED
    }
    for code, (_, again) in rows.items():
        is_asked_to = codes.CODES[code].kind is codes.Kind.RATE_LIMITED
        start = "after the time" if is_asked_to else ASKS_AGAIN[codes.CODES[code].retry]
        assert again.startswith(start), code
    for status, meaning in codes.BY_STATUS.items():
        if meaning.retry is not Retry.NEVER:
            (code,) = (code for code, each in codes.CODES.items() if each is meaning)
            assert re.search(rf"^\| `{code}` \([\d, ]*\b{status}\b", page, re.MULTILINE), status


CODES = [
    (401, "access_denied", errors.AuthenticationError),
    (401, "something_new", errors.AuthenticationError),
    (403, "something_new", errors.AccessDeniedError),
    (404, "version_not_found", errors.SecretError),
    (404, "something_new", errors.SecretError),
    (410, "something_new", errors.SecretError),
    (418, "access_denied", errors.AccessDeniedError),
    (507, "something_new", errors.VaultUnavailableError),
]


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
def test_codes_that_are_final(vault, client, status, code, kind):
    """The code decides before the status, with the request's id and without the server's text."""
    vault.script(envelope(code, status=status))
    with pytest.raises(errors.VaultConfigError) as caught:
        client.read("a/b")
    assert type(caught.value) is kind
    assert caught.value.request_id == "req_1"
    assert "CANARY" not in str(caught.value)
    assert len(vault.asked) == 1


# What does not exist says so, and there is nothing to do about it.
WITH_ADVICE = sorted(
    code
    for code, meaning in codes.CODES.items()
    if meaning.kind not in (codes.Kind.NOT_FOUND, codes.Kind.VERSION_NOT_FOUND)
)


@pytest.mark.parametrize("code", WITH_ADVICE)
def test_the_advice_of_each_code(vault, client, monkeypatch, code):
    """What the table says to do about a code reaches the user, whatever kind of code it is."""
    meaning = dataclasses.replace(codes.CODES[code], advice="do as I say")
    monkeypatch.setattr(failures, "CODES", {code: meaning})
    status = {"token_invalid": 401, "rate_limited": 429}.get(code, STATUS.get(code, 400))
    vault.script(*[envelope(code, status=status)] * 20)
    with pytest.raises(errors.VaultConfigError, match="do as I say"):
        client.read("a/b")


@pytest.mark.parametrize("said", [TOKEN, f"req-{TOKEN}", TOKEN[:8], "x" * 65, "a b", "a:b", 7])
def test_request_ids_that_are_none(vault, client, said):
    """An id of no sane form, or one that repeats the token, is not repeated by us."""
    error = {"code": "access_denied", "request_id": said}
    vault.script(Reply(403, {"error": error}, {"X-Request-ID": str(said)} if said != 7 else {}))
    with pytest.raises(errors.AccessDeniedError) as caught:
        client.read("a/b")
    assert caught.value.request_id is None
    assert str(said) not in str(caught.value)


def test_unknown_codes(vault, connect):
    """A code that ScaiVault does not have is not repeated: it may be the token."""
    vault.script(*(envelope("tok_canary", status=status) for status in (403, 404, 507)))
    client = connect(credentials=StaticToken("tok_canary"))
    for _ in range(3):
        with pytest.raises(errors.VaultConfigError, match="unknown_code") as caught:
            client.read("a/b")
        assert "canary" not in str(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        *[(401, Kind.TOKEN, Retry.NEVER), (403, Kind.DENIED, Retry.NEVER)],
        *[(404, Kind.REJECTED, Retry.NEVER), (407, Kind.REJECTED, Retry.NEVER)],
        *[(408, Kind.REJECTED, Retry.NEVER), (429, Kind.RATE_LIMITED, Retry.BACKOFF)],
        *[(500, Kind.UNAVAILABLE, Retry.ONCE), (501, Kind.REJECTED, Retry.NEVER)],
        *[(status, Kind.UNAVAILABLE, Retry.BACKOFF) for status in (502, 503, 504)],
        *[(505, Kind.REJECTED, Retry.NEVER), (None, Kind.REJECTED, Retry.NEVER)],
    ],
)
def test_what_a_status_means_where_the_code_is_unknown(status, kind, retry):
    """An outage is tried again, an internal error once; without a code 4xx is foreign."""
    meaning = failures.meaning_of(ErrorReport(None, status, "unknown_code", None))
    assert (meaning.kind, meaning.retry) == (kind, retry)
    foreign = failures.meaning_of(ErrorReport(None, status, None, None))
    assert (foreign.kind is Kind.FOREIGN) is (status in {401, 403, 404, 407, 408})


def test_a_version_that_is_gone(vault, client):
    """A pinned version that has aged out says which."""
    vault.script(envelope("version_not_found", status=404))
    with pytest.raises(errors.VersionNotFoundError) as caught:
        client.read("a/b", 3)
    assert caught.value.version == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.VaultUnavailableError),
        (403, errors.VaultUnavailableError),
        (404, errors.VaultUnavailableError),
        (407, errors.VaultUnavailableError),
        (413, errors.VaultUnavailableError),
        (204, errors.ResponseError),
        (304, errors.ResponseError),
    ],
)
def test_bodies_of_somebody_else(vault, client, status, kind):
    """A proxy's page is no verdict about the token or the secret; what it is, its status says."""
    body = b"" if status in (204, 304) else b"<html>CANARY</html>"
    vault.script(Reply(status, body, {"X-Request-ID": "from-header"}))
    with pytest.raises(errors.VaultConfigError) as caught:
        client.read("a/b")
    assert type(caught.value) is kind
    assert caught.value.request_id == "from-header"


BODIES = [
    b"<html>CANARY</html>",
    b"",
    b"null",
    b"[]",
    b'"CANARY"',
    b'{"error": "access_denied"}',
    b'{"error": null}',
    b'{"error": {}}',
    b'{"error": {"code": 403, "message": "CANARY"}}',
    b'{"error": {"code": "Forbidden"}}',
    b'{"error": {"code": "ACCESS_DENIED"}}',
    b'{"error": {"code": "access-denied"}}',
    b'{"error": {"code": ""}}',
    b'{"error": {"code": ["access_denied"]}}',
    b'{"error": [{"code": "access_denied"}]}',
    b'{"code": "access_denied"}',
    b'{"detail": "Not Found"}',
    b'{"message": "no Route matched with those values"}',
]
OPERATIONS = [
    lambda client: client.read("a/b"),
    lambda client: client.read("a/b", 3),
    lambda client: client.read_many(["a/b", "a/c"]),
    lambda client: client.whoami(),
    lambda client: client.write("a/b", {"k": "v"}),
    lambda client: client.delete("a/b"),
    lambda client: list(client.list()),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 421, 422, 431, 451])
def test_a_verdict_needs_the_envelope(vault, client, clock, status, body):
    """Without ScaiVault's envelope 4xx is an outage, after one attempt each."""
    vault.script(Reply(status, body))
    for operation in OPERATIONS:
        vault.asked.clear()
        with pytest.raises(errors.VaultUnavailableError) as caught:
            operation(client)
        assert f"something between us and the vault answered {status}" in str(caught.value)
        assert vault.url in str(caught.value)
        assert "CANARY" not in str(caught.value)
        paths = {(asked.method, asked.target) for asked in vault.asked}
        assert len(paths) == len(vault.asked)  # a batch's 404 means single reads, too
    assert clock.slept == []


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("access_denied", "ask for a policy"),
        ("forbidden", "ask for a policy"),
        ("something_new", "ask for a policy"),
        ("insufficient_scope", "a token with the scope"),
        ("mfa_required", "a second factor"),
        ("ip_not_allowed", "the address of this machine"),
        ("time_window_violation", "at certain times only"),
        ("tenant_access_denied", "SCAIVAULT_TENANT_ID"),
    ],
)
def test_each_denial_has_advice_that_fits(vault, client, code, advice):
    """What to do depends on why the vault denies access."""
    vault.script(envelope(code, status=403))
    with pytest.raises(errors.AccessDeniedError, match=advice) as caught:
        client.read("a/b")
    is_policy = advice == "ask for a policy"
    assert ("ask for a policy that allows it" in str(caught.value)) == is_policy


def test_a_path_that_the_vault_rejects(vault, client):
    """The error says what a path may have, and where a field stands."""
    vault.script(envelope("invalid_path", status=400))
    with pytest.raises(errors.SecretError, match="characters of a-z 0-9 - _ /") as caught:
        client.read("App/db:password")
    assert "after '#'" in str(caught.value)


def test_a_wait_is_not_silent(connect, caplog):
    """A call that is tried again says so once: what failed, and for how long it goes on."""
    client = connect(url="http://127.0.0.1:1")
    for _ in range(2):
        caplog.clear()
        with pytest.raises(errors.VaultUnavailableError):
            client.read_many([("a", 1), ("b", 1), ("c", 1)])
        (record,) = caplog.records
        assert (record.levelname, record.name) == ("WARNING", "vaultconfig.client")
        assert "http://127.0.0.1:1: no connection (Connection refused)" in record.message
        assert record.message.endswith("; trying again for up to 10 s")


def test_a_filter_that_raises(connect, caplog):
    """A logging filter of the application's that raises doesn't end a call that goes on."""

    def fail(record) -> bool:
        raise RuntimeError("CANARY")

    client = connect(url="http://127.0.0.1:1")
    log = logging.getLogger("vaultconfig.client")
    log.addFilter(fail)
    try:
        with pytest.raises(errors.VaultUnavailableError):
            client.read("a/b")
    finally:
        log.removeFilter(fail)


def test_a_short_wait_is_silent(connect, vault, caplog):
    """Nothing is said where nobody waits: one attempt, or two seconds at most."""
    client = connect(url="http://127.0.0.1:1")
    for options in ({"deadline": 2}, {"retry": False}):
        with pytest.raises(errors.VaultUnavailableError):
            client.read_many(["a"], **options)
    vault.script(OK)
    assert connect().read("a/b").version == 1
    assert not caplog.records


@pytest.mark.parametrize(
    "reply",
    [
        envelope("service_unavailable", status=503),
        envelope("rate_limited", status=429),
        *(Reply(status, b"<html>") for status in (429, 502, 503, 504)),
    ],
)
def test_what_passes_is_retried(vault, client, clock, reply):
    """An outage is waited out with full jitter, doubling."""
    vault.script(reply, reply, reply, OK)
    assert client.read("a/b").version == 1
    assert clock.slept == [0.1, 0.2, 0.4]


def test_internal_error_once(vault, client):
    """internal_error is retried exactly once, whatever came before it."""
    broken = envelope("internal_error", status=500)
    vault.script(broken, OK)
    assert client.read("a/b").version == 1
    vault.script(broken, envelope("service_unavailable", status=503), broken, OK)
    with pytest.raises(errors.VaultUnavailableError, match="internal_error"):
        client.read("a/b")
    assert len(vault.asked) == 2 + 3


def test_retries_end_with_the_deadline(vault, client, clock):
    """Waits never go past the deadline, and the last failure is what is raised."""
    vault.script(envelope("service_unavailable", status=503))
    start = clock.now
    with pytest.raises(errors.VaultUnavailableError, match="service_unavailable"):
        client.read_many(["a/b"], deadline=3)
    assert clock.now - start < 3
    assert len(vault.asked) == 5


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        ("7", 7.1),
        ("6.2", 7.1),
        ("7, 7", 7.1),
        ("0", 0.1),
        ("Tue, 01 Jan 2030 00:00:09 GMT", 9.1),
        ("soon", 0.1),
    ],
)
def test_retry_after(vault, client, clock, value, waited):
    """Retry-After counts in seconds, or as a date by the server's own clock."""
    headers = {"Retry-After": value, "Date": "Tue, 01 Jan 2030 00:00:00 GMT"}
    vault.script(Reply(429, headers=headers), OK)
    client.read("a/b")
    assert clock.slept == [pytest.approx(waited)]


def test_retry_after_longer_than_the_deadline(vault, client, clock):
    """Where we may not wait as long as the vault asks, it is said at once."""
    vault.script(envelope("rate_limited", status=429, headers={"Retry-After": "10"}))
    with pytest.raises(errors.RateLimitedError) as caught:
        client.read("a/b")
    assert caught.value.retry_after == 10
    assert clock.slept == []
    assert len(vault.asked) == 1


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 2030 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
    ],
)
def test_dates_that_are_none(vault, client, value):
    """A date that no calendar has is as good as no header, be it Retry-After or Date."""
    vault.script(Reply(429, headers={"Retry-After": value, "Date": value}), OK)
    assert client.read("a/b").version == 1
    vault.script(Reply(429, headers={"Date": value}))
    assert client.health().server_time is None


@pytest.mark.parametrize("value", ["3601", "9" * 400, "Wed, 01 Jan 2031 00:00:00 GMT"])
def test_retry_after_without_measure(vault, client, value):
    """However long the vault asks us to stay away, an hour is the most."""
    vault.script(
        Reply(429, headers={"Retry-After": value, "Date": "Tue, 01 Jan 2030 00:00:00 GMT"})
    )
    with pytest.raises(errors.RateLimitedError) as caught:
        client.read("a/b")
    assert caught.value.retry_after == 3600


def test_a_rate_limited_path(vault, client, clock):
    """Retry-After counts for the paths of a batch too."""
    limited = {"secrets": {}, "errors": {p: {"code": "rate_limited"} for p in "ab"}}
    fine = {"secrets": {p: {"data": {}, "version": 1} for p in "ab"}}
    vault.script(Reply(body=limited, headers={"Retry-After": "3"}), Reply(body=fine))
    assert client.read_many(["a", "b"])["a"].version == 1
    assert clock.slept == [pytest.approx(3.1)]


def test_a_path_that_has_to_wait_too_long(vault, client):
    """A path whose turn comes too late does not hold back one that may be asked for again."""
    codes = {"a": {"code": "rate_limited"}, "b": {"code": "service_unavailable"}}
    vault.script(
        Reply(body={"secrets": {}, "errors": codes}, headers={"Retry-After": "60"}),
        Reply(body={"secrets": {"b": {"data": {}, "version": 1}}}),
    )
    found = client.read_many(["a", "b"])
    assert found["a"].retry_after == 60
    assert found["b"].version == 1
    assert vault.asked[1].json["paths"] == ["b"]


def dropped(connection) -> None:
    """Close without an answer."""


def truncated(connection) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": "CANARY')


def garbage(connection) -> None:
    connection.sendall(b"CANARY what is this\r\n\r\n")


@pytest.mark.parametrize("fault", [dropped, truncated, garbage])
def test_broken_connections_are_retried(vault, client, clock, fault):
    """A connection that breaks is tried again, for reads."""
    vault.script(fault, fault, OK)
    assert client.read("a/b").version == 1
    assert clock.slept == [0.1, 0.2]


@pytest.mark.parametrize("fault", [dropped, truncated, garbage])
def test_writes_are_not_sent_twice(vault, client, fault):
    """A write that may have arrived is not repeated; one that was turned away is."""
    written = Reply(body={"path": "a/b", "version": 1, "created": True})
    vault.script(fault, written)
    for write in (lambda: client.write("a/b", {"k": "v"}), lambda: client.delete("a/b")):
        vault.script(fault, written)
        with pytest.raises(errors.VaultUnavailableError):
            write()
    turned_away = [envelope("service_unavailable", status=503), Reply(429, b"<html>Slow</html>")]
    vault.script(*turned_away, written)
    assert client.write("a/b", {"k": "v"}).version == 1
    assert len(vault.asked) == 5


@pytest.mark.parametrize(
    "answer",
    [
        *(Reply(status, b"<html>Gateway</html>") for status in (500, 502, 503, 504)),
        envelope("internal_error", status=500),
        envelope("some_new_code", status=503),
    ],
)
def test_a_write_behind_an_answer_that_leaves_it_open(vault, client, answer):
    """A gateway may have given up on a write that arrived: it is sent once, a read again."""
    written = Reply(body={"path": "a/b", "version": 2})
    for write in (lambda: client.write("a/b", {"k": "v"}), lambda: client.delete("a/b")):
        vault.script(answer, written)
        with pytest.raises(errors.VaultUnavailableError):
            write()
    assert len(vault.asked) == 2
    vault.script(answer, OK)
    assert client.read("a/b").version == 1


def test_nobody_there(connect, clock):
    """A refused connection is retried, for writes too, and says what the system said."""
    client = connect(url="http://127.0.0.1:1")
    with pytest.raises(errors.VaultUnavailableError, match="Connection refused"):
        client.write("a/b", {"k": "v"})
    assert len(clock.slept) > 2


def all_of(kind: type) -> list[type]:
    return [kind, *(sub for child in kind.__subclasses__() for sub in all_of(child))]


EXPECTED = {
    httpx.TransportError: errors.VaultUnavailableError,
    httpx.LocalProtocolError: errors.ConfigurationError,
    httpx.UnsupportedProtocol: errors.ConfigurationError,
    httpx.InvalidURL: errors.ConfigurationError,
}
FOREIGN = [
    kind
    for root in (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
    for kind in all_of(root)
    if kind not in (httpx.TransportError, httpx.ProtocolError)  # never raised themselves
]


@pytest.mark.parametrize("kind", FOREIGN)
def test_every_exception_of_httpx(kind):
    """Each of httpx's exceptions becomes one of ours, without its text."""
    exc = kind.__new__(kind)
    Exception.__init__(exc, "CANARY")
    exc._request = None
    failure = failure_of(exc, server="https://h", writes=False)
    expected = next((ours for theirs, ours in EXPECTED.items() if kind is theirs), None)
    if expected is None and issubclass(kind, httpx.TransportError):
        expected = errors.VaultUnavailableError
    assert type(failure.error) is (expected or errors.ResponseError)
    assert (failure.retry is Retry.BACKOFF) == (type(failure.error) is errors.VaultUnavailableError)
    assert "CANARY" not in str(failure.error)
    assert "https://h" in str(failure.error)


def test_a_date_in_the_past(vault, client, clock):
    """A Retry-After that has passed is no wait at all."""
    past = {"Retry-After": "Tue, 01 Jan 2019 00:00:00 GMT"}
    vault.script(Reply(429, b"", past), OK)
    client.read("a/b")
    assert clock.slept == [0.1]
