"""The two other ways to load settings: ``load``, and ``aload`` in an event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Annotated

import pytest
from pydantic import SecretStr, ValidationError

from vaultconfig import VaultSettings, provenance
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError

CANARY = "hunter2-canary"


class Settings(VaultSettings):
    debug: bool = False
    password: Annotated[SecretStr, "vault:db#password"]


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("db", {"password": CANARY})
    return vault_env


def test_load_is_the_same_as_the_class() -> None:
    """It returns what ``Settings()`` returns, of the class that it is called on."""

    class Derived(Settings):
        name: str = "app"

    settings = Derived.load(debug=True)
    assert settings == Derived(debug=True)
    assert type(settings) is Derived
    assert provenance(settings)["debug"].source == "argument"


def test_load_takes_the_options_of_the_class() -> None:
    """Whatever ``Settings()`` takes it takes too, and rejects the same names."""
    assert not Settings.load(_vault_environment="production").debug
    with pytest.raises(ConfigurationError, match="write _vault_environment"):
        Settings.load(_vault_enviroment="production")


def test_aload_returns_what_the_class_returns_while_the_loop_goes_on(filled: DevServer) -> None:
    """Other tasks run while the vault keeps the request waiting."""
    filled.hold()

    async def main() -> Settings:
        task = asyncio.create_task(Settings.aload(debug=True))
        await asyncio.to_thread(filled.wait_until_asked)
        assert not task.done()
        filled.release()
        return await task

    assert asyncio.run(main()) == Settings(debug=True)


def test_aload_raises_what_the_class_raises() -> None:
    """A group of failures, or pydantic's error, and no frame shows a value."""

    class Absent(VaultSettings):
        key: Annotated[str, "vault:nothing#key"]

    class Misfit(VaultSettings):
        password: Annotated[int, "vault:db#password"]

    for cls, kind in ((Absent, UnresolvedSettingsError), (Misfit, ValidationError)):
        with pytest.raises(kind) as failed:
            asyncio.run(cls.aload())
        assert CANARY not in str(failed.getrepr(showlocals=True))


def test_cancelling_returns_at_once(filled: DevServer) -> None:
    """The task ends while the vault still keeps the request waiting, and so does the program."""
    hold = filled.hold()
    before = {*threading.enumerate()}

    async def main() -> None:
        loading = asyncio.create_task(Settings.aload())
        await asyncio.to_thread(hold.wait_until_asked)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading

    asyncio.run(main())  # it waits for no thread
    left = {*threading.enumerate()} - before
    assert [thread.daemon for thread in left] == [True]
    filled.release()
    left.pop().join()


def test_importing_settings_brings_no_event_loop() -> None:
    """Who does not call ``aload`` does not pay for asyncio; pydantic-settings doesn't bring it."""
    code = (
        "import sys, pydantic_settings; before = 'asyncio' in sys.modules\n"
        "from vaultconfig import VaultSettings\n"
        "assert before or 'asyncio' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
