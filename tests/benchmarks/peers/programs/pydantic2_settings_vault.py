from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field, create_model
from pydantic2_settings_vault import VaultConfigSettingsSource
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tests.benchmarks.peers.works import MOUNT, Fields


def loader(fields: Fields, **options: Any) -> Callable[[], object]:
    class Base(BaseSettings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            vault = VaultConfigSettingsSource(settings_cls=settings_cls, **options)
            return init_settings, env_settings, dotenv_settings, vault

    declared: dict[str, Any] = {
        name: (str, Field(..., json_schema_extra=extra(*where))) for name, where in fields.items()
    }
    return create_model("Settings", __base__=Base, **declared)


def extra(path: str, key: str) -> dict[str, str]:
    return {"vault_secret_path": f"{MOUNT}/{path}", "vault_secret_key": key}
