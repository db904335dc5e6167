"""What hosts share: nothing, a directory, or a Valkey of the benchmark's own."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from tests.valkey import Valkey

Store: TypeAlias = Literal["none", "file", "redis"]


@contextmanager
def shared(store: Store) -> Iterator[dict[str, str]]:
    """Yield the variables that make hosts use an empty *store*."""
    if store == "none":
        yield {}
        return
    key = base64.b64encode(os.urandom(32)).decode()
    variables = {"VAULTCONFIG_STORE_KEY": key, "VAULTCONFIG_APPLICATION": "fleet"}
    with TemporaryDirectory() as directory:
        if store == "file":
            yield {**variables, "VAULTCONFIG_STORE": f"file:{directory}/store"}
            return
        with Valkey(Path(directory)) as valkey:
            yield {**variables, "VAULTCONFIG_STORE": f"redis://127.0.0.1:{valkey.port}"}
