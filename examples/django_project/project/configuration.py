"""What the project is configured with: the one place that knows where each value comes from."""

from typing import Annotated

from pydantic import BaseModel, SecretStr

from vaultconfig import VaultConfigDict, VaultSettings


class Settings(VaultSettings):
    """With SQLite, which knows no password."""

    model_config = VaultConfigDict(env_prefix="SITE_", env_nested_delimiter="__")

    debug: bool = False
    secret_key: Annotated[SecretStr, "vault:environments/{environment}/site/web#secret_key"]
    signing_key: Annotated[SecretStr, "vault:environments/{environment}/site/web#signing_key"]


class Login(BaseModel):
    user: str
    password: SecretStr


class PostgresSettings(Settings):
    """With PostgreSQL, whose password rotates while the project runs."""

    database: Annotated[Login, "vault:environments/{environment}/site/database"]
    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_name: str = "site"
    database_max_age: int = 0  # seconds that a connection is kept
    database_pool: bool = False
