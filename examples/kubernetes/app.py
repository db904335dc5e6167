"""A shop whose database login comes from the vault, and rotates while it runs.

live.yaml runs it. For a program that knows no vault, render-once.yaml and render-watch.yaml render
its settings class into a file.
"""

from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, SecretStr

import vaultconfig.fastapi
from vaultconfig import LiveSettings, VaultSettings


class Database(BaseModel):
    user: str
    password: SecretStr


class Settings(VaultSettings):
    database: Annotated[Database, "vault:environments/{environment}/shop/database"]


live = LiveSettings(Settings)  # reads nothing yet
app = FastAPI(title="Shop", lifespan=vaultconfig.fastapi.lifespan(live))
app.include_router(vaultconfig.fastapi.health_router(live))  # /livez and /readyz, for the probes


@app.get("/")
async def show_user(settings: Annotated[Settings, Depends(live.dependency)]) -> str:
    return f"the shop talks to its database as {settings.database.user}"
