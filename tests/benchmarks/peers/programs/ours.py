from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import create_model

from tests.benchmarks.peers.works import Fields
from vaultconfig import VaultSettings


def loader(fields: Fields) -> Callable[[], object]:
    annotated: dict[str, Any] = {
        name: Annotated[str, f"vault:{path}#{key}"] for name, (path, key) in fields.items()
    }
    return create_model("Settings", __base__=VaultSettings, **annotated)


def forget() -> None:
    from vaultconfig.vaults.shared import close_vaults

    close_vaults()
