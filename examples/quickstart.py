"""The credential of ScaiVault's Quickstart as typed settings.

With a vault (or ``vaultconfig dev-server``):

    export SCAIVAULT_URL=… SCAIVAULT_TOKEN=… VAULTCONFIG_ENVIRONMENT=production
    python quickstart.py

On your own machine, without one:

    cp .env.example .env
    VAULTCONFIG_ENVIRONMENT=development python quickstart.py
"""

from typing import Annotated

from pydantic import BaseModel, SecretStr

from vaultconfig import VaultConfigDict, VaultSettings, provenance


class Salesforce(BaseModel):
    client_id: str
    client_secret: SecretStr


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_nested_delimiter="__")

    debug: bool = False
    salesforce: Annotated[Salesforce, "vault:environments/{environment}/salesforce/api-credentials"]
    signing_key: Annotated[
        SecretStr, "vault:environments/{environment}/app?optional#signing_key"
    ] = SecretStr("")


def main() -> None:
    settings = Settings()
    print(settings)
    for field, origin in provenance(settings).items():
        print(f"{field}: {origin.source}", *(f"{p}, version {v}" for p, v in origin.secrets))


if __name__ == "__main__":
    main()
