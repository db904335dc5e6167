"""The store of store.yaml: a real Valkey with the arguments and the ACL file of the manifest."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.cli.watching import Running, until
from tests.docs.blocks import blocks_of
from tests.kubernetes.conftest import PASSWORD, Run, Schedule
from tests.kubernetes.manifests import EXAMPLES, Node
from tests.kubernetes.test_containers import probe
from tests.live.rig import LONG
from vaultconfig.devserver import DevServer
from vaultconfig.store.server import Server
from vaultconfig.store.shelf import Swap

ONCE = Retry(NoBackoff(), 0)  # redis-py takes a rejected login for a broken connection
KEY = "vaultconfig:0a:1b"
READ = "return redis.call('GETRANGE', KEYS[1], 0, 1)"
FORBIDDEN = (
    ("GETRANGE", "others:key", "0", "1"),
    ("INCR", KEY),
    ("SET", "others:key", "x"),
    ("EVAL", READ, "1", "others:key"),
    ("EVAL", "return redis.call('GETRANGE', 'others:key', 0, 1)", "0"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("MONITOR",),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("SUBSCRIBE", "any"),
    ("FUNCTION", "LIST"),
    ("SHUTDOWN",),
)


class Store:
    """The container, and a client for each user that comes along."""

    def __init__(self, node: Node, run: Run) -> None:
        container = node.container("valkey")
        self.port = int(node.here(container, "6379"))
        self.process: Running = run(node, container)
        self.process.expect("Ready to accept connections")

    def client(self, user: str, password: str) -> redis.Redis:
        return redis.Redis(port=self.port, username=user, password=password, retry=ONCE)


@pytest.fixture
def store(schedule: Schedule, run: Run) -> Store:
    return Store(schedule("store"), run)


def test_the_commands_of_the_page(schedule: Schedule, run: Run, tmp_path: Path) -> None:
    """The password and the ACL file that they make fit each other."""
    page = EXAMPLES.parents[1] / "docs/how-to/kubernetes.md"
    (block,) = (block for block in blocks_of(page) if "users.acl" in block.text)
    lines = [
        line for line in block.text.splitlines() if not line.startswith(("kubectl", "vaultconfig"))
    ]
    shutil.copy(EXAMPLES / "users.acl", tmp_path)
    subprocess.run(["/bin/sh", "-e", "-c", "\n".join(lines)], cwd=tmp_path, check=True)
    node = schedule("store")
    node.mounted["acl"].replace({"users.acl": (tmp_path / "filled.acl").read_text()})
    Store(node, run)
    url = node.here(node.container("valkey"), (tmp_path / "url").read_text())
    shelf = Server(url, patience=LONG)
    assert shelf.read(["0a/1b"]) == [None]
    shelf.close()


@pytest.fixture
def shop(store: Store) -> Iterator[redis.Redis]:
    with store.client("shop", PASSWORD) as client:
        yield client


def test_only_the_user_of_the_application_comes_in(store: Store) -> None:
    """Neither a guest nor a wrong password is let in."""
    for user, password in [("default", ""), ("default", PASSWORD), ("shop", "wrong")]:
        with store.client(user, password) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_user_may_do_what_the_store_needs(store: Store) -> None:
    """Each operation of our own store works with its rights."""
    shelf = Server(f"redis://shop:{PASSWORD}@127.0.0.1:{store.port}", patience=LONG)
    assert shelf.swap({"0a/1b": Swap(None, b"sealed")}, keep=LONG)
    assert shelf.swap({"0a/1b": Swap(b"sealed", b"anew"), "0a/2c": Swap(None, b"x")}, keep=LONG)
    assert shelf.read(["0a/1b", "0a/3d"]) == [b"anew", None]
    assert shelf.swap({"0a/2c": Swap(b"x", None)}, keep=LONG)
    assert shelf.clear("0a") == 1
    shelf.close()


def test_a_pod_starts_from_the_store(
    store: Store, schedule: Schedule, run: Run, vault: DevServer
) -> None:
    """What one pod has read, the next starts with while the vault is down, as does `render`."""
    node = schedule("live")
    application = node.container("shop")
    first = run(node, application)
    until(lambda: probe(node, application, "readinessProbe"))
    assert first.end() in (0, -signal.SIGTERM)
    vault.stop()
    run(node, application)
    until(lambda: probe(node, application, "readinessProbe"))
    (init,) = schedule("render-once").pod["initContainers"]
    words = [word.replace("/run/settings/", "") for word in init["command"]]
    run(node, {**application, "command": words}).expect("1 variable, mode 0600")


def test_the_user_may_do_no_more(shop: redis.Redis) -> None:
    """Keys of others, the server itself and its other clients are out of its reach."""
    for command in FORBIDDEN:
        with pytest.raises(redis.ResponseError, match=r"(?i)no permission"):
            shop.execute_command(*command)


def test_it_ends_within_its_grace(store: Store) -> None:
    """SIGTERM is a good end, although nothing is saved."""
    assert store.process.end(signal.SIGTERM) == 0
