"""Connections that are kept: which are used again, and what happens when one has gone."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.client.scripted import Reply, ScriptedVault, secret
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, VaultClient
from vaultconfig.client.sockets import DeadlineBackend, DeadlineStream
from vaultconfig.client.transport import IDLE_SECONDS, LONGEST_USE

BODY = (
    b'{"path": "a/b", "version": 1, "data": {}, "created": true, "identity_id": "i", "id": "s",'
    b' "events": [], "access_token": "t",'
    b' "secrets": {"a": {"version": 1, "data": {}}, "b": {"version": 1, "data": {}}}}'
)


def answers(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
    return True


def closes(connection: socket.socket) -> bool:
    return False


def resets(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def breaks_off(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    return False


def breaks_off_in_the_body(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
    return False


class Scripted:
    """A server whose connections do, request by request, what the script says."""

    def __init__(self) -> None:
        self.script: list[Callable[[socket.socket], bool]] = []
        self.asked: list[tuple[int, str]] = []  # number of the connection, method
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                number = len(self._threads)
                thread = threading.Thread(target=self._serve, args=(connection, number))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as lines:
            while head := list(iter(lines.readline, b"\r\n")) if lines.peek(1) else []:
                lengths = [line for line in head if line.lower().startswith(b"content-length:")]
                for line in lengths:
                    lines.read(int(line.partition(b":")[2]))
                self.asked.append((number, head[0].split()[0].decode()))
                if not self.script.pop(0)(connection):
                    return


@pytest.fixture
def server() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def client(server: Scripted) -> Iterator[VaultClient]:
    with VaultClient(server.url, credentials=StaticToken("t"), deadline=20) as client:
        yield client


def answers_twice(connection: socket.socket) -> bool:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    connection.sendall(one + one)
    return True


def answers_with_a_body_too_many(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}")
    return True


READS = {
    "read": lambda client: client.read_many(["a/b"], retry=False)["a/b"].version,
    "batch": lambda client: client.read_many(["a", "b"], retry=False)["a"].version,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("goes", [closes, resets])
def test_a_kept_connection_that_has_gone(server, client, goes, read):
    """A read is tried once more on a fresh connection, in what counts as one attempt."""
    server.script = [answers, goes, answers]
    assert read(client) == read(client) == 1
    assert [number for number, _ in server.asked] == [1, 1, 2]


@pytest.mark.parametrize("goes", [closes, resets])
def test_a_poll_and_a_token_over_a_connection_that_has_gone(server, goes):
    """What the client asks beside secrets is tried once more as well: polls, ids, tokens."""
    credentials = ClientCredentials("i", "s", token_url=f"{server.url}/token", scope="")
    with VaultClient(server.url, credentials=credentials) as client:
        server.script = [answers, answers]
        assert client.whoami().identity_id == "i"
        credentials._grant = None  # as if it had ended
        server.script = [goes, answers, answers]
        assert client.whoami().identity_id == "i"
        server.script = [answers]
        with client.subscribe(["a"]) as subscription:
            server.script = [answers, goes, answers]
            assert subscription.poll(0) == subscription.poll(0) == ()
    assert server.script == []


@pytest.mark.parametrize("goes", [closes, resets])
def test_once_more_means_once(server, client, goes):
    """A fresh connection that breaks as well is an outage."""
    server.script = [answers, goes, goes]
    READS["read"](client)
    with pytest.raises(errors.VaultUnavailableError):
        READS["read"](client)
    assert [number for number, _ in server.asked] == [1, 1, 2]


def test_what_comes_behind_an_answer_is_not_the_next_one(server, client):
    """A connection with bytes left over is closed: they are about what was asked before."""
    server.script = [answers_twice, answers]
    assert READS["read"](client) == READS["read"](client) == 1
    server.script = [answers_with_a_body_too_many, answers]
    client.delete("a/b")
    client.write("a/b", {"k": "v"})
    assert [number for number, _ in server.asked] == [1, 2, 2, 3]


@pytest.mark.parametrize("goes", [breaks_off, breaks_off_in_the_body])
def test_a_kept_connection_that_had_begun_to_answer(server, client, goes):
    """Once a byte of an answer has come, what breaks off is an outage."""
    server.script = [answers, goes]
    READS["read"](client)
    with pytest.raises(errors.VaultUnavailableError):
        READS["read"](client)
    assert [number for number, _ in server.asked] == [1, 1]


@pytest.mark.parametrize("goes", [closes, resets, breaks_off])
def test_a_fresh_connection_that_breaks(server, client, goes):
    """A connection that was made for the request and breaks is an outage."""
    server.script = [goes]
    with pytest.raises(errors.VaultUnavailableError):
        READS["read"](client)
    assert [number for number, _ in server.asked] == [1]


@pytest.mark.parametrize("goes", [closes, resets])
@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.write("a/b", {"k": "v"}),
        lambda client: client.delete("a/b"),
        lambda client: client.subscribe(["a"]),
    ],
)
def test_a_write_is_never_sent_twice(server, client, goes, write):
    """A write may have arrived over a connection that has gone."""
    server.script = [answers, goes]
    READS["read"](client)
    with pytest.raises(errors.VaultUnavailableError):
        write(client)
    assert len(server.asked) == 2


def test_all_kept_connections_have_gone(server, client):
    """Where a server has dropped all of them, each read gets its one fresh connection."""
    meeting = threading.Barrier(4, timeout=5)

    def together(connection: socket.socket) -> bool:
        meeting.wait()
        return answers(connection)

    server.script = [together] * 4
    threads = [threading.Thread(target=READS["read"], args=(client,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(4):
        server.script = [resets, answers]
        assert READS["read"](client) == 1
        assert server.script == []


def test_a_connection_ages(vault, connect, clock):
    """However busy, a connection is made anew after five minutes: its name is looked up again."""
    vault.script(Reply(body=secret()))
    client = connect()
    step = IDLE_SECONDS / 2
    for _ in range(int(LONGEST_USE / step) + 1):
        client.read("a/b")
        clock.now += step
    assert len({asked.port for asked in vault.asked}) == 2
    assert vault.asked[-1].port != vault.asked[-2].port


def test_the_connection_of_a_poll_ages(vault, connect, clock):
    """Long polls, which never leave their connection idle, move to a new one too."""
    vault.script(Reply(201, {"id": "s"}))
    subscription = connect().subscribe(["a"])

    def respond(asked):
        clock.now += 60
        return Reply(body={"events": []})

    vault.respond = respond
    vault.asked.clear()
    with subscription:
        for _ in range(6):
            subscription.poll(60)
    assert [asked.port == vault.asked[0].port for asked in vault.asked] == [*[True] * 5, False]


def test_an_idle_connection_is_left(vault, connect, clock):
    """A connection that was idle for five seconds may have been forgotten on the way."""
    vault.script(Reply(body=secret()))
    client = connect()
    client.read("a/b")
    clock.now += IDLE_SECONDS - 0.001
    client.read("a/b")
    clock.now += IDLE_SECONDS
    client.read("a/b")
    ports = [asked.port for asked in vault.asked]
    assert ports[0] == ports[1] != ports[2]


@pytest.mark.parametrize("failure", [Reply(503, b"<html>"), Reply(500, b"")])
def test_a_failed_poll_leaves_its_connection(vault, connect, failure):
    """After a 5xx the name is looked up anew: it may stand for a healthy server by now."""
    vault.script(Reply(201, {"id": "s"}))
    with connect().subscribe(["a"]) as subscription:
        vault.asked.clear()
        nothing = Reply(body={"events": []})
        vault.script(nothing, failure, nothing, nothing)
        subscription.poll(0)
        with pytest.raises(errors.VaultUnavailableError):
            subscription.poll(0)
        subscription.poll(0)
        subscription.poll(0)
    ports = [asked.port for asked in vault.asked]
    assert ports[0] == ports[1] != ports[2] == ports[3]


class Socket:
    """A socket as gevent and eventlet have it: not the standard library's class."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def shutdown(self, how: int) -> None:
        self.calls.append("shutdown")

    def close(self) -> None:
        self.calls.append("close")


