"""Whatever goes wrong, no value and no path is exported."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import pytest
from pydantic import AfterValidator

from tests.client.scripted import Reply, ScriptedVault, envelope
from tests.live.rig import heard
from tests.live.test_no_leaks import CANARIES, FAILURES, NEW, OLD, break_down, refuse
from tests.telemetry.rig import READER, metrics_in
from vaultconfig import LiveSettings, StaticToken, VaultClient, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import VaultConfigError

TOKEN = "tok3n-canary"
PATHS = ("api", "checked", "fragile", "db")


class Canaries(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    checked: Annotated[str, AfterValidator(refuse), "vault:checked#key"]
    fragile: Annotated[str, AfterValidator(break_down), "vault:fragile#key"]
    port: Annotated[int, "vault:db#port"]


def exported() -> str:
    return str([metric.to_json() for metric in metrics_in(READER.get_metrics_data())])


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_failed_refresh(vault_env: DevServer, failure: str) -> None:
    """Only the class, words of ours and codes are there."""
    for path in PATHS[:-1]:
        vault_env.put(path, {"key": OLD})
    vault_env.put("db", {"port": 1})
    with LiveSettings(Canaries) as live:
        FAILURES[failure](vault_env)
        with suppress(ValueError, VaultConfigError, RuntimeError):
            live.refresh()
        heard(live)
        shown = exported()
    assert "Canaries" in shown
    found = (*CANARIES, vault_env.token, *(f'"{path}"' for path in PATHS), "/v1")
    assert [text for text in found if text in shown] == []


@pytest.mark.parametrize(
    "reply",
    [
        envelope(NEW.replace("-", "_"), status=403),
        envelope(TOKEN, status=401),
        Reply(401, {"error": NEW}),
        Reply(502, NEW.encode()),
        Reply(200, {"path": NEW, "data": {NEW: NEW}}),
        Reply(302, b"", {"Location": f"/{NEW}"}),
    ],
)
@pytest.mark.parametrize("operation", ["read", "list", "delete", "write", "subscribe", "whoami"])
def test_what_a_server_may_say(reply: Reply, operation: str) -> None:
    """Nothing of its text is repeated."""
    arguments = {
        "write": ("canary-path", {"k": NEW}),
        "subscribe": (["canary-path"],),
        "whoami": (),
    }
    with ScriptedVault() as vault:
        vault.script(reply)
        with VaultClient(vault.url, credentials=StaticToken(TOKEN), deadline=0.5) as client:
            call = getattr(client, operation)
            with suppress(VaultConfigError):
                list(call(*arguments.get(operation, ("canary-path",))) or ())
    shown = exported()
    assert f'"{operation}"' in shown
    assert "canary" not in shown
