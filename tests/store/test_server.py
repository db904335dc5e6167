"""What is peculiar to a shelf on a server: addresses, logins, bounds, and what goes wrong there."""

from __future__ import annotations

import importlib
import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import redis
import trustme

from tests.leaks import NEEDLES, TOKEN, Shown
from tests.live.rig import LONG, Clock, eventually
from tests.postgres import free_port
from tests.store.rig import Scripted, failure, passing_on, put, saying
from tests.valkey import Valkey
from vaultconfig.errors import ConfigurationError
from vaultconfig.store import server as module
from vaultconfig.store.server import Server
from vaultconfig.store.shelf import LARGEST, Swap

NAME = "ab/1"
WRITE = {NAME: Swap(None, b"new")}
Respond = Callable[[socket.socket], object]


@contextmanager
def at(port: int, rest: str = "", *, login: str = "", patience: float = LONG) -> Iterator[Server]:
    shelf = Server(f"redis://{login}127.0.0.1:{port}{rest}", patience=patience)
    yield shelf
    shelf.close()


def user(server: Valkey, *rules: str, password: str = TOKEN) -> str:
    """Make an ACL user, and return the login as it stands in an address."""
    server.run("ACL", "SETUSER", "us@er", "reset", "on", f">{password}", *rules)
    return f"{quote('us@er')}:{quote(password, safe='')}@"


MALFORMED = [
    *("", "redis", "redis:", "redis://", "redis:///0", "http://host", "unix:///run/redis.sock"),
    *("redis://:pw@", "redis://:pw@/0", "redis://host:0", "redis://host:port", "redis://[::1"),
    *(
        "redis://:pa/ss@host",
        "redis://u:12/ss@host/0",
        "redis://:pa?ss@host",
        "redis://:pa#ss@host",
    ),
    *("redis://host/zero", "redis://host/0/1", "redis://host/-1", "redis://host?db=zero"),
    *(
        "redis://host?socket_timeout=9",
        "redis://host?password=x",
        "redis://host?decode_responses=1",
    ),
    *("redis://host?ssl_ca_certs=x", "rediss://host?ssl_cert_reqs=perhaps", "redis://host?db"),
    *("redis://ho st", "redis://host/0\n", " redis://host", "redis://host/0#x", "unix://host/x"),
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that calls have, instead of the system's."""
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_address_is_a_mistake_of_the_configuration(url: str) -> None:
    """The message names the variable and what is expected there, and never quotes the address."""
    with pytest.raises(ConfigurationError, match="VAULTCONFIG_STORE is not a valid") as caught:
        Server(url)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "redis://USER:PASSWORD@HOST:PORT/DATABASE" in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        *("ssl_ca_certs=x", "ssl_ca_path=x", "ssl_certfile=x", "ssl_keyfile=x", "ssl_password=x"),
        *("ssl_cert_reqs=none", "ssl_check_hostname=no", "ssl_min_version=772"),
    ],
)
def test_an_address_has_options_of_tls(option: str) -> None:
    """They say whom to trust, and who we are."""
    assert Server(f"rediss://host?{option}")


def test_each_step_of_connecting_has_the_time_of_a_call() -> None:
    """So one that hangs in a handshake ends, too."""
    shelf = Server("rediss://host", patience=0.25)
    connection = shelf._kind(**shelf._options)
    assert (connection.socket_connect_timeout, connection.socket_timeout) == (0.25, 0.25)


def test_an_address_has_what_servers_need(server: Valkey) -> None:
    """User and password percent-encoded, and the number of the database, either way."""
    login = user(server, "+@all", "~*", password="p@s/s:w?o#r%d ü")
    for rest, database in (("/5", "5"), ("/?db=6", "6"), ("", "0")):
        with at(server.port, rest, login=login) as shelf:
            put(shelf, NAME, b"a")
        server.run("SELECT", database)
        assert server.run("GET", "vaultconfig:ab:1") == b"a"
        server.run("DEL", "vaultconfig:ab:1")
    server.run("SELECT", "0")


def test_the_server_ends_what_it_keeps(server: Valkey) -> None:
    """So it needs no clock of the hosts; the names can be told from others' there."""
    with at(server.port) as shelf:
        assert shelf.swap({NAME: Swap(None, b"a")}, keep=100)
    assert 99_000 < server.run("PTTL", "vaultconfig:ab:1") <= 100_000
    server.run("DEL", "vaultconfig:ab:1")


