"""By hand: one path after the other, over one connection."""

from __future__ import annotations

import os
from collections.abc import Callable

import hvac

from tests.benchmarks.peers.works import MOUNT, Fields


def loader(fields: Fields) -> Callable[[], dict[str, str]]:
    paths = sorted({path for path, _ in fields.values()})

    def load() -> dict[str, str]:
        client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
        read = client.secrets.kv.v2.read_secret_version
        secrets = {
            path: read(path, mount_point=MOUNT, raise_on_deleted_version=True)["data"]["data"]
            for path in paths
        }
        return {name: secrets[path][key] for name, (path, key) in fields.items()}

    return load
