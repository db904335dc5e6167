"""Signals and forks that come at any moment: no lock is lost, and no thread waits for itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.client.scripted import Reply, secret
from vaultconfig.client import ClientCredentials, StaticToken, VaultClient
from vaultconfig.client.auth import _Renewal
from vaultconfig.client.transport import DeadlineTransport
from vaultconfig.latch import Latch

# What was interrupted is left to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("interrupted"),
]


class SoftLimitError(Exception):
    """What a task queue raises from a signal handler."""


@pytest.fixture
def on_signal():
    """Have SIGUSR1 handled by a function of the test's."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handle: signal.signal(signal.SIGUSR1, lambda *_: handle())
    signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


class Issuer:
    """A vault that issues tokens, the first of them after *before* has run."""

    def __init__(self, vault, before) -> None:
        self.before = [before]
        self.credentials = ClientCredentials("i", "s", token_url=f"{vault.url}/token", scope="")
        vault.respond = self.respond

    def respond(self, asked):
        if asked.target != "/token":
            return Reply(body=secret())
        if self.before:
            self.before.pop()()
        return Reply(body={"access_token": "t"})


def test_a_handler_that_reads_while_its_thread_fetches_a_token(vault, on_signal):
    """It fetches a token of its own, rather than wait for the thread that it has interrupted."""
    handled, found = threading.Event(), []

    def before() -> None:
        interrupt()
        assert handled.wait(10)

    issuer = Issuer(vault, before)
    with VaultClient(vault.url, credentials=issuer.credentials, deadline=20) as client:
        on_signal(lambda: (found.append(client.read("a/b").version), handled.set()))
        assert client.read("a/b").version == 1
    assert found == [1]


def test_a_handler_that_raises_while_its_thread_fetches_a_token(vault, on_signal):
    """The renewal is not lost with the call: the next one fetches the token, in any thread."""

    def handle() -> None:
        raise SoftLimitError

    on_signal(handle)
    issuer = Issuer(vault, lambda: (interrupt(), vault.over.wait(0.2)))
    with VaultClient(vault.url, credentials=issuer.credentials, deadline=20) as client:
        with pytest.raises(SoftLimitError):
            client.read("a/b")
        found = []
        thread = threading.Thread(target=lambda: found.append(client.read("a/b").version))
        thread.start()
        thread.join(10)
        assert found == [1]


def test_a_renewal_that_nobody_ends(vault):
    """A renewal whose end a signal has swallowed is given up together with the call."""
    issuer = Issuer(vault, lambda: None)
    with VaultClient(vault.url, credentials=issuer.credentials, deadline=20) as client:
        found = []
        fetched = issuer.credentials._fetched

        def interrupted(*args, **options):
            issuer.credentials._fetched = fetched
            issuer.credentials._renewals[os.getpid()] = lost
            waiting.start()
            raise SoftLimitError

        lost = _Renewal()
        waiting = threading.Thread(target=lambda: found.append(client.read("a/b").version))
        issuer.credentials._fetched = interrupted
        with pytest.raises(SoftLimitError):
            client.read("a/b")
        waiting.join(10)
        assert found == [1]


@pytest.fixture
def making(vault, monkeypatch):
    """Have a function called while the first transport of a client is being made."""
    vault.respond = lambda asked: Reply(body=secret())

    def call(function) -> None:
        left = [function]

        def make(**options) -> DeadlineTransport:
            if left:
                left.pop()()
            return DeadlineTransport(**options)

        monkeypatch.setattr("vaultconfig.client.wire.DeadlineTransport", make)

    return call


def test_a_handler_that_comes_while_its_thread_makes_the_client(vault, making, on_signal):
    """It makes one itself, and both go on with the same."""
    found = []
    making(interrupt)
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        on_signal(lambda: found.append(client.read("a/b").version))
        assert [client.read("a/b").version] == found
    assert len({asked.port for asked in vault.asked}) == 1


def test_a_handler_that_raises_while_its_thread_makes_the_client(vault, making, on_signal):
    """Nothing is lost: another thread makes the client."""

    def handle() -> None:
        raise SoftLimitError

    found = []
    on_signal(handle)
    making(interrupt)
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        with pytest.raises(SoftLimitError):
            client.read("a/b")
        thread = threading.Thread(target=lambda: found.append(client.read("a/b").version))
        thread.start()
        thread.join(10)
        assert found == [client.read("a/b").version]
    assert len({asked.port for asked in vault.asked}) == 1


