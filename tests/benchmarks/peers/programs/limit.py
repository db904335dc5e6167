"""What nothing can be faster than: one bare POST of the batch, and no settings class."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import httpx

from tests.benchmarks.peers.works import Fields

# httpx makes one for every client, and loads all certificates for it, whatever the URL is.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def loader(fields: Fields) -> Callable[[], object]:
    paths = sorted({path for path, _ in fields.values()})
    headers = {"Authorization": "Bearer " + os.environ["SCAIVAULT_TOKEN"]}
    url = os.environ["SCAIVAULT_URL"] + "/v1/secrets/batch"

    def load() -> object:
        with httpx.Client(headers=headers, verify=CONTEXT) as client:
            secrets = client.post(url, json={"paths": paths}).json()["secrets"]
        return {name: secrets[path]["data"][key] for name, (path, key) in fields.items()}

    return load
