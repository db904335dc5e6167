"""Faults on request, from Python and over HTTP."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.client.test_errors import DOCUMENTED
from vaultconfig.devserver import DevServer, Fault
from vaultconfig.devserver.answers import STATUS

A = "/v1/secrets/a"


@pytest.fixture(autouse=True)
def _secret(server: DevServer) -> None:
    server.put("a", {"x": "a value of some length"})


def test_documented_codes() -> None:
    """Every code of the page is known, one that it leaves unnamed, and one of our own."""
    documented = {code: status for status, code, *_ in DOCUMENTED}
    assert {**documented, "subscription_not_found": 404, "misdirected_request": 421} == STATUS


@pytest.mark.parametrize("name", STATUS)
def test_a_code(server: DevServer, http: httpx.Client, name: str) -> None:
    """A code comes in its envelope, with its status."""
    server.fault(code=name, times=1)
    answer = http.get(A)
    assert answer.status_code == STATUS[name]
    error = answer.json()["error"]
    assert error["code"] == name
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert http.get(A).status_code == 200


def test_a_status_without_the_envelope(server: DevServer, http: httpx.Client) -> None:
    """A status comes with the text and headers that were asked for, as from a load balancer."""
    server.fault(status=502, body="bad gateway", headers={"Via": "lb"})
    answer = http.get(A)
    assert (answer.status_code, answer.text, answer.headers["Via"]) == (502, "bad gateway", "lb")


@pytest.mark.parametrize("after", [7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_rate_limited_with_retry_after(
    server: DevServer, http: httpx.Client, after: int | str
) -> None:
    """Retry-After is what was asked for, in seconds or as a date."""
    server.fault(code="rate_limited", retry_after=after)
    answer = http.get(A)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(after))


def test_drop(server: DevServer, http: httpx.Client) -> None:
    """A dropped request gets no answer at all, and does nothing."""
    server.fault(drop=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http.put(A, json={"data": {}})
    assert http.get(A).json()["version"] == 1


def test_reset(server: DevServer, http: httpx.Client) -> None:
    """A reset connection is not closed in order: the client's read fails."""
    server.fault(reset=True, times=1)
    with pytest.raises(httpx.ReadError):
        http.put(A, json={"data": {}})
    assert http.get(A).json()["version"] == 1


@pytest.mark.parametrize(
    ("how", "error"), [("drop", httpx.RemoteProtocolError), ("reset", httpx.ReadError)]
)
def test_only_a_connection_that_is_used_again(
    server: DevServer, http: httpx.Client, how: str, error: type[Exception]
) -> None:
    """A fault may concern kept-alive connections alone: a fresh one is served each time."""
    server.fault(reused=True, **{how: True})
    for _ in range(2):
        assert http.get(A).status_code == 200
        with pytest.raises(error):
            http.get(A)
    assert [request.is_reuse for request in server.requests] == [False, True] * 2


PAGE = "<html><h1>Not here</h1></html>"


@pytest.mark.parametrize("status", [401, 403, 404, 502])
def test_the_page_of_a_proxy(server: DevServer, http: httpx.Client, status: int) -> None:
    """A status comes with the type of its body if the headers give one, and as text if not."""
    server.fault(status=status, body=PAGE, headers={"Content-Type": "text/html"}, times=1)
    answer = http.get(A)
    assert (answer.status_code, answer.text) == (status, PAGE)
    assert answer.headers.get_list("Content-Type") == ["text/html"]
    server.fault(status=status, body=PAGE)
    assert http.get(A).headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_replica_that_lags(server: DevServer, http: httpx.Client) -> None:
    """Reads, single and batch, know nothing of the last versions of the paths concerned."""
    for number in (2, 3):
        server.put("a", {"n": number})
        server.put("b", {"n": number})
    server.fault(path="a", lag=1, times=2)
    assert http.get(A).json()["version"] == 2
    batch = http.post("/v1/secrets/batch", json={"paths": ["a", "b"]}).json()["secrets"]
    assert [batch[path]["version"] for path in "ab"] == [2, 2]
    assert http.get(A).json()["data"] == {"n": 3}


def test_a_replica_that_does_not_know_a_version_yet(server: DevServer, http: httpx.Client) -> None:
    """A pinned version that came too late is not found, nor is a secret that did."""
    server.put("a", {"n": 2})
    for lag, params, code in (
        (1, {"version": 2}, "version_not_found"),
        (2, {}, "secret_not_found"),
        (9, {"version": 1}, "secret_not_found"),
    ):
        server.fault(lag=lag, times=1)
        assert http.get(A, params=params).json()["error"]["code"] == code
    server.fault(lag=1)
    assert http.put(A, json={"data": {}}).json()["version"] == 3


