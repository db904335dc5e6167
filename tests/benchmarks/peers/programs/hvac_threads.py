"""By hand: 16 threads, and a connection for each."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import hvac
import requests

from tests.benchmarks.peers.works import MOUNT, Fields

THREADS = 16


def loader(fields: Fields) -> Callable[[], dict[str, str]]:
    paths = sorted({path for path, _ in fields.values()})

    def load() -> dict[str, str]:
        session = requests.Session()  # by itself it keeps ten connections, and drops the others
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))
        client = hvac.Client(
            url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"], session=session
        )
        read = client.secrets.kv.v2.read_secret_version

        def data_of(path: str) -> dict[str, str]:
            return read(path, mount_point=MOUNT, raise_on_deleted_version=True)["data"]["data"]

        with ThreadPoolExecutor(THREADS) as pool:
            secrets = dict(zip(paths, pool.map(data_of, paths), strict=True))
        return {name: secrets[path][key] for name, (path, key) in fields.items()}

    return load
