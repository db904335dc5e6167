"""The store of store.yaml: a real Valkey with the arguments and the ACL file of the manifest."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.cli.watching import Running
from tests.kubernetes.conftest import PASSWORD, Run, Schedule
from tests.kubernetes.manifests import Node

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
        once = Retry(NoBackoff(), 0)  # it takes a rejected login for a broken connection
        return redis.Redis(port=self._port, username=user, password=password, retry=once)


@pytest.fixture
def store(schedule: Schedule, run: Run) -> Store:
    return Store(schedule("store"), run)


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
