"""A service that signs what it is given, with a key that rotates while it runs.

README.md says how to start it. The key never leaves the process: its fingerprint does.
"""

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, SecretStr

import vaultconfig.fastapi
from vaultconfig import LiveSettings, VaultConfigDict, VaultSettings


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_prefix="SIGNER_")

    issuer: str = "signer"
    signing_key: Annotated[SecretStr, "vault:environments/{environment}/signer#key"]


live = LiveSettings(Settings)  # reads nothing yet
app = FastAPI(title="Signer", lifespan=vaultconfig.fastapi.lifespan(live))
app.include_router(vaultconfig.fastapi.health_router(live))

CurrentSettings = Annotated[Settings, Depends(live.dependency)]


class Message(BaseModel):
    text: str


class Signature(BaseModel):
    issuer: str
    key: str
    signature: str


def fingerprint(key: bytes) -> str:
    """Tell keys apart without telling the key."""
    return hashlib.sha256(b"fingerprint of " + key).hexdigest()[:12]


@app.post("/signatures")
async def sign(message: Message, settings: CurrentSettings) -> Signature:
    key = settings.signing_key.get_secret_value().encode()
    signature = hmac.digest(key, message.text.encode(), "sha256").hex()
    return Signature(issuer=settings.issuer, key=fingerprint(key), signature=signature)
