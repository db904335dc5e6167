"""Name resolution: waited for only as long as there is time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.client.scripted import Reply, secret
from vaultconfig import errors
from vaultconfig.client import ClientCredentials, StaticToken, VaultClient
from vaultconfig.client.names import resolved


class Resolver:
    """Stands in for the system's: hangs until it is let go, then answers with loopback."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)
        self.hosts: list[str] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, host, port, **options):
        self.hosts.append(host)
        self.threads.append(threading.current_thread())
        self.asked.release()
        self.go.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def resolver(monkeypatch):
    resolver = Resolver()
    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", resolver)
    yield resolver
    resolver.go.set()
    for thread in resolver.threads:
        thread.join(5)


def slow_vault(vault, **options) -> VaultClient:
    url = f"http://vault.invalid:{vault.server.server_port}"
    defaults = {"credentials": StaticToken("t"), "allow_http": True, "deadline": 0.3}
    return VaultClient(url, **defaults | options)


def test_a_resolver_that_hangs(vault, resolver):
    """The deadline holds over name resolution, and the error says what took so long."""
    with (
        slow_vault(vault) as client,
        pytest.raises(errors.VaultUnavailableError, match="name was not resolved in time"),
    ):
        client.read("a/b")
    assert threading.current_thread() not in resolver.threads


def test_a_resolver_that_hangs_for_the_token(vault, resolver):
    """The token endpoint's name counts as well."""
    url = f"http://issuer.invalid:{vault.server.server_port}/token"
    credentials = ClientCredentials("i", "s", token_url=url, scope="", allow_http=True)
    with (
        VaultClient(vault.url, credentials=credentials, deadline=0.3) as client,
        pytest.raises(errors.VaultUnavailableError, match=r"issuer\.invalid.*not resolved"),
    ):
        client.read("a/b")
    assert resolver.hosts == ["issuer.invalid"]


def test_whoever_asks_meanwhile_shares_the_lookup(vault, resolver):
    """However many calls and clients ask for a name that hangs, one thread looks it up."""
    clients = [slow_vault(vault, deadline=20) for _ in range(2)]
    for _ in range(3):
        with pytest.raises(errors.VaultUnavailableError):
            clients[0].read_many(["a/b"], deadline=0.1, retry=False)
    vault.script(Reply(body=secret()))
    found = []
    threads = [
        threading.Thread(target=lambda c=client: found.append(c.read("a/b").version))
        for client in clients * 4
    ]
    for thread in threads:
        thread.start()
    resolver.go.set()
    for thread in threads:
        thread.join(20)
    for client in clients:
        client.close()
    assert found == [1] * 8
    # The first lookup serves all who wait; who asks after it has ended looks anew.
    assert resolver.asked.acquire(timeout=5)
    assert resolver.threads[0].name == "vaultconfig-resolve"


def test_one_thread_a_name(resolver):
    """Calls that give up leave one thread behind, not one each."""
    for _ in range(20):
        with pytest.raises(TimeoutError):
            resolved(lambda: resolver("h", 1), name=("h", 1), seconds=0.01)
    assert len(resolver.threads) == 1


def test_another_name_is_another_lookup(resolver):
    """A name that hangs does not hold up another one."""
    with pytest.raises(TimeoutError):
        resolved(lambda: resolver("h", 1), name=("h", 1), seconds=0.01)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 1))] * 2
    assert resolved(lambda: found, name=("i", 1), seconds=5) == ["192.0.2.1"]


def test_an_answer_is_not_kept():
    """Each lookup asks the system anew: a failover shows at once."""
    for address in ("192.0.2.1", "192.0.2.2"):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 1))]
        assert resolved(lambda found=found: found, name=("j", 1), seconds=5) == [address]


@pytest.mark.parametrize(
    "problem", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")]
)
def test_a_resolver_that_fails(vault, monkeypatch, problem):
    """What the resolver raises is an outage, in every call that waits for it."""

    def fail(host, port, **options):
        raise problem

    monkeypatch.setattr("vaultconfig.client.sockets.getaddrinfo", fail)
    with slow_vault(vault) as client:
        for _ in range(2):
            with pytest.raises(errors.VaultUnavailableError, match="no connection"):
                client.read_many(["a/b"], retry=False)


def test_no_more_threads(vault, monkeypatch):
    """Where no thread can be had, as at the end of the process, the caller looks up itself."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    vault.script(Reply(body=secret()))
    monkeypatch.setattr("vaultconfig.client.names.Thread", Refused)
    with VaultClient(vault.url, credentials=StaticToken("t")) as client:
        assert client.read("a/b").version == 1


def test_an_interrupt_leaves_no_lookup_behind(monkeypatch):
    """A signal that lands before the thread has started lets nobody wait for it."""

    class Interrupted(threading.Thread):
        def start(self) -> None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vaultconfig.client.names.Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            resolved(list, name="k", seconds=5)
    assert resolved(list, name="k", seconds=5) == []


FORK = """
import os, sys, threading, warnings
import vaultconfig.client.sockets as sockets
from vaultconfig.client import StaticToken, VaultClient
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is what we test
real, hangs = sockets.getaddrinfo, threading.Event()
def hanging(*args, **options):
    hangs.set()
    threading.Event().wait()
sockets.getaddrinfo = hanging
client = VaultClient(sys.argv[1], credentials=StaticToken("t"), deadline=20)
threading.Thread(target=lambda: client.read("a/b"), daemon=True).start()
assert hangs.wait(5)
sockets.getaddrinfo = real
child = os.fork()
if child == 0:
    os._exit(0 if client.read("a/b").version == 1 else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_in_the_middle(vault):
    """A child looks up a name itself whose lookup hangs in a thread of its parent."""
    vault.script(Reply(body=secret()))
    subprocess.run([sys.executable, "-c", FORK, vault.url], check=True, timeout=20)


START = """
import os, signal, sys, threading
import vaultconfig.client.sockets as sockets
from typing import Annotated
from vaultconfig import VaultSettings

def hanging(*args, **options):
    print("hangs", flush=True)
    threading.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sockets.getaddrinfo = hanging

class Settings(VaultSettings):
    one: Annotated[str, "vault:a/b#k"] = "default"
    two: Annotated[str, "vault:a/c?version=1#k"] = "default"

print(Settings().one, flush=True)
"""


def start(tmp_path, **variables: str) -> subprocess.Popen[str]:
    ours = ("SCAIVAULT_", "SCAIKEY_", "VAULTCONFIG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.Popen(
        [sys.executable, "-c", START],
        cwd=tmp_path,
        env=environ
        | {"SCAIVAULT_URL": "https://vault.invalid", "SCAIVAULT_TOKEN": "t"}
        | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_production_starts_within_its_deadline(tmp_path):
    """Ten seconds, though the resolver never answers; and it says why."""
    with start(tmp_path) as process:
        assert process.stdout.readline() == "hangs\n"
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the name was not resolved in time" in told


def test_development_starts_within_its_deadline(tmp_path):
    """Two seconds, and `.env` serves."""
    (tmp_path / ".env").write_text("ONE=from .env\n")
    with start(tmp_path, VAULTCONFIG_ENVIRONMENT="development") as process:
        assert process.stdout.readline() == "hangs\n"
        said, _ = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "from .env"


def test_an_interrupt_ends_a_start_at_once(tmp_path):
    """Ctrl-C during name resolution ends the process, by the signal, long before the deadline."""
    with start(tmp_path, VAULTCONFIG_DEADLINE="600") as process:
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert told.splitlines()[-1] == "KeyboardInterrupt"
