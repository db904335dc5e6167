"""The server as an object: start and stop, the log, rendezvous, silence."""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from vaultconfig.devserver import DevServer
from vaultconfig.devserver.bodies import Draft
from vaultconfig.devserver.contents import Contents
from vaultconfig.errors import ConfigurationError

AT_ONCE = 5.0  # seconds that even a busy machine has time in; what is waited for takes longer


def test_stop_waits_for_no_request(connect) -> None:
    """A server stops at once, with connections open and held."""
    with DevServer() as server:
        connect(server).get("/v1/health")
        server.hold("a")
        with ThreadPoolExecutor(8) as pool:
            held = [pool.submit(connect(server).get, "/v1/secrets/a") for _ in range(3)]
            server.wait_until_asked(3)
            stopping = time.monotonic()
            server.stop()
            assert time.monotonic() - stopping < AT_ONCE
            assert all(isinstance(one.exception(), httpx.RemoteProtocolError) for one in held)


def test_a_fleet_connects_at_once() -> None:
    """All connections wait their turn while the server is busy; the system drops none of them."""
    is_busy, may_go_on = threading.Event(), threading.Event()

    def busy_clock() -> float:
        is_busy.set()
        assert may_go_on.wait(60)
        return time.time()

    with DevServer(clock=busy_clock) as server, ExitStack() as connections:
        host, _, port = server.url.removeprefix("http://").partition(":")

        def connect() -> socket.socket:
            made = socket.create_connection((host, int(port)), timeout=10)
            return connections.enter_context(made)

        connect().sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert is_busy.wait(60)
        try:
            for _ in range(300):
                connect()
        finally:
            may_go_on.set()


@pytest.mark.parametrize("fault", [{"delay": 60}, {"drip": 60}])
def test_stop_ends_what_is_under_way(server: DevServer, connect, fault) -> None:
    """An answer that is delayed or dripping ends with the server."""
    server.fault(**fault)
    server.hold()
    with ThreadPoolExecutor(8) as pool:
        waiting = pool.submit(connect(server).get, "/v1/health")
        server.wait_until_asked()
        server.release()
        server.stop()
        assert isinstance(waiting.exception(timeout=5), httpx.TransportError)


def test_stop_does_not_wait_for_a_slow_reader(server: DevServer) -> None:
    """A client that asked for much and reads nothing doesn't hold the server up."""
    server.fault(body="x" * 20_000_000)
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as lazy:
        lazy.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert lazy.recv(1) == b"H"
        stopping = time.monotonic()
        server.stop()
        assert time.monotonic() - stopping < AT_ONCE
        gc.collect()  # a connection that was left behind would warn


def test_an_outage_keeps_port_and_contents(server: DevServer, http: httpx.Client) -> None:
    """A server that was stopped refuses connections, and is back as it was on the same port."""
    server.put("a", {"x": 1})
    assert http.get("/v1/secrets/a").status_code == 200
    url = server.url
    server.stop()
    server.put("a", {"x": 2})
    with pytest.raises(httpx.TransportError):
        http.get("/v1/secrets/a")
    with pytest.raises(httpx.ConnectError):
        http.get("/v1/secrets/a")
    server.start()
    server.start()
    assert server.url == url
    assert http.get("/v1/secrets/a").json()["version"] == 2
    server.stop()
    server.stop()


def test_a_server_that_was_not_started_has_no_address() -> None:
    """Asking for the URL too early says what to do."""
    with pytest.raises(ConfigurationError, match=r"start\(\) it first"):
        DevServer().url  # noqa: B018 -- it is the property that raises


