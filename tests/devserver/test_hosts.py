"""The guard against DNS rebinding: what a server on loopback must be called."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from vaultconfig.devserver import DevServer

ROUTES = [
    ("GET", "/v1/secrets/a"),
    ("PUT", "/v1/secrets/a"),
    ("POST", "/v1/secrets/batch"),
    ("GET", "/v1/secrets"),
    ("GET", "/v1/auth/whoami"),
    ("GET", "/v1/health"),
    ("GET", "/v1/version"),
    ("POST", "/v1/subscriptions"),
    ("POST", "/oauth/token"),
    ("GET", "/_dev/faults"),
    ("POST", "/_dev/faults"),
    ("GET", "/_dev/requests"),
    ("GET", "/nowhere"),
    ("OPTIONS", "/v1/secrets/a"),
    ("HEAD", "/v1/health"),
]

STRANGERS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:8200",
    "localhost:8200@evil.example",
    "evil.example@localhost",
    "0.0.0.0",
    "[::]",
    "192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[::1].evil.example",
    "::1",
    "localhost:80:80",
    "localhost:eighty",
    "localhost, evil.example",
    "127.1",
    "",
]


def sent(server: DevServer, *lines: str) -> tuple[int, str]:
    """Send a request line and headers as they stand; return the status and the body."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_is_guarded(
    server: DevServer, http: httpx.Client, method: str, path: str
) -> None:
    """With another machine's name no route does or says anything, with the token either."""
    server.put("a", {"x": "canary"})
    answer = http.request(method, path, headers={"Host": "evil.example"}, json={"data": {}})
    assert answer.status_code == 421
    assert "access-control-allow-origin" not in answer.headers
    if method != "HEAD":
        error = answer.json()["error"]
        assert error["code"] == "misdirected_request"
        assert error["request_id"] == answer.headers["X-Request-ID"]
        assert "localhost, 127.0.0.1 or [::1]" in error["message"]
    assert http.get("/v1/secrets/a").json()["version"] == 1


@pytest.mark.parametrize("host", STRANGERS)
def test_names_of_other_machines(server: DevServer, host: str) -> None:
    """What only looks like a name of loopback is turned away."""
    status, body = sent(server, "GET /v1/health HTTP/1.1", f"Host: {host}")
    assert (status, json.loads(body)["error"]["code"]) == (421, "misdirected_request")


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1:8200", "127.255.0.9", "[::1]:8200", "[0:0::1]"]
)
def test_names_of_loopback(server: DevServer, host: str) -> None:
    """Any name and any port of loopback will do."""
    assert sent(server, "GET /v1/health HTTP/1.1", f"Host: {host}")[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /v1/health HTTP/1.0"],
        ["GET http://evil.example/v1/health HTTP/1.1", "Host: localhost"],
        ["GET http://localhost@evil.example/v1/health HTTP/1.1", "Host: localhost"],
        ["GET http://localhost/v1/health HTTP/1.1", "Host: evil.example"],
        ["CONNECT evil.example:443 HTTP/1.1", "Host: localhost"],
        ["OPTIONS * HTTP/1.1", "Host: evil.example"],
        ["GET /v1/health HTTP/1.1", "Host: evil.example", "Upgrade: h2c", "Connection: Upgrade"],
    ],
)
def test_odd_requests(server: DevServer, lines: list[str]) -> None:
    """No Host, a target with a host of its own and an upgrade are no way around."""
    status, body = sent(server, *lines)
    assert (status, json.loads(body)["error"]["code"]) == (421, "misdirected_request")


def test_two_hosts(server: DevServer) -> None:
    """Two Hosts are no HTTP, whichever comes first."""
    for hosts in (("localhost", "evil.example"), ("evil.example", "localhost")):
        lines = [f"Host: {host}" for host in hosts]
        assert sent(server, "GET /v1/health HTTP/1.1", *lines)[0] == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://localhost.evil.example", "null"]
)
def test_pages_of_other_origins(http: httpx.Client, origin: str) -> None:
    """A page of another origin gets nothing, by the right name either."""
    answer = http.get("/v1/health", headers={"Origin": origin})
    assert answer.status_code == 421


def test_pages_of_this_machine(http: httpx.Client) -> None:
    """A page that was loaded from loopback is answered, without any permission to read."""
    answer = http.get("/v1/health", headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_they_use_up_no_fault(server: DevServer, http: httpx.Client) -> None:
    """What is turned away stands in the log, and meets neither a hold nor a fault."""
    server.hold("/v1/health")
    server.fault(code="internal_error", times=1)
    assert http.get("/v1/health", headers={"Host": "evil.example"}).status_code == 421
    assert http.get("/v1/version").status_code == 500
    assert [request.path for request in server.requests] == ["/v1/health", "/v1/version"]


def test_elsewhere_every_name_will_do(connect) -> None:
    """A server that others may reach can't know its names, and answers whatever it is called."""
    with DevServer(host="0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")  # which a client here may use
        url = f"{server.url}/v1/health"
        assert httpx.get(url, headers={"Host": "vault.example"}).status_code == 200


def test_the_address_decides() -> None:
    """A server on loopback is guarded however its address was spelled."""
    with DevServer(host="127.1") as server:
        url = f"http://127.0.0.1:{server.url.rpartition(':')[2]}/v1/health"
        assert httpx.get(url).status_code == 200
        assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 421
