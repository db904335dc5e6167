"""Whatever goes wrong, no value shows in a log, in health, in an error or in a traceback."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

from tests.live.rig import heard
from vaultconfig import Change, LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer

CANARIES = ("hunter2-canary", "swordfish-canary", "tr0ub4dor-canary")
OLD, NEW, NESTED = CANARIES


def refuse(value: str) -> str:
    if value == NEW:
        raise ValueError(f"{value} is too short")
    return value


def break_down(value: str) -> str:
    if value == NEW:
        raise RuntimeError(value)
    return value


class Database(BaseModel):
    password: str
    port: int = 1


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    checked: Annotated[str, AfterValidator(refuse), "vault:checked#key"]
    fragile: Annotated[str, AfterValidator(break_down), "vault:fragile#key"]
    database: Annotated[Database, "vault:db"]


FAILURES: dict[str, Callable[[DevServer], Any]] = {
    "unavailable": lambda vault: vault.fault(code="service_unavailable"),
    "rate limited": lambda vault: vault.fault(code="rate_limited", retry_after=1),
    "dropped": lambda vault: vault.fault(drop=True),
    "truncated": lambda vault: vault.fault(truncate=True),
    "garbage": lambda vault: vault.fault(garbage=True),
    "quoting": lambda vault: vault.fault(status=502, body=f"upstream said {NEW}"),
    "denied": lambda vault: vault.deny("api"),
    "deleted": lambda vault: vault.delete("api"),
    "revoked": lambda vault: vault.revoke(vault.token),
    "field gone": lambda vault: vault.put("api", {"other": NEW}),
    "refused by a validator": lambda vault: vault.put("checked", {"key": NEW}),
    "breaking a validator": lambda vault: vault.put("fragile", {"key": NEW}),
    "not an integer": lambda vault: vault.put("db", {"password": NESTED, "port": NEW}),
    "nothing": lambda vault: vault.put("db", {"password": NEW, "port": 2}),
}


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    for path in ("api", "checked", "fragile"):
        vault_env.put(path, {"key": OLD})
    vault_env.put("db", {"password": NESTED, "port": 1})
    return vault_env


def shown(error: BaseException | None) -> str:
    """Return all that a report of *error* may show, with the locals of every frame of ours."""
    if error is None:
        return ""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    # The frames of this test hold what it was written with.
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if "tests/live" not in frame.filename]
    )
    return "".join(told.format()) + repr(error)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_value_shows(vault: DevServer, failure: str, caplog: pytest.LogCaptureFixture) -> None:
    """Log, health, on_error, what refresh() raises, and the change itself."""
    caplog.set_level(logging.DEBUG)
    told: list[object] = []
    # Its words and frames hold the value; they go to on_error and nowhere else.
    is_the_applications_own = failure == "breaking a validator"
    with LiveSettings(Settings) as live:

        def fall_over(change: Change[Settings]) -> None:
            told.append(repr(change))
            raise KeyError("no value of ours")

        live.on_change(fall_over)
        live.on_error(lambda error: is_the_applications_own or told.append(shown(error)))
        FAILURES[failure](vault)
        raised: Exception | None = None
        try:
            live.refresh()
        except Exception as error:
            raised = error
        heard(live)
        told.append("" if is_the_applications_own else shown(raised))
        told += [str(live.health()), repr(live), repr(live.current), caplog.text]
        assert (raised is None) is (failure == "nothing")
    everything = "\n".join(map(str, told))
    for canary in CANARIES:
        assert canary not in everything