def test_a_port_that_is_taken(server: DevServer) -> None:
    """The error names the port and the way out."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 is taken"):
        DevServer(port=port).start()
    with pytest.raises(ConfigurationError, match="can't listen on"):
        DevServer(host="192.0.2.1").start()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6() -> None:
    """The loopback of IPv6 serves too."""
    try:
        server = DevServer(host="::1")
        server.start()
    except ConfigurationError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert httpx.get(f"{server.url}/v1/health").status_code == 200


def test_silence(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, connect
) -> None:
    """A server says nothing on its outputs, and logs no request, token or value."""
    caplog.set_level(logging.INFO, "uvicorn")
    caplog.set_level(logging.INFO, "uvicorn.error")
    caplog.set_level(logging.INFO, "uvicorn.access")
    with DevServer() as server:
        http = connect(server)
        http.put("/v1/secrets/a", json={"data": {"x": "canary"}})
        for fault in ({"drop": True}, {"truncate": True}, {"code": "internal_error"}):
            server.fault(times=1, **fault)
            try:
                http.get("/v1/secrets/a")
            except httpx.TransportError:
                continue
        http.get("/v1/health", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as malformed:
            malformed.sendall(b"no HTTP\r\n\r\n")
            assert malformed.recv(12) == b"HTTP/1.1 400"
        server.fault(delay=60)
        with pytest.raises(httpx.ReadTimeout):
            http.get("/v1/secrets/a", timeout=0.05)
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.name.startswith(("uvicorn", "vaultconfig"))]


def test_other_loggers_are_left_alone() -> None:
    """A process that runs its own uvicorn keeps that one's access log."""
    access = logging.getLogger("uvicorn.access")
    before = (access.propagate, access.level, list(access.handlers))
    with DevServer():
        assert (access.propagate, access.level, list(access.handlers)) == before


def test_nothing_is_left_open() -> None:
    """After a stop there is no thread, socket or loop left to warn about."""
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with DevServer() as server:
                httpx.get(f"{server.url}/v1/health")
        del server
        gc.collect()
    assert threading.active_count() == before


def test_the_log_holds_names_only(server: DevServer, http: httpx.Client) -> None:
    """A request is logged with method, path, query, secret paths, and the names of headers."""
    http.get("/v1/secrets/a", params={"version": "3"}, headers={"X-Note": "canary"})
    http.post("/v1/secrets/batch", json={"paths": ["b", "c"]})
    http.get("/v1/auth/whoami")
    first, second, third = server.requests
    assert (first.method, first.path, first.query) == ("GET", "/v1/secrets/a", {"version": "3"})
    assert {"authorization", "x-note", "user-agent"} <= first.header_names
    assert [request.secrets for request in server.requests] == [("a",), ("b", "c"), ()]
    assert first.connection == third.connection
    assert "canary" not in repr(server.requests)
    assert server.token not in repr(server.requests)
    assert second.method == "POST"


def test_the_log_counts(server: DevServer, http: httpx.Client, clock) -> None:
    """The requests of a kind within a time can be counted, and which events each acknowledged."""
    wish = {"name": "app", "paths": ["**"], "delivery": {"type": "polling"}}
    subscription = f"/v1/subscriptions/{http.post('/v1/subscriptions', json=wish).json()['id']}"
    server.put("a", {})
    http.get(f"{subscription}/poll")
    clock.advance(60)
    for _ in range(2):
        (event,) = http.get(f"{subscription}/poll").json()["events"]
    for body in ({"event_ids": [event["event_id"]]}, {"event_ids": 1}, []):
        http.post(f"{subscription}/ack", json=body)
    since = [request for request in server.requests if request.at > clock() - 60]
    assert sum(request.is_about("/v1/subscriptions/*/poll") for request in since) == 2
    assert [request.event_ids for request in since] == [(), (), (event["event_id"],), (), ()]


def test_the_log_tells_connections_apart(server: DevServer, connect) -> None:
    """Requests over two connections show two."""
    for http in (connect(server), connect(server)):
        http.get("/v1/health")
    assert len({request.connection for request in server.requests}) == 2


def test_a_rendezvous(server: DevServer, connect) -> None:
    """Held requests have arrived and wait; others pass; a release lets them go for good."""
    server.put("environments/a", {"x": 1})
    server.hold("environments/*")
    with ThreadPoolExecutor(8) as pool:
        held = [pool.submit(connect(server).get, "/v1/secrets/environments/a") for _ in range(8)]
        server.wait_until_asked(8)
        assert connect(server).get("/v1/health").status_code == 200
        assert not any(one.done() for one in held)
        server.put("environments/a", {"x": 2})
        server.release()
        assert [one.result().json()["version"] for one in held] == [2] * 8
    assert connect(server).get("/v1/secrets/environments/a").status_code == 200
    assert len(server.requests) == 10


