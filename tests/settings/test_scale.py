"""The Quickstart's credential in every form, and many fields at once: how many requests."""

import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr, create_model

from tests.settings.loading import Asked
from vaultconfig import VaultConfigDict, VaultSettings
from vaultconfig.devserver import DevServer

PATH = "environments/production/salesforce/api-credentials"


class Salesforce(BaseModel):
    client_id: str
    client_secret: SecretStr


class Quickstart(VaultSettings):
    model_config = VaultConfigDict(vault_environment="production")
    client_id: Annotated[str, f"vault:{PATH}#client_id"]
    client_secret: Annotated[
        SecretStr, "vault:environments/{environment}/salesforce/api-credentials#client_secret"
    ]
    salesforce: Annotated[Salesforce, f"vault:{PATH}"]
    url: Annotated[str, f"https://${{vault:{PATH}#client_id}}@example.com"]
    old: Annotated[str, f"vault:{PATH}?version=1#client_secret"]
    sf: str


def test_the_quickstart_credential_in_every_form(
    vault_env: DevServer, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields, nested model, template, pin and a variable: one batch and the pin."""
    vault_env.put(PATH, {"client_id": "id", "client_secret": "old"})
    vault_env.put(PATH, {"client_id": "id", "client_secret": "new"})
    monkeypatch.setenv("SF", f"vault:{PATH}#client_id")
    settings = Quickstart()
    assert (settings.client_id, settings.client_secret.get_secret_value()) == ("id", "new")
    assert settings.salesforce == Salesforce(client_id="id", client_secret=SecretStr("new"))
    assert (settings.url, settings.old, settings.sf) == ("https://id@example.com", "old", "id")
    assert len(asked()) == 2
    assert {secret for _, secrets in asked() for secret in secrets} == {PATH}


def many(paths: int) -> type[VaultSettings]:
    """Return a class with two fields on each of *paths* paths, under the same two keys."""
    fields: dict[str, Any] = {
        f"{key}_{number}": (Annotated[str, f"vault:many/{number}#{key}"], ...)
        for number in range(paths)
        for key in ("user", "password")
    }
    return create_model("Many", __base__=VaultSettings, **fields)


def fill(server: DevServer, paths: int) -> dict[str, str]:
    """Write the secrets for `many`, and return what each field has to be."""
    for number in range(paths):
        server.put(f"many/{number}", {"user": f"u{number}", "password": f"p{number}"})
    return {
        f"{key}_{number}": f"{key[0]}{number}"
        for number in range(paths)
        for key in ("user", "password")
    }


@pytest.mark.parametrize(("paths", "posts"), [(1, 0), (2, 1), (99, 1), (100, 1), (101, 2)])
def test_one_batch_for_each_hundred_paths(
    vault_env: DevServer, asked: Asked, paths: int, posts: int
) -> None:
    """200 fields on 100 paths are one POST, 101 paths two; equal keys are not mixed up."""
    expected = fill(vault_env, paths)
    assert many(paths)().model_dump() == expected
    assert [method for method, _ in asked()].count("POST") == posts
    read = [secret for _, secrets in asked() for secret in secrets]
    assert sorted(read) == sorted({f"many/{number}" for number in range(paths)})


def test_no_paths_no_request(vault_env: DevServer) -> None:
    """A class without references asks nothing, and reads no connection."""

    class Plain(VaultSettings):
        debug: bool = False

    assert Plain().debug is False
    assert not vault_env.requests


def test_a_server_without_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is one GET a path, over eight connections at the most, and remembered."""
    with DevServer(quickstart_only=True) as server:
        monkeypatch.setenv("SCAIVAULT_URL", server.url)
        monkeypatch.setenv("SCAIVAULT_TOKEN", server.token)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        expected = fill(server, 100)
        assert many(100)().model_dump() == expected
        gets = [request for request in server.requests if request.method == "GET"]
        assert len(gets) == len({request.path for request in gets}) == 100
        assert len({request.connection for request in gets}) <= 8
        posts = [request for request in server.requests if request.method == "POST"]
        assert len(posts) <= 1


def test_a_load_waits_for_nobody_s_other_paths(vault_env: DevServer) -> None:
    """Two classes with different paths do not stand in each other's way."""
    vault_env.put("slow", {"x": "slow"})
    vault_env.put("fast", {"x": "fast"})

    class Slow(VaultSettings):
        x: Annotated[str, "vault:slow#x"]

    class Fast(VaultSettings):
        x: Annotated[str, "vault:fast#x"]

    told: list[str] = []
    vault_env.hold("slow")
    thread = threading.Thread(target=lambda: told.append(Slow().x))
    thread.start()
    vault_env.wait_until_asked()
    assert Fast().x == "fast"
    assert told == []
    vault_env.release()
    thread.join(10)
    assert told == ["slow"]