def test_the_smallest_user_is_enough(server: Valkey) -> None:
    """It needs these commands and no others; the server logs no question that it denied."""
    server.run("ACL", "LOG", "RESET")
    rules = ("+eval", "+getrange", "+set", "+del", "+scan", "+select", "~vaultconfig:*")
    with at(server.port, "/4", login=user(server, *rules)) as shelf:
        put(shelf, NAME, b"a")
        assert shelf.swap({NAME: Swap(b"a", None), "ab/2": Swap(None, b"b")}, keep=LONG)
        assert shelf.read([NAME, "ab/2"]) == [None, b"b"]
        assert shelf.clear("ab") == 1
    assert server.run("ACL", "LOG") == []


@pytest.mark.parametrize("missing", ["+eval", "+getrange", "+set", "+del", "~vaultconfig:*"])
def test_a_user_without_permission_is_told_so(server: Valkey, missing: str) -> None:
    """Whichever permission it is, also one that the script alone needs."""
    rules = {"+eval", "+getrange", "+set", "+del", "~vaultconfig:*"} - {missing}
    with at(server.port, login=user(server, *rules)) as shelf:
        swaps = {"ab/f": Swap(None, None), "ab/e": Swap(None, b"a")}
        message = failure(lambda: shelf.swap(swaps, keep=1))
    assert message.endswith(f":{server.port} does not permit its user what a store needs")


def test_what_is_no_text_is_nothing(server: Valkey) -> None:
    """Somebody else's list under one of our names turns nothing off, and gives way."""
    with at(server.port) as shelf:
        server.run("RPUSH", "vaultconfig:cd:c", "x")
        assert shelf.read(["cd/c", "cd/d"]) == [None, None]
        assert shelf.swap({"cd/c": Swap(None, b"new"), "cd/d": Swap(..., b"d")}, keep=60)
        assert shelf.read(["cd/c", "cd/d"]) == [b"new", b"d"]
        shelf.clear("cd")


def test_a_password_that_was_rotated(server: Valkey) -> None:
    """A new connection is rejected while the passwords differ; then all is as before."""
    login = user(server, "+@all", "~*")
    with at(server.port, login=login) as shelf:
        put(shelf, NAME, b"a")
        server.run("ACL", "SETUSER", "us@er", "resetpass", ">other")
        server.run("CLIENT", "KILL", "USER", "us@er")
        for _ in range(2):
            message = failure(lambda: shelf.read([NAME]))
            assert message == f"Redis at 127.0.0.1:{server.port} rejected the user or password"
        user(server, "+@all", "~*")
        assert shelf.read([NAME]) == [b"a"]
        assert shelf.clear("ab") == 1


def test_a_server_that_cannot_be_reached(server: Valkey) -> None:
    """The message says where it is looked for and why it fails, and nothing else of the address."""
    port = free_port()
    with at(port, login="user:secret@") as shelf:
        for call in (lambda: shelf.read([NAME]), lambda: shelf.swap(WRITE, keep=1)):
            assert (
                failure(call) == f"Redis at 127.0.0.1:{port} can't be reached (Connection refused)"
            )
    shelf = Server("redis://does-not-exist.invalid")
    assert re.fullmatch(
        r"Redis at does-not-exist\.invalid can't be reached \(.+\)",
        failure(lambda: shelf.clear("ab")),
    )


def test_a_failure_without_a_reason_has_a_kind() -> None:
    """What else it says may be anything."""
    error = redis.ConnectionError()
    error.__context__ = OSError("anything")
    assert module._problem(error) == "can't be reached (OSError)"


def test_a_server_that_is_killed_and_comes_back_empty(own: Valkey) -> None:
    """Calls fail while it is away; once it is back the first one works, with nothing there."""
    with at(own.port) as shelf:
        put(shelf, NAME, b"a")
        own.kill()
        assert "can't be reached" in failure(lambda: shelf.read([NAME]))
        own.start()
        assert shelf.read([NAME]) == [None]
        own.kill()
        own.start()
        assert shelf.swap(WRITE, keep=LONG)


