"""Connections: TLS, proxies, forks, and none before the first request."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from tests.client.scripted import Reply, ScriptedVault, secret
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, VaultClient
from vaultconfig.client.transport import MOST_CONNECTIONS, DeadlineTransport


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_vault(vault: ScriptedVault, authority: trustme.CA) -> ScriptedVault:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    # The handshake belongs into the connection's thread, not into the one that accepts.
    vault.server.socket = context.wrap_socket(
        vault.server.socket, server_side=True, do_handshake_on_connect=False
    )
    vault.url = f"https://localhost:{vault.server.server_port}"
    vault.script(Reply(body=secret()))
    return vault


def test_tls(tls_vault, connect, authority, monkeypatch):
    """SSL_CERT_FILE names whom to trust; the connection is kept."""
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        client = connect()
        assert client.read("a/b").version == client.read("a/b").version == 1
    assert len({asked.port for asked in tls_vault.asked}) == 1


def test_the_deadline_holds_over_tls(tls_vault, connect, authority, monkeypatch):
    """A body that drips through TLS is cut off like any other."""

    def drip(connection) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while not tls_vault.over.wait(0.02):
            connection.sendall(b" ")

    tls_vault.script(drip)
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        start = time.monotonic()
        with pytest.raises(errors.VaultUnavailableError, match="in time"):
            connect(clock=time.monotonic).read_many(["a/b"], deadline=0.3)
    assert time.monotonic() - start < 8  # less than the usual deadline


def test_an_untrusted_certificate(tls_vault, connect, clock):
    """A certificate in doubt stops at once: it is no outage, and no reason to try again."""
    with pytest.raises(errors.ConfigurationError, match="certificate of https://localhost"):
        connect().read("a/b")
    assert tls_vault.asked == []
    assert clock.slept == []


def test_a_certificate_for_another_host(tls_vault, connect, authority, monkeypatch):
    """A trusted certificate for another name is in doubt as well."""
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        with pytest.raises(errors.ConfigurationError, match="certificate"):
            connect(url=tls_vault.url.replace("localhost", "127.0.0.1")).read("a/b")


def test_a_missing_bundle(connect, monkeypatch):
    """A bundle that can't be loaded is our mistake, and names the variable."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(errors.ConfigurationError, match="SSL_CERT_FILE"):
        connect(url="https://localhost:1").read("a/b")


def test_a_proxy_from_the_environment(vault, connect, monkeypatch):
    """Requests go through the proxy that the environment names, but for the hosts it excepts."""
    vault.script(Reply(body=secret()))
    monkeypatch.setenv("http_proxy", vault.url.replace("//", "//user:pass@"))
    target = f"http://vault.invalid:{vault.server.server_port}"
    address = (0, 0, 0, "", ("127.0.0.1", 0))
    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", lambda *_, **__: [address])
    assert connect(url=target, allow_http=True).read("a/b").version == 1
    assert vault.asked[0].target == f"{target}/v1/secrets/a/b"
    assert vault.asked[0].headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "vault.invalid")
    connect(url=target, allow_http=True).read("a/b")
    assert vault.asked[1].target == "/v1/secrets/a/b"


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_for_loopback(vault, connect, monkeypatch, variable, host):
    """What is meant for this machine, token endpoint included, goes through no other one."""
    token, ok = Reply(body={"access_token": "t"}), Reply(body=secret())
    vault.respond = lambda asked: token if asked.target == "/token" else ok
    with ScriptedVault() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        url = vault.url.replace("127.0.0.1", host)
        credentials = ClientCredentials("i", "s", token_url=f"{url}/token", scope="")
        assert connect(url=url, credentials=credentials).read("a/b").version == 1
        assert proxy.asked == []
    assert [asked.target for asked in vault.asked] == ["/token", "/v1/secrets/a/b"]


