"""It reads all secrets of a folder, which it takes for environments, into one namespace."""

from __future__ import annotations

import os
from collections.abc import Callable

from dynaconf import Dynaconf

from tests.benchmarks.peers.works import WRAPPED, Fields


def loader(fields: Fields) -> Callable[[], object]:
    (folder,) = {path.partition("/")[0] for path, _ in fields.values()}

    def load() -> object:
        settings = Dynaconf(
            environments=True,
            vault_enabled=True,
            vault={"url": os.environ["VAULT_ADDR"], "token": os.environ["VAULT_TOKEN"]},
            vault_kv_version=2,
            vault_mount_point=WRAPPED,
            vault_path=folder,
        )
        return {name: settings[key] for name, (_, key) in fields.items() if key in settings}

    return load
