"""The deadline holds over everything, on real sockets and by the real clock."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack

import httpcore
import pytest

from tests.client.scripted import Reply, secret
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, VaultClient
from vaultconfig.client.attempts import LONGEST_DEADLINE, Deadline
from vaultconfig.client.sockets import DeadlineBackend

SECONDS = 0.3
SLACK = 8.0  # with which it is still less than the usual deadline


@pytest.fixture
def client(vault):
    with VaultClient(vault.url, credentials=StaticToken("t"), deadline=SECONDS) as client:
        yield client


def assert_late(call) -> None:
    start = time.monotonic()
    with pytest.raises(errors.VaultUnavailableError, match=r"in time|connection"):
        call()
    assert SECONDS * 0.9 < time.monotonic() - start < SECONDS + SLACK


def occupy(client) -> None:
    with pytest.raises(errors.VaultUnavailableError):
        client.read_many(["x"], deadline=5, retry=False)


def drip(vault, *, head: bytes, drop: bytes):
    def serve(connection) -> None:
        connection.sendall(head)
        while not vault.over.wait(0.02):
            connection.sendall(drop)

    return serve


def test_no_answer(vault, client):
    """A server that takes the request and says nothing."""
    vault.script(lambda connection: vault.over.wait(30))
    assert_late(lambda: client.read("a/b"))
    assert_late(lambda: client.read_many(["a/b", "a/c", ("d", 1)]))


def test_dripping_headers(vault, client):
    """Headers that come one at a time, for ever."""
    vault.script(drip(vault, head=b"HTTP/1.1 200 OK\r\n", drop=b"X: y\r\n"))
    assert_late(lambda: client.read("a/b"))


def test_dripping_body(vault, client):
    """A body that comes byte by byte, for ever."""
    vault.script(drip(vault, head=b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", drop=b" "))
    assert_late(lambda: client.read("a/b"))


def test_dripping_refusal(vault, client):
    """The body of a 401, which is read before the token is renewed."""
    vault.script(drip(vault, head=b"HTTP/1.1 401 No\r\nContent-Length: 9999\r\n\r\n", drop=b" "))
    assert_late(lambda: client.read("a/b"))


def test_a_server_that_does_not_read(vault, client):
    """A request larger than the buffers, to a server that never reads it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with VaultClient(url, credentials=StaticToken("t"), deadline=SECONDS) as client:
            assert_late(lambda: client.write("a/b", {"k": "x" * 20_000_000}))


def test_no_handshake():
    """A server that accepts a TLS connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with VaultClient(url, credentials=StaticToken("t"), deadline=SECONDS) as client:
            assert_late(lambda: client.read("a/b"))


def test_no_free_connection(vault, client):
    """Eight calls hold all connections; the ninth waits for one no longer than it may."""
    arrived = threading.Semaphore(0)
    vault.respond = lambda asked: lambda connection: (arrived.release(), vault.over.wait(30))

    threads = [threading.Thread(target=occupy, args=(client,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=5)
    assert_late(lambda: client.read("a/b"))
    assert len(vault.asked) == 8
    vault.over.set()
    for thread in threads:
        thread.join()


def test_a_silent_token_endpoint(vault):
    """The token's request, and the wait for the thread that makes it, count too."""
    asked = threading.Event()
    vault.respond = lambda _: lambda connection: (asked.set(), vault.over.wait(30))
    credentials = ClientCredentials("i", "s", token_url=vault.url + "/token", scope="")
    with VaultClient(vault.url, credentials=credentials, deadline=SECONDS) as client:
        patient = threading.Thread(target=occupy, args=(client,))
        patient.start()
        assert asked.wait(5)
        assert_late(lambda: client.read("a/b"))
        vault.over.set()
        patient.join()
    assert {request.target for request in vault.asked} == {"/token"}


def test_every_socket_operation_gets_what_is_left(vault):
    """httpcore hands our deadline to each operation on the socket, as its time-out.

    This is what the others here stand on, and what a new httpcore could change.
    """
    now, context = [0.0], ssl.create_default_context()
    deadline = Deadline(5, clock=lambda: now[0])
    host, port = vault.server.server_address[:2]
    stream = DeadlineBackend().connect_tcp(host, port, timeout=deadline)
    stream.write(b"GET / HTTP/1.1\r\n\r\n", timeout=deadline)
    assert stream.get_extra_info("socket").gettimeout() == 5
    now[0] = 2
    assert stream.read(1, timeout=deadline)
    assert stream.get_extra_info("socket").gettimeout() == 3
    now[0] = 5
    for late, call in [
        (httpcore.ReadTimeout, lambda: stream.read(1, timeout=deadline)),
        (httpcore.WriteTimeout, lambda: stream.write(b"x", timeout=deadline)),
        (httpcore.ConnectTimeout, lambda: DeadlineBackend().connect_tcp(host, port, deadline)),
        (httpcore.ConnectTimeout, lambda: stream.start_tls(context, "localhost", deadline)),
    ]:
        with pytest.raises(late):
            call()
    assert stream.get_extra_info("socket").fileno() == -1  # nobody else would close it


def test_a_name_with_several_addresses(vault, monkeypatch):
    """The next address is tried when one does not answer, within the one deadline."""
    port = vault.server.server_port
    found = [(0, 0, 0, "", ("127.0.0.2", 1)), (0, 0, 0, "", ("127.0.0.1", port))]
    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", lambda *a, **k: found)
    stream = DeadlineBackend().connect_tcp("two", port, timeout=Deadline(2))
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    stream.close()


def test_an_address_that_swallows_everything(vault, monkeypatch):
    """An address that never answers takes no more than its share of the deadline."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as filling:
        for _ in range(4):  # beyond its backlog, Linux drops what comes
            one = filling.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        port, good = full.getsockname()[1], vault.server.server_port
        reached = []

        class Plain(httpcore.SyncBackend):
            def connect_tcp(self, host, port_, *rest):
                reached.append(host)
                return super().connect_tcp("127.0.0.1", port if host == "a" else good, *rest)

        found = [(0, 0, 0, "", (name, 0)) for name in "ab"]
        monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", lambda *a, **k: found)
        backend = DeadlineBackend()
        backend._plain = Plain()
        backend.connect_tcp("two", 0, timeout=Deadline(2)).close()
        assert reached == ["a", "b"]


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 70 + ".invalid"])
def test_a_name_without_addresses(host):
    """A name that does not resolve is an outage, and says so."""
    with (
        VaultClient(f"https://{host}", credentials=StaticToken("t")) as client,
        pytest.raises(errors.VaultUnavailableError, match="no connection"),
    ):
        client.read_many(["a"], retry=False)


def test_an_endless_deadline(vault, connect):
    """An infinite deadline is cut to what sockets can count."""
    assert Deadline(float("inf")) == LONGEST_DEADLINE
    vault.script(Reply(body=secret()))
    assert connect(deadline=float("inf")).read("a/b").version == 1