@pytest.mark.parametrize("proxy", ["gopher://u:CANARY@h", "http://u:CANARY@h:port"])
def test_a_proxy_that_is_none(vault, connect, monkeypatch, proxy):
    """A broken proxy setting is our mistake, and is not quoted."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(errors.ConfigurationError, match="proxy") as caught:
        connect(url="http://vault.invalid", allow_http=True).read("a/b")
    assert "CANARY" not in str(caught.value)


def test_connections_are_kept_and_come_back(vault, client):
    """One connection serves call after call; one that the server closed is replaced."""
    vault.script(Reply(body=secret()))
    for _ in range(3):
        client.read("a/b")
    assert len({asked.port for asked in vault.asked}) == 1
    vault.script(Reply(body=secret(), headers={"Connection": "close"}))
    client.read("a/b")
    client.read("a/b")
    assert len({asked.port for asked in vault.asked}) == 2


class SoftLimitError(Exception):
    """What a task queue raises from a signal handler."""


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # left to the garbage collector
@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SoftLimitError])
def test_an_interrupt_costs_no_connection(vault, connect, interrupt):
    """However often a signal lands between an answer and its owner, the client goes on."""
    client = connect(clock=time.monotonic, deadline=1)
    vault.script(Reply(body=secret()))

    def interrupted(*args, **options):
        raise interrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx.Response.__init__", interrupted)
        for _ in range(MOST_CONNECTIONS):
            with pytest.raises(interrupt):
                client.read("a/b")
    assert client.read("a/b").version == 1


def test_making_a_client_does_nothing(monkeypatch):
    """A client that is made and closed opens nothing: no TLS context, no socket."""

    def refuse(*args, **options):
        raise AssertionError("something was opened")

    monkeypatch.setattr("ssl.create_default_context", refuse)
    monkeypatch.setattr("httpx.Client.__init__", refuse)
    VaultClient("https://vault.example.com", credentials=StaticToken("t")).close()


def test_one_for_all_threads(vault, monkeypatch):
    """Of the clients that two threads make at once one stays, and the other opens nothing."""
    vault.respond = lambda asked: Reply(body=secret())
    both, found = threading.Barrier(2, timeout=5), []

    def make(**options) -> DeadlineTransport:
        both.wait()
        return DeadlineTransport(**options)

    monkeypatch.setattr("vaultconfig.client.wire.DeadlineTransport", make)
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        threads = [
            threading.Thread(target=lambda: found.append(client.read("a/b").version))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        (made,) = client._wire._clients.values()
        kept = sum(map(len, made._transport._idle.values()))
    assert found == [1, 1]
    assert kept == len({asked.port for asked in vault.asked})


FORK = """
import os, sys, threading, warnings
import vaultconfig.client.auth
from vaultconfig.client import ClientCredentials, VaultClient
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is what we test
url = sys.argv[1]
credentials = ClientCredentials("i", "s", token_url=url + "/token", scope="")
client = VaultClient(url, credentials=credentials, deadline=5)
assert client.read("a/b").version == 1
renewal = vaultconfig.client.auth._Renewal()  # as another thread may
renewal.thread = None
credentials._renewals[os.getpid()] = renewal
child = os.fork()
if child == 0:
    ok = client.read("a/b").version == 1
    client.close()
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0
credentials.abandon()
assert client.read("a/b").version == 1
"""


def test_after_a_fork(vault):
    """A child has sockets and locks of its own; the parent's connection goes on working."""
    token, ok = Reply(body={"access_token": "t"}), Reply(body=secret())
    vault.respond = lambda asked: token if asked.target == "/token" else ok
    subprocess.run(
        [sys.executable, "-c", FORK, vault.url], check=True, timeout=20, env=os.environ.copy()
    )
    ports = [asked.port for asked in vault.asked if asked.target != "/token"]
    assert ports[0] == ports[2] != ports[1]


def test_close_ends_what_runs(tls_vault, connect, authority, monkeypatch):
    """A call that waits, through TLS too, ends when another thread closes the client."""
    asked = threading.Event()
    tls_vault.script(lambda connection: (asked.set(), tls_vault.over.wait(30)))
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        client, ended = connect(clock=time.monotonic), []

        def read() -> None:
            with pytest.raises(errors.ConfigurationError, match="closed"):
                client.read("a/b")
            ended.append(True)

        thread = threading.Thread(target=read)
        thread.start()
        assert asked.wait(5)
        client.close()
        thread.join(8)  # less than the usual deadline
    assert ended


def test_close_while_connecting(vault, client, monkeypatch):
    """A call that is closed before it has a connection does not open one."""
    resolving, go = threading.Event(), threading.Event()

    def resolve(host, port, **options):
        resolving.set()
        assert go.wait(5)
        return [(0, 0, 0, "", (host, port))]

    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", resolve)
    ended = []

    def read() -> None:
        with pytest.raises(errors.ConfigurationError, match="closed"):
            client.read("a/b")
        ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    assert resolving.wait(5)
    client.close()
    go.set()
    thread.join(5)
    assert ended
    assert vault.asked == []
