from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from pydantic_vault import VaultSettingsSource

from tests.benchmarks.peers.works import MOUNT, Fields


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
        vault = VaultSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, vault, file_secret_settings


def loader(fields: Fields) -> Callable[[], object]:
    declared: dict[str, Any] = {
        name: (str, Field(..., json_schema_extra=extra(*where))) for name, where in fields.items()
    }
    return create_model("Settings", __base__=Base, **declared)


def extra(path: str, key: str) -> dict[str, str]:
    return {"vault_secret_path": f"{MOUNT}/data/{path}", "vault_secret_key": key}
