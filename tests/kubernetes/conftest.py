"""A vault with the shop's login, and a node that runs the pod of a manifest against it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.cli.watching import Running
from tests.kubernetes.manifests import EXAMPLES, Node, Object, pods
from tests.postgres import free_port
from vaultconfig.devserver import DevServer

LOGIN = "environments/production/shop/database"
CANARY = "canary-5e1f"
PASSWORD = f"{CANARY}-of-the-store"
Schedule: TypeAlias = Callable[[str], Node]
Run: TypeAlias = Callable[[Node, Object], Running]


@pytest.fixture
def schedule(tmp_path: Path, vault: DevServer) -> Schedule:
    """Put the pod of a manifest on a node, with its Secrets mounted, and nothing started yet."""
    vault.put(LOGIN, {"user": "shop-a", "password": f"{CANARY}-1"})
    users = (EXAMPLES / "users.acl").read_text(encoding="utf-8")
    store_port = str(free_port())
    secrets = {
        "shop-vault-token": {"token": vault.token},
        "shop-store": {
            "url": f"redis://shop:{PASSWORD}@settings-store:6379",
            "key": base64.b64encode(f"{CANARY}-key".ljust(32).encode()).decode(),
        },
        "settings-store-acl": {
            "users.acl": users.replace("PASSWORD_SHA256", sha256(PASSWORD.encode()).hexdigest())
        },
    }
    replaced = {
        "https://vault.example.com": vault.url,
        "settings-store": "127.0.0.1",
        "0.0.0.0": "127.0.0.1",
        "6379": store_port,
        "8000": str(free_port()),
    }
    return lambda name: Node(dict(pods())[name], tmp_path / name, secrets, replaced)


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a container; what still runs at the end is killed, and nothing printed a secret."""
    started: list[Running] = []
    hidden = {CANARY}

    def run(node: Node, container: Object) -> Running:
        hidden.update(text for secret in node.secrets.values() for text in secret.values())
        started.append(Running(node.start(container)))
        return started[-1]

    yield run
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        command.wait()
        assert not [line for line in command.said if any(text in line for text in hidden)]
