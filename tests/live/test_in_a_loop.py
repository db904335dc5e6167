"""Live settings in an event loop of asyncio: start, refresh and end without blocking it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import pytest
from pydantic import SecretStr

from tests.live.rig import VERY_LONG, eventually, reads
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError


class Settings(VaultSettings):
    key: Annotated[SecretStr, "vault:api#key"]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    vault_env.put("api", {"key": "k1"})
    vault_env.fault(path="/v1/subscriptions", status=404)
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", str(VERY_LONG))
    return vault_env


def key_of(live: LiveSettings[Settings]) -> str:
    return live.current.key.get_secret_value()


def is_running(live: LiveSettings[Settings]) -> bool:
    return live.health().next_refresh is not None


def test_it_is_an_asynchronous_context_manager() -> None:
    """It is loaded inside, and the last to leave closes it; blocks of both kinds count."""
    live = LiveSettings(Settings)

    async def main() -> None:
        async with live as entered:
            assert entered is live
            with live:
                assert key_of(live) == "k1"
            assert is_running(live)
        assert not is_running(live)

    asyncio.run(main())


def test_the_loop_goes_on_while_it_starts_and_refreshes(filled: DevServer) -> None:
    """Other tasks run while the vault keeps the first load, or a refresh, waiting."""

    async def main() -> None:
        live = LiveSettings(Settings)
        for step in (live.__aenter__, live.arefresh):
            filled.hold()
            task = asyncio.create_task(step())
            await asyncio.to_thread(filled.wait_until_asked)
            assert not task.done()
            filled.put("api", {"key": step.__name__})
            filled.release()
            await task
            assert key_of(live) == step.__name__
        await live.__aexit__(None, None, None)

    asyncio.run(main())


def test_arefresh_raises_what_refresh_raises(filled: DevServer) -> None:
    """A refresh that fails says so, and so does one before the start."""

    async def main() -> None:
        live = LiveSettings(Settings)
        with pytest.raises(ConfigurationError, match="start"):
            await live.arefresh()
        async with live:
            filled.delete("api")
            with pytest.raises(UnresolvedSettingsError):
                await live.arefresh()

    asyncio.run(main())


def test_a_start_that_fails_leaves_nothing_open(filled: DevServer) -> None:
    """The block is not entered, and does not count."""
    live = LiveSettings(Settings)
    filled.delete("api")

    async def main() -> None:
        with pytest.raises(UnresolvedSettingsError):
            async with live:
                raise AssertionError("entered")

    asyncio.run(main())
    assert live._users == 0


def test_a_cancelled_start_closes_what_it_has_started(filled: DevServer) -> None:
    """The task ends at once; the thread that loads goes on, and leaves when it has entered."""
    live = LiveSettings(Settings)
    hold = filled.hold()

    async def main() -> None:
        task = asyncio.create_task(live.__aenter__())
        await asyncio.to_thread(hold.wait_until_asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert live._users == 1
    filled.release()
    eventually(lambda: live._users == 0)
    assert not is_running(live)
    assert len(reads(filled)) == 1


def test_a_start_that_is_cancelled_when_it_is_over_is_closed() -> None:
    """The cancellation comes after the thread has entered and before the task has seen it."""
    live = LiveSettings(Settings)

    async def main() -> None:
        task = asyncio.create_task(live.__aenter__())
        await asyncio.sleep(0)  # the thread starts
        while live._worker is None:  # the loop must not hear of it
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    eventually(lambda: live._users == 0)
    assert not is_running(live)