class Stream:
    """A stream of httpcore's over such a socket."""

    def __init__(self, connection: Socket) -> None:
        self._connection = connection

    def get_extra_info(self, info: str) -> Socket:
        return self._connection

    def close(self) -> None:
        self._connection.close()


def test_sockets_of_another_kind():
    """A socket need not be the standard library's own to be ended, or left to the parent."""
    connection = Socket()
    stream = DeadlineStream(Stream(connection), backend=DeadlineBackend())
    stream.close()
    assert connection.calls == ["shutdown", "close"]
    connection.calls.clear()
    stream.leave_to_parent()
    assert connection.calls == ["close"]


def test_closing_the_client_closes_what_is_given_back_later(vault, connect):
    """A connection whose answer is still being read when the client closes isn't kept."""
    vault.script(Reply(body=secret()))
    client = connect()
    client.read("a/b")
    transport = client._wire._client()._transport
    (idle,) = transport._idle.values()
    line = idle.pop()
    client.close()
    transport._give_back(line, 200)
    assert idle == []


def test_each_server_has_its_own_connections(vault: ScriptedVault, connect):
    """The token endpoint's connection is not the vault's."""
    with ScriptedVault() as issuer:
        issuer.script(Reply(body={"access_token": "t"}))
        vault.script(Reply(body=secret()))
        credentials = ClientCredentials("i", "s", token_url=f"{issuer.url}/token", scope="")
        client = connect(credentials=credentials)
        assert client.read("a/b").version == client.read("a/b").version == 1
    assert len(issuer.asked) == 1
    assert len({asked.port for asked in vault.asked}) == 1