def test_a_latch():
    """It lets through who waits, and who comes later; before that, nobody."""
    latch, passed = Latch(), []
    assert not latch.wait(0)
    assert not latch.wait(-1)
    threads = [threading.Thread(target=lambda: passed.append(latch.wait(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    latch.open()
    for thread in threads:
        thread.join(10)
    assert passed == [True] * 4
    assert latch.wait(0)


STORM = """
import os, random, signal, sys, threading
from vaultconfig.client import ClientCredentials, VaultClient

class SoftLimit(Exception): pass

url, kind = sys.argv[1:]
credentials = ClientCredentials("i", "s", token_url=url + "/token", scope="")
client = VaultClient(url, credentials=credentials, deadline=20)
handled = []

def nested(*_):
    handled.append(client.read("a/b").version)

def raising(*_):
    handled.append(1)
    raise SoftLimit

def read_elsewhere():
    found = []
    thread = threading.Thread(target=lambda: found.append(client.read("a/b").version))
    thread.start()
    thread.join(15)
    assert found == [1], "another thread waits for what a signal has left behind"

signal.signal(signal.SIGALRM, nested if kind == "nested" else raising)
client.read("a/b")
attempt = 0
while attempt < 150 or len(handled) <= 20:
    credentials._grant = None  # so that each read fetches a token
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.008))
        assert client.read("a/b").version == 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    except SoftLimit:
        pass
    except KeyError as error:  # of threading itself, which the exception has torn apart
        if not isinstance(error.__context__, SoftLimit):
            raise
    if attempt % 10 == 0:
        read_elsewhere()
    attempt += 1
read_elsewhere()
os._exit(0)
"""


@pytest.mark.parametrize("kind", ["nested", "raising"])
def test_signals_at_any_moment(vault, kind):
    """Whatever a signal hits, its handler can read, or raise, and the client goes on."""
    issuer = Issuer(vault, lambda: None)
    vault.respond = issuer.respond
    subprocess.run([sys.executable, "-c", STORM, vault.url, kind], check=True, timeout=60)


FORKS = """
import os, sys, threading, warnings
from vaultconfig.client import ClientCredentials, VaultClient
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is what we test
url = sys.argv[1]
credentials = ClientCredentials("i", "s", token_url=url + "/token", scope="")
client = VaultClient(url, credentials=credentials, deadline=20)
going, over = threading.Event(), threading.Event()

def read():
    while not over.is_set():
        credentials._grant = None  # so that each read fetches a token
        client.read_many(["a/b", ("a/b", 1)])
        going.set()

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
assert going.wait(10)
for _ in range(30):
    child = os.fork()
    if child == 0:
        os._exit(0 if client.read("a/b").version == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
"""


def test_forks_while_threads_read(vault):
    """A child reads through the client that four threads of its parent were in the middle of."""
    Issuer(vault, lambda: None)
    subprocess.run([sys.executable, "-c", FORKS, vault.url], check=True, timeout=60)


INTERRUPTED = """
import sys
from typing import Annotated
from vaultconfig import VaultSettings
class One(VaultSettings):
    a: Annotated[str, "vault:a/b#k"]
class Many(VaultSettings):
    a: Annotated[str, "vault:a/b?version=1#k"]
    b: Annotated[str, "vault:a/c?version=1#k"]
    c: Annotated[str, "vault:a/d?version=1#k"]
globals()[sys.argv[1]]()
"""


@pytest.mark.parametrize("model", ["One", "Many"])
@pytest.mark.parametrize("kind", ["token", "client credentials"])
def test_an_interrupt_while_the_vault_is_silent(vault, tmp_path, model, kind):
    """Ctrl-C ends a start that waits for the vault or a token, by the signal, at once."""
    asked = threading.Event()
    vault.respond = lambda _: lambda connection: (asked.set(), vault.over.wait(60))
    credential = (
        {"SCAIVAULT_TOKEN": "t"}
        if kind == "token"
        else {
            "SCAIKEY_CLIENT_ID": "i",
            "SCAIKEY_CLIENT_SECRET": "s",
            "SCAIKEY_TOKEN_URL": f"{vault.url}/token",
        }
    )
    run_and_interrupt(tmp_path, model, asked, {"SCAIVAULT_URL": vault.url} | credential)


def test_an_interrupt_during_a_handshake(tmp_path):
    """Ctrl-C ends a start that waits for a TLS handshake, by the signal, at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threading.Event()
        accepted = []

        def accept() -> None:
            accepted.append(server.accept()[0])
            accepted[0].recv(1)
            asked.set()

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        run_and_interrupt(tmp_path, "One", asked, {"SCAIVAULT_URL": url, "SCAIVAULT_TOKEN": "t"})
        thread.join(5)
        accepted[0].close()


def run_and_interrupt(tmp_path, model, asked, variables) -> None:
    ours = ("SCAIVAULT_", "SCAIKEY_", "VAULTCONFIG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, model],
        cwd=tmp_path,
        env=environ | {"VAULTCONFIG_DEADLINE": "60"} | variables,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert asked.wait(20)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=15)
    assert process.returncode == -signal.SIGINT
    assert told.splitlines()[-1] == "KeyboardInterrupt"
