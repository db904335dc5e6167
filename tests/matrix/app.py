"""The settings of all cells; commands and other processes get a copy of this file."""

from __future__ import annotations

from typing import Annotated

from pydantic import SecretStr

from vaultconfig import VaultConfigDict, VaultSettings


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_prefix="SHOP_")

    user: Annotated[str, "vault:shop/db#user"]
    password: Annotated[SecretStr, "vault:shop/db#password"]
    key: Annotated[SecretStr, "vault:shop/mail#key"]