def test_truncate(server: DevServer, http: httpx.Client) -> None:
    """A truncated answer announces its length and ends half-way."""
    server.fault(truncate=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        http.get(A)
    assert http.get(A).status_code == 200


def test_garbage(server: DevServer, http: httpx.Client) -> None:
    """Garbage is a 200 that is not JSON."""
    server.fault(garbage=True)
    answer = http.get(A)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_drip(server: DevServer, http: httpx.Client) -> None:
    """A dripping body comes whole, a byte at a time."""
    whole = http.get(A).text
    server.fault(drip=0.0005)
    began = time.monotonic()
    with http.stream("GET", A) as answer:
        chunks = list(answer.iter_raw())
    assert b"".join(chunks).decode() == whole
    assert len(chunks) > 10
    assert time.monotonic() - began >= 0.0005 * len(whole)


def test_delay(server: DevServer, http: httpx.Client) -> None:
    """A delayed answer is the true one, later."""
    server.fault(delay=0.05)
    began = time.monotonic()
    assert http.get(A).status_code == 200
    assert time.monotonic() - began >= 0.05


def test_a_body_in_place_of_the_true_one(server: DevServer, http: httpx.Client) -> None:
    """A body alone replaces the answer's, for an answer that is JSON and no secret."""
    server.fault(body="[]")
    answer = http.get(A)
    assert (answer.status_code, answer.json()) == (200, [])


def test_faults_are_matched(server: DevServer, http: httpx.Client) -> None:
    """Method and path choose the requests, a batch being about all its paths."""
    server.fault(code="forbidden", method="DELETE", path="b")
    server.fault(code="service_unavailable", path="environments/**", method="POST")
    server.fault(code="internal_error", path="/v1/auth/*")
    found = [
        http.get("/v1/secrets/b"),
        http.delete("/v1/secrets/a"),
        http.delete("/v1/secrets/b"),
        http.get("/v1/secrets/environments/x"),
        http.post("/v1/secrets/batch", json={"paths": ["a"]}),
        http.post("/v1/secrets/batch", json={"paths": ["a", "environments/x"]}),
        http.post("/v1/secrets/batch", json=["environments/x"]),
        http.get("/v1/auth/whoami"),
    ]
    assert [answer.status_code for answer in found] == [404, 200, 403, 404, 200, 503, 400, 500]


def test_faults_are_counted_and_cleared(server: DevServer, http: httpx.Client) -> None:
    """A fault serves so many requests, then the next in line does, until they are cleared."""
    server.fault(code="internal_error", times=2)
    server.fault(code="service_unavailable")
    assert [http.get(A).status_code for _ in range(4)] == [500, 500, 503, 503]
    server.clear_faults()
    assert http.get(A).status_code == 200


@pytest.mark.parametrize(
    "what",
    [
        {"times": 0},
        {"times": True},
        {"delay": -1},
        {"drip": "1"},
        {"status": 100},
        {"status": 600},
        {"code": "no_such_code"},
        {"drop": True, "garbage": True},
        {"drop": True, "reset": True},
        {"lag": -1},
        {"lag": True},
        {"headers": {"A": 1}},
        {"method": 1},
        {"path": None},
        {"body": b"x"},
        {"retry_after": 1.5},
        {"explode": True},
    ],
)
def test_faults_that_make_no_sense(what: dict[str, object]) -> None:
    """A fault that can't happen is refused when it is asked for."""
    with pytest.raises(ValueError, match=next(iter(what)) if len(what) == 1 else "at most one"):
        Fault.model_validate(what)


def test_faults_over_http(server: DevServer, http: httpx.Client) -> None:
    """A server in another process is told at /_dev/faults."""
    asked = http.post("/_dev/faults", json={"code": "forbidden", "path": "a", "times": 2})
    assert asked.status_code == 201
    assert http.get(A).status_code == 403
    (waiting,) = http.get("/_dev/faults").json()["faults"]
    assert (waiting["code"], waiting["times"]) == ("forbidden", 1)
    assert http.delete("/_dev/faults").json() == {"faults": []}
    assert http.get(A).status_code == 200


def test_a_malformed_fault_over_http(http: httpx.Client) -> None:
    """What is wrong with it is said, and nothing is added."""
    answer = http.post("/_dev/faults", json={"kode": "forbidden"})
    assert answer.status_code == 422
    assert "kode: There is no such key" in answer.json()["error"]["message"]
    assert http.post("/_dev/faults", content="[]").status_code == 400
    assert http.get("/_dev/faults").json() == {"faults": []}


def test_the_administration_is_the_administrators(server: DevServer, connect) -> None:
    """It takes the administrator's token, whatever the faults are."""
    server.fault(status=500)
    stranger = connect(server, server.add_token())
    for method, path in (
        ("GET", "/_dev/faults"),
        ("POST", "/_dev/faults"),
        ("DELETE", "/_dev/faults"),
        ("GET", "/_dev/requests"),
    ):
        assert stranger.request(method, path).json()["error"]["code"] == "insufficient_scope"
        assert httpx.request(method, server.url + path).status_code == 401


def test_the_log_over_http(server: DevServer, http: httpx.Client) -> None:
    """The requests so far can be read, without the administration's own."""
    http.get(A, params={"version": 1})
    (logged,) = server.requests
    assert http.get("/_dev/requests").json() == http.get("/_dev/requests").json()
    assert http.get("/_dev/requests").json()["requests"] == [
        {"method": "GET", "path": A, "query": {"version": "1"}, "secrets": ["a"], "at": logged.at}
    ]
