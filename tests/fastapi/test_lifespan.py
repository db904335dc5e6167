"""The start and the end of an application that has live settings."""

import asyncio
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import ValidationError

from tests.fastapi.conftest import CANARY, PATH, Settings
from tests.live.rig import LONG, eventually
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import ConfigurationError, UnresolvedSettingsError, VaultUnavailableError
from vaultconfig.fastapi import health_router, lifespan

OwnLifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


class Numbers(VaultSettings):
    key: Annotated[int, "vault:environments/{environment}/signer#key"]


def app_of(live: LiveSettings[Settings], own: OwnLifespan | None = None) -> FastAPI:
    app = FastAPI(lifespan=lifespan(live, own))

    @app.get("/")
    async def is_the_canary(settings: Annotated[Settings, Depends(live.dependency)]) -> bool:
        return settings.key.get_secret_value() == CANARY

    @app.get("/state")
    async def state(request: Request) -> object:
        return request.state.pool

    return app


def threads() -> list[threading.Thread]:
    ours = ("vaultconfig-refresh", "vaultconfig-watch")
    return [thread for thread in threading.enumerate() if thread.name in ours]


def test_the_settings_are_there_with_the_first_request(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """What routes depend on was read once, before any of them was asked."""
    with TestClient(app_of(live)) as client:
        before = len([r for r in filled.requests if PATH in r.secrets])
        assert client.get("/").json() is True
        assert before == 1


def test_the_end_leaves_no_thread(filled: DevServer, live: LiveSettings[Settings]) -> None:
    """After the lifespan nothing refreshes any more."""
    with TestClient(app_of(live)):
        assert threads() != []
    eventually(lambda: threads() == [])


def test_loading_does_not_block_the_event_loop(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """While the vault takes its time to answer, the loop runs other tasks."""

    async def start() -> None:
        filled.hold(PATH)
        context = lifespan(live)(FastAPI())
        starting = asyncio.create_task(context.__aenter__())
        await asyncio.to_thread(filled.wait_until_asked)
        assert not starting.done()
        filled.release()
        await starting
        await context.__aexit__(None, None, None)

    asyncio.run(start())
    assert live.current.key.get_secret_value() == CANARY


def test_it_stands_around_the_applications_own(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """The application's own lifespan finds and leaves the settings alive; its state arrives."""
    seen: list[object] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        seen.append(live.current.issuer)
        yield {"pool": "of the application"}
        seen.append(len(threads()) > 0)

    with TestClient(app_of(live, own)) as client:
        assert client.get("/state").json() == "of the application"
    assert seen == ["signer", True]


@pytest.mark.parametrize("when", ["start", "end"])
def test_what_the_applications_own_raises_is_raised(
    filled: DevServer, live: LiveSettings[Settings], when: str
) -> None:
    """An exception of the application's lifespan goes through, and the settings are closed."""

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        if when == "start":
            raise LookupError(when)
        yield
        raise LookupError(when)

    with pytest.raises(LookupError, match=when), TestClient(app_of(live, own)):
        assert when == "end"
    eventually(lambda: threads() == [])


def test_several_settings_in_one_application(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """One lifespan around another starts both and closes both."""
    other = LiveSettings(Settings, issuer="other")
    app = app_of(live, lifespan(other))

    @app.get("/issuers")
    async def issuers(
        one: Annotated[Settings, Depends(live.dependency)],
        two: Annotated[Settings, Depends(other.dependency)],
    ) -> list[str]:
        return [one.issuer, two.issuer]

    with TestClient(app) as client:
        assert client.get("/issuers").json() == ["signer", "other"]
    eventually(lambda: threads() == [])


def test_the_next_start_loads_anew(
    filled: DevServer, live: LiveSettings[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second test of the same application sees its own vault, not that of the first."""
    app = app_of(live)
    with TestClient(app) as client:
        assert client.get("/").json() is True
    with DevServer() as other:
        other.put(PATH, {"key": "of-the-other"})
        monkeypatch.setenv("SCAIVAULT_URL", other.url)
        monkeypatch.setenv("SCAIVAULT_TOKEN", other.token)
        with TestClient(app) as client:
            assert client.get("/").json() is False


def unreachable(vault: DevServer) -> None:
    vault.stop()


def gone(vault: DevServer) -> None:
    vault.delete(PATH)


@pytest.mark.parametrize(
    ("trouble", "settings_cls", "error", "said"),
    [
        (unreachable, Settings, VaultUnavailableError, "no connection"),
        (gone, Settings, UnresolvedSettingsError, "there is no secret"),
        (lambda vault: None, Numbers, ValidationError, "key: Input should be a valid integer"),
    ],
)
@pytest.mark.usefixtures("few_tries")
def test_without_settings_it_does_not_start(
    filled: DevServer,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[DevServer], None],
    settings_cls: type[VaultSettings],
    error: type[Exception],
    said: str,
) -> None:
    """The start fails with the error, then a last sentence is logged; neither tells a value."""
    trouble(filled)
    caplog.set_level(logging.DEBUG)
    client = TestClient(FastAPI(lifespan=lifespan(LiveSettings(settings_cls))))
    with pytest.raises(error) as caught, client:
        raise AssertionError("it has started")
    captured = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told = "".join(captured.format()) + caplog.text
    assert CANARY not in told
    assert filled.token not in told
    last = caplog.records[-1]
    assert last.levelno == logging.CRITICAL
    assert last.getMessage().startswith("the application does not start without its settings: ")
    assert said in last.getMessage()
    eventually(lambda: threads() == [])


def test_the_traceback_of_a_refused_start_is_short(
    vault_env: DevServer, live: LiveSettings[Settings]
) -> None:
    """Nothing of the way into the vault stands between the framework and what went wrong."""
    with pytest.raises(UnresolvedSettingsError) as caught, TestClient(app_of(live)):
        raise AssertionError("it has started")
    frames = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    ours = [name.rpartition("/")[2] for name in frames if "/vaultconfig/" in name]
    assert set(ours) == {"asgi.py"}
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_loop_that_goes_on_hears_why_it_did_not_start(
    vault_env: DevServer, live: LiveSettings[Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """Where the loop outlives the application, the last sentence does not wait for its end."""

    async def embed() -> int:
        with pytest.raises(UnresolvedSettingsError):
            await lifespan(live)(FastAPI()).__aenter__()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=LONG)
        return len(caplog.records)

    assert asyncio.run(embed()) == 1
    assert len(caplog.records) == 1


def test_a_failed_start_can_be_tried_again(
    vault_env: DevServer, live: LiveSettings[Settings]
) -> None:
    """A refused start leaves nothing behind that stands in the way of the next."""
    app = app_of(live)
    with pytest.raises(UnresolvedSettingsError), TestClient(app):
        raise AssertionError("it has started")
    vault_env.put(PATH, {"key": CANARY})
    with TestClient(app) as client:
        assert client.get("/").json() is True


@pytest.mark.parametrize("wrong", [Settings, FastAPI()])
def test_what_is_not_live_is_refused(wrong: Any) -> None:
    """As in ``FastAPI(lifespan=lifespan)``, where the call was forgotten."""
    with pytest.raises(ConfigurationError, match=r"write FastAPI\(lifespan=lifespan\(live\)\)"):
        lifespan(wrong)
    with pytest.raises(ConfigurationError, match=r"write health_router\(live\)"):
        health_router(wrong)


def test_two_applications_on_one_live(filled: DevServer, live: LiveSettings[Settings]) -> None:
    """The first to end does not stop the other: the last one does."""
    with TestClient(app_of(live)) as public:
        with TestClient(app_of(live)) as admin:
            assert admin.get("/").json() is True
        assert threads() != []
        assert public.get("/").json() is True
    eventually(lambda: threads() == [])


def test_an_application_that_did_not_start_does_not_count(
    filled: DevServer, live: LiveSettings[Settings]
) -> None:
    """Its failed start leaves the other one running, and nothing behind."""
    with TestClient(app_of(live)) as running:

        @asynccontextmanager
        async def fall(app: FastAPI) -> AsyncIterator[None]:
            raise RuntimeError("its own")
            yield

        with pytest.raises(RuntimeError, match="its own"), TestClient(app_of(live, fall)):
            pass
        assert running.get("/").json() is True
        assert threads() != []
    eventually(lambda: threads() == [])