def test_a_server_that_stands_still(own: Valkey) -> None:
    """A call gives up, on an old connection or a new one; once it goes on, so do the calls."""
    with at(own.port) as shelf, at(own.port) as hurried:
        put(shelf, NAME, b"a")
        hurried.read([NAME])
        hurried._patience = 0.1
        own.pause()
        for call in (lambda: hurried.read([NAME]), lambda: hurried.swap(WRITE, keep=1)):
            assert failure(call) == f"Redis at 127.0.0.1:{own.port} did not answer in time"
        own.go_on()
        hurried._patience = LONG
        for each in (shelf, hurried):
            assert each.read([NAME]) == [b"a"]


def test_a_replica_and_a_full_server_take_no_writes(own: Valkey) -> None:
    """Both can still be read, and the message tells one from the other."""
    with at(own.port) as shelf:
        put(shelf, NAME, b"a")
        swaps = {NAME: Swap(b"a", b"b")}
        own.run("CONFIG", "SET", "maxmemory", "1")
        assert "has no memory left" in failure(lambda: shelf.swap(swaps, keep=1))
        own.run("CONFIG", "SET", "maxmemory", "0")
        own.run("REPLICAOF", "127.0.0.1", str(free_port()))
        assert "is read-only" in failure(lambda: shelf.swap(swaps, keep=1))
        assert shelf.read([NAME]) == [b"a"]
        own.run("REPLICAOF", "NO", "ONE")
        assert shelf.swap(swaps, keep=LONG)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"-NOAUTH Authentication required.\r\n", "rejected the user or password"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is loading its data"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "is part of a cluster, where a store can't be"),
        (
            b"-CROSSSLOT Keys in request don't hash\r\n",
            "is part of a cluster, where a store can't be",
        ),
        (b"-MISCONF Redis is configured to save\r\n", "is read-only"),
        (b"-ERR max number of clients reached\r\n", "has too many clients"),
        (b"-ERR DB index is out of range\r\n", "does not have this database"),
        (b"-kq7Zp-pL4in-Xw93mVtR\r\n", "rejected the command"),
    ],
)
def test_what_a_server_says_picks_our_words(answer: bytes, said: str) -> None:
    """Nothing of its own words is shown, and nothing is asked twice."""
    with Scripted(saying(answer)) as server, at(server.port) as shelf:
        for call in (lambda: shelf.read([NAME]), lambda: shelf.swap(WRITE, keep=1)):
            assert failure(call) == f"Redis at 127.0.0.1:{server.port} {said}"
        assert server.connections == 2


NOT_REDIS = {
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another kind": b":1\r\n",
    "no kind": b"*0\r\n",
    "null": b"$-1\r\n",
    "a list": b"*2\r\n$1\r\n0\r\n*0\r\n",
    "nested": b"*1\r\n" * 5000,
    "right and wrong": b"$1\r\na\r\n:1\r\n",
    "a huge number": b":" + b"9" * 5000 + b"\r\n",
    "no number": b"$many\r\n",
    "a negative length": b"$-7\r\n\r\n",
    "not text": b"-\xff\xfe\r\n",
    "NUL": b"\0\0\r\n",
}


@pytest.mark.parametrize("answer", NOT_REDIS.values(), ids=NOT_REDIS)
def test_what_is_no_redis_is_a_failure(answer: bytes) -> None:
    """Whatever it answers, no other exception leaves a call, and the next one starts anew."""
    with Scripted(saying(answer)) as server, at(server.port, patience=0.3) as shelf:
        said = {failure(lambda: shelf.clear("ab"))} if answer != NOT_REDIS["a list"] else set()
        if answer != b":1\r\n":
            said.add(failure(lambda: shelf.swap(WRITE, keep=1)))
        said.add(failure(lambda: shelf.read([NAME, "ab/2"])))
    assert said <= {
        f"Redis at 127.0.0.1:{server.port} {words}"
        for words in (
            *("does not answer as Redis does", "rejected the command"),
            "did not answer in time",  # it waits for the rest
        )
    }


