"""It reads one secret a class: so a class for each path, and its variable set before each."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pydantic import Field, create_model
from vltconfig import VaultJsonConfig

from tests.benchmarks.peers.works import Fields


def loader(fields: Fields) -> Callable[[], object]:
    keys: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, (path, key) in fields.items():
        keys[path][name] = (str, Field(alias=key))
    classes = {
        path: create_model("Settings", __base__=VaultJsonConfig, **declared)
        for path, declared in keys.items()
    }

    def load() -> object:
        loaded: dict[str, object] = {}
        for path, settings_cls in classes.items():
            os.environ["VAULT_APP_NAME"] = path
            loaded |= dict(settings_cls())
        return loaded

    return load
