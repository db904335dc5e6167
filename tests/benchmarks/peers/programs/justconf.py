from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

from justconf import process
from justconf.processor import VaultProcessor, vault_auth_from_env
from justconf.schema import Placeholder, extract_placeholders
from pydantic import create_model
from pydantic_settings import BaseSettings

from tests.benchmarks.peers.works import MOUNT, Fields


def loader(fields: Fields) -> Callable[[], object]:
    annotated: dict[str, Any] = {
        name: Annotated[str, Placeholder(f"${{vault:{MOUNT}/data/{path}#{key}}}")]
        for name, (path, key) in fields.items()
    }
    settings_cls = create_model("Settings", __base__=BaseSettings, **annotated)

    def load() -> object:
        vault = VaultProcessor(url=os.environ["VAULT_ADDR"], auth=vault_auth_from_env())
        return settings_cls(**process(extract_placeholders(settings_cls), [vault]))

    return load