class Endless:
    """Sends until nobody takes it any more, and counts."""

    def __init__(self, first: bytes, then: bytes, *, pause: float = 0) -> None:
        self._first, self._then, self._pause = first, then, pause
        self.sent = 0
        self.over: Callable[[float], object] = lambda _: None

    def __call__(self, connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(self._first)
        with suppress(OSError):
            while not (self._pause and self.over(self._pause)):
                self.sent += connection.send(self._then)


@pytest.mark.parametrize(
    "first", [b"$99999999999\r\n", b"*99999999999\r\n$1\r\n", b"+", b"$5\r\n"], ids=repr
)
def test_an_endless_answer_is_cut(first: bytes) -> None:
    """No more is read than three values can have, whatever length it announces."""
    endless = Endless(first, b"x" * 4096)
    with Scripted(endless) as server, at(server.port) as shelf:
        assert "does not answer as Redis does" in failure(
            lambda: shelf.read([NAME, "ab/2", "ab/3"])
        )
    assert endless.sent < 3 * LARGEST + 16 * LARGEST  # the system's buffers are in there


def test_an_answer_that_drips_is_given_up() -> None:
    """Each byte is in time, the answer is not: the time of a call is that of all of it."""
    drip = Endless(b"$100000\r\n", b"x", pause=0.01)
    with Scripted(drip) as server, at(server.port, patience=0.3) as shelf:
        drip.over = server.over.wait
        assert "did not answer in time" in failure(lambda: shelf.read([NAME]))
        eventually(lambda: drip.sent)


MUCH = {f"ab/{n}": Swap(None, b"x" * LARGEST) for n in range(30)}


def test_a_server_that_takes_nothing_is_given_up() -> None:
    """A swap that the server does not read ends, too."""
    over = []
    with Scripted(lambda _: over[0].wait()) as server, at(server.port, patience=0.3) as shelf:
        over.append(server.over)
        assert "did not answer in time" in failure(lambda: shelf.swap(MUCH, keep=1))


def test_a_server_that_takes_too_long_is_not_sent_the_rest(clock: Clock) -> None:
    """It has taken each part in time, but not all of them."""
    taken = []

    def respond(connection: socket.socket) -> None:
        connection.recv(1)
        clock.advance(LONG)
        while data := connection.recv(LARGEST):
            taken.append(len(data))

    with Scripted(respond) as server, at(server.port) as shelf:
        assert "did not answer in time" in failure(lambda: shelf.swap(MUCH, keep=1))
    assert sum(taken) < 30 * LARGEST


@pytest.mark.parametrize("way", ["recv", "recv_into"])
def test_an_answer_has_bounds(way: str, clock: Clock) -> None:
    """As many bytes as may come, while there is time; hiredis reads in a way of its own."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sock = module._Socket(ours, bounds := module._Bounds())

        def read(size: int) -> int:
            return sock.recv_into(bytearray(size)) if way == "recv_into" else len(sock.recv(size))

        theirs.sendall(b"12345")
        bounds.begin(clock() + LONG, 3)
        assert read(3) == 3
        with pytest.raises(redis.InvalidResponse):
            read(1)
        clock.advance(LONG)
        with pytest.raises(TimeoutError):
            read(1)


def test_to_clear_takes_a_minute_at_most(clock: Clock) -> None:
    """The message says how many keys are gone by then."""

    def respond(connection: socket.socket) -> None:
        for answer in (b"*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n", b":1\r\n") * 2:
            connection.recv(1 << 16)
            clock.advance(15.0)
            connection.sendall(answer)

    with Scripted(respond) as server, at(server.port) as shelf:
        said = failure(lambda: shelf.clear("ab"))
    assert said.endswith("has too many keys: only 2 of them were removed")


def test_a_connection_that_was_closed_meanwhile_is_no_outage(server: Valkey) -> None:
    """A server closes idle ones: the call has a new one."""
    with at(server.port) as shelf:
        put(shelf, NAME, b"a")
        for call in (lambda: shelf.read([NAME]), lambda: shelf.swap(WRITE, keep=1)):
            server.run("CLIENT", "KILL", "TYPE", "normal")
            call()
        shelf.clear("ab")


def test_a_connection_that_breaks_before_the_answer_is_tried_once_more() -> None:
    """A connection that was idle may be dead without a sign; a new one that breaks is an outage."""

    def respond(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        if server.connections < 4:
            connection.sendall(b"$1\r\na\r\n")
            connection.recv(1 << 16)

    with Scripted(respond) as server, at(server.port) as shelf:
        for connections in (1, 2, 3):
            assert shelf.read([NAME]) == [b"a"]
            assert server.connections == connections
        assert "closed the connection" in failure(lambda: shelf.read([NAME]))
        assert "closed the connection" in failure(lambda: shelf.read([NAME]))
        assert server.connections == 5


def test_what_a_server_says_is_not_asked_again() -> None:
    """A new connection would have another answer, but this one was not dead."""
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    with Scripted(saying(loading, first=b"$1\r\na\r\n")) as server, at(server.port) as shelf:
        assert shelf.read([NAME]) == [b"a"]
        assert "is loading its data" in failure(lambda: shelf.read([NAME]))


@pytest.fixture(scope="module")
def authorities() -> tuple[trustme.CA, trustme.CA]:
    return trustme.CA(), trustme.CA()


@pytest.mark.parametrize(
    ("bundle", "host", "said"),
    [
        ("ca.pem", "localhost", None),
        ("other.pem", "localhost", r"can't be reached \([^[]*certificate.*\)"),
        ("ca.pem", "127.0.0.1", r"can't be reached \(.*127\.0\.0\.1.*\)"),
        ("missing.pem", "localhost", "can't be reached: a file of its TLS options is missing"),
    ],
)
def test_tls(
    servers: dict[str, Valkey],
    authorities: tuple[trustme.CA, trustme.CA],
    tmp_path: Path,
    bundle: str,
    host: str,
    said: str | None,
) -> None:
    """With rediss:// a server is trusted by its certificate, and for its name."""
    authorities[0].cert_pem.write_to_path(tmp_path / "ca.pem")
    authorities[1].cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities[0].issue_cert("localhost").configure_cert(context)
    with Scripted(passing_on(servers["valkey"].port), context) as server:
        url = f"rediss://{host}:{server.port}/7?ssl_ca_certs={tmp_path / bundle}"
        shelf = Server(url, patience=LONG)
        if said is None:
            put(shelf, NAME, b"a")
            assert shelf.read([NAME]) == [b"a"]
            assert shelf.clear("ab") == 1
            assert server.connections == 1
        else:
            assert re.fullmatch(
                f"Redis at {host}:{server.port} {said}", failure(lambda: shelf.read([NAME]))
            )
        shelf.close()


def test_nothing_shows_the_password(server: Valkey, tmp_path: Path) -> None:
    """Neither an error of any call, with the locals of its frames, nor what the shelf prints."""
    shown = Shown()
    key = tmp_path / "key.pem"
    key.write_text("no key")
    urls = [
        f"redis://us%20er:{TOKEN}@127.0.0.1:{server.port}",  # rejected
        f"redis://{TOKEN}:%20{TOKEN}@127.0.0.1:{free_port()}",
        f"rediss://:{TOKEN}@127.0.0.1:{free_port()}?ssl_keyfile={key}&ssl_password={TOKEN}",
        f"redis://:{TOKEN}@host/x{TOKEN}",
        f"redis://:{TOKEN}@host?{TOKEN}={TOKEN}",
        f"redis://:{TOKEN}/@host",
    ]
    user(server, password="another")
    errors = 0
    for url in urls:
        calls: list[Callable[[Server], object]] = [
            lambda shelf: shelf.read([NAME]),
            lambda shelf: shelf.swap(WRITE, keep=1),
            lambda shelf: shelf.clear("ab"),
        ]
        for call in calls:
            try:
                shelf = Server(url)
                shown.add("shelf", f"{shelf!r} {shelf} {vars(shelf)!r}")
                call(shelf)
            except Exception as error:
                errors += 1
                # Without our own frame, which has the address.
                shown.error(error.with_traceback(error.__traceback__.tb_next))
    assert errors == 3 * len(urls)
    assert NEEDLES
    assert not shown.leaks()


def test_without_redis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and how it is installed."""
    monkeypatch.delitem(sys.modules, module.__name__)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError) as caught:
        importlib.import_module(module.__name__)
    assert str(caught.value) == (
        "a store on a Redis server needs redis: pip install 'scaivault-config[redis]'"
    )
