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

from tests.cli.watching import Running
from tests.kubernetes.conftest import PASSWORD, Run, Schedule
from tests.kubernetes.manifests import EXAMPLES, Node
from tests.test_docs import blocks_of

ONCE = Retry(NoBackoff(), 0)  # redis-py takes a rejected login for a broken connection
KEY = "vaultconfig:0a/1b"
INCREMENT = "return redis.call('INCR', KEYS[1])"
FORBIDDEN = (
    ("GET", "others:key"),
    ("SET", "others:key", "x"),
    ("EVAL", INCREMENT, "1", "others:key"),
    ("EVAL", "return redis.call('INCR', 'others:key')", "0"),
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
        self._port = int(node.here(container, "6379"))
        self.process: Running = run(node, container)
        self.process.expect("Ready to accept connections")

    def client(self, user: str, password: str) -> redis.Redis:
        return redis.Redis(port=self._port, username=user, password=password, retry=ONCE)


@pytest.fixture
def store(schedule: Schedule, run: Run) -> Store:
    return Store(schedule("store"), run)


def test_the_commands_of_the_page(schedule: Schedule, run: Run, tmp_path: Path) -> None:
    """The password and the ACL file that they make fit each other."""
    page = EXAMPLES.parents[1] / "docs" / "kubernetes.md"
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
    with redis.Redis.from_url(url, retry=ONCE) as client:
        assert client.ping()


@pytest.fixture
def shop(store: Store) -> Iterator[redis.Redis]:
    with store.client("shop", PASSWORD) as client:
        yield client


def test_only_the_user_of_the_application_comes_in(store: Store) -> None:
    """Neither a guest nor a wrong password is let in."""
    for user, password in [("default", ""), ("default", PASSWORD), ("shop", "wrong")]:
        with store.client(user, password) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_user_may_do_what_the_store_needs(shop: redis.Redis) -> None:
    """It reads, writes and expires its own keys, also in scripts and transactions."""
    assert shop.set(KEY, b"sealed", px=60_000, nx=True)
    assert shop.mget([KEY, "vaultconfig:nothing"]) == [b"sealed", None]
    assert shop.getrange(KEY, 0, 3) == b"seal"
    assert list(shop.scan_iter("vaultconfig:*")) == [KEY.encode()]
    assert shop.unlink(KEY) == shop.delete("vaultconfig:nothing") + 1
    assert shop.eval(INCREMENT, 1, KEY) == 1
    assert shop.register_script(INCREMENT)(keys=[KEY]) == 2
    with shop.pipeline(transaction=True) as pipeline:
        pipeline.watch(KEY)
        pipeline.multi()
        pipeline.set(KEY, b"3").pexpire(KEY, 60_000)
        assert pipeline.execute() == [True, True]


def test_the_user_may_do_no_more(shop: redis.Redis) -> None:
    """Keys of others, the server itself and its other clients are out of its reach."""
    for command in FORBIDDEN:
        with pytest.raises(redis.ResponseError, match=r"(?i)no permission"):
            shop.execute_command(*command)


def test_it_ends_within_its_grace(store: Store) -> None:
    """SIGTERM is a good end, although nothing is saved."""
    assert store.process.end(signal.SIGTERM) == 0