def test_gates_of_their_own(server: DevServer, connect) -> None:
    """Reads and polls may be held at once, and each hold is released alone."""
    http = connect(server)
    wish = {"name": "app", "paths": ["**"], "delivery": {"type": "polling"}}
    poll = f"/v1/subscriptions/{http.post('/v1/subscriptions', json=wish).json()['id']}/poll"
    server.put("a", {"x": 1})
    polls, reads = server.hold("/v1/subscriptions/*/poll"), server.hold("a")
    with ThreadPoolExecutor(2) as pool:
        polling = pool.submit(connect(server).get, poll)
        reading = pool.submit(connect(server).get, "/v1/secrets/a")
        polls.wait_until_asked()
        reads.wait_until_asked()
        polls.release()
        assert [event["path"] for event in polling.result().json()["events"]] == ["a"]
        assert not reading.done()
        server.put("a", {"x": 2})
        reads.release()
        assert reading.result().json()["version"] == 2


def test_nobody_asks(server: DevServer) -> None:
    """Waiting in vain ends with what is missing; waiting without a hold is a mistake."""
    with pytest.raises(ConfigurationError, match=r"hold\(\) first"):
        server.wait_until_asked()
    server.hold("a")
    with pytest.raises(TimeoutError, match="0 of 1 requests for a have arrived"):
        server.wait_until_asked(timeout=0.01)


def test_a_vault_that_was_restored(server: DevServer, http: httpx.Client) -> None:
    """An older version is the newest again, the next write takes its number, no event tells."""
    wish = {"name": "app", "paths": ["**"], "delivery": {"type": "polling"}}
    poll = f"/v1/subscriptions/{http.post('/v1/subscriptions', json=wish).json()['id']}/poll"
    for number in (1, 2, 3):
        server.put("a", {"n": number})
    before = http.get(poll).json()
    server.rollback("a", 1)
    assert http.get("/v1/secrets/a").json()["data"] == {"n": 1}
    assert http.get("/v1/secrets/a", params={"version": 2}).status_code == 404
    assert http.get(poll).json() == before
    assert server.put("a", {"n": 4}) == 2
    for path, version in (("a", 3), ("b", 1)):
        with pytest.raises(ConfigurationError, match=f"{path} can't be rolled back"):
            server.rollback(path, version)


def test_put_and_delete_from_python(server: DevServer, http: httpx.Client) -> None:
    """Contents are set without HTTP, and are the server's own from then on."""
    data = {"list": [1]}
    assert server.put("a", data) == 1
    data["list"].append(2)
    assert http.get("/v1/secrets/a").json()["data"] == {"list": [1]}
    assert server.put("a", data) == 2
    server.delete("a")
    server.delete("a")
    assert http.get("/v1/secrets/a").status_code == 404
    for path, bad in (("A", {}), ("a", {"x": object()}), ("a", {"x": float("nan")})):
        with pytest.raises(ConfigurationError, match="can't be written"):
            server.put(path, bad)


def test_concurrent_writes_get_versions_of_their_own() -> None:
    """A writer that arrives in the middle of another write waits for its end."""
    draft, others = Draft(data={}), []

    def keep(_entries: object) -> None:
        if not others:
            others.append(
                threading.Thread(target=contents.put, args=[("t", "a"), draft], kwargs=now)
            )
            others[0].start()
            others[0].join(0.05)  # long enough to overtake, if it could

    contents, now = Contents(keep=keep), {"now": 0.0}
    contents.put(("t", "a"), draft, **now)
    others[0].join()
    assert contents.entry(("t", "a")).latest == 2


def test_stop_ends_a_hold(server: DevServer, connect) -> None:
    """What was held before an outage isn't held after it."""
    server.hold()
    server.stop()
    server.start()
    assert connect(server).get("/v1/health").status_code == 200


def test_the_log_is_bounded(
    server: DevServer, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last requests are kept, so that a server may run for days."""
    monkeypatch.setattr("vaultconfig.devserver.front._LOG_LENGTH", 2)
    for path in ("/1", "/2", "/3"):
        http.get(path)
    assert [request.path for request in server.requests] == ["/2", "/3"]
