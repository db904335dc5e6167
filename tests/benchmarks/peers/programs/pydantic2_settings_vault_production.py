"""With the preset and the cache that its README recommends for production."""

from __future__ import annotations

from collections.abc import Callable

from pydantic2_settings_vault import VaultClientConfig, VaultSecretCache

from tests.benchmarks.peers.programs import pydantic2_settings_vault
from tests.benchmarks.peers.works import Fields

cache = VaultSecretCache(ttl_seconds=300)


def loader(fields: Fields) -> Callable[[], object]:
    return pydantic2_settings_vault.loader(
        fields, client_config=VaultClientConfig.for_production(), secret_cache=cache
    )


def forget() -> None:
    cache.clear()
