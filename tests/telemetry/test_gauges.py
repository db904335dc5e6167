"""Gauges show the live settings of the process, without touching them."""

from __future__ import annotations

import gc
import threading
from typing import Annotated, Any, get_args

import pytest

from tests.live.rig import Ahead, eventually
from tests.telemetry.rig import collected
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import SettingsExpiredError, VaultConfigError
from vaultconfig.live.refresher import Seams
from vaultconfig.live.schedule import State
from vaultconfig.telemetry import Measured

HOUR = 3600.0


class Database(VaultSettings):
    password: Annotated[str, "vault:db?max_stale=1h#password"]
    port: Annotated[int, "vault:limits#port"] = 5432


class Service(VaultSettings):
    key: Annotated[str, "vault:service?max_stale=1h&optional#key"] = "none yet"


@pytest.fixture(autouse=True)
def filled(vault_env: DevServer) -> DevServer:
    vault_env.put("db", {"password": "p"})
    vault_env.put("limits", {"port": 1})
    return vault_env


@pytest.fixture
def live(ahead: Ahead) -> LiveSettings[Database]:
    """Loaded settings on a clock that can be put forward, without a thread."""
    live = LiveSettings(Database, Seams(ahead, random=lambda: 0.99))
    live.load()
    return live


def states(name: str = "Database") -> dict[str, int]:
    found = collected()["vaultconfig.state"]
    return {state: value for (settings, state), value in found.items() if settings == name}


def state(name: str = "Database") -> str | None:
    """Return the one state whose value is 1."""
    found = states(name)
    assert sorted(found.values()) == ([0, 0, 0, 0, 1] if found else [])
    return next((state for state, value in found.items() if value), None)


def seconds(name: str = "Database") -> tuple[float | None, float | None]:
    """Return age and what is left."""
    found = collected()
    keys = "vaultconfig.age", "vaultconfig.expires_in"
    age, left = (found[key].get((name,)) for key in keys)
    return age, left


def test_each_state_has_a_value(live: LiveSettings[Database]) -> None:
    """The current one is 1, and the others are 0 rather than absent."""
    assert states() == {state: int(state == "fresh") for state in get_args(State)}


def test_the_state_follows(live: LiveSettings[Database], filled: DevServer, ahead: Ahead) -> None:
    """It is what health() says, whatever happens, and so are the times."""
    shown = [state()]
    filled.put("limits", {"port": "no number"})
    shown.append(failing(live))
    filled.put("limits", {"port": 2})
    filled.deny("db")
    shown.append(failing(live))
    filled.stop()
    shown.append(failing(live))
    ahead.seconds += HOUR
    with pytest.raises(SettingsExpiredError):
        _ = live.current
    shown.append(state())
    _, left = seconds()
    assert left is not None
    assert left <= 0.0
    assert shown == ["fresh", "invalid", "denied", "denied", "expired"]


def failing(live: LiveSettings[Database]) -> str | None:
    with pytest.raises((ValueError, VaultConfigError)):
        live.refresh()
    assert state() == live._refresher.health().state
    return state()


def test_an_outage_is_stale(live: LiveSettings[Database], filled: DevServer) -> None:
    """A refresh that failed shows."""
    filled.stop()
    assert failing(live) == "stale"


def test_the_times(live: LiveSettings[Database], ahead: Ahead) -> None:
    """Age is that of the oldest secret; what is left ends with the first to expire."""
    ahead.seconds += 100.0
    age, left = seconds()
    assert age == pytest.approx(100.0, abs=20.0)
    assert left == pytest.approx(HOUR - 100.0, abs=20.0)
    live.refresh()
    age, left = seconds()
    assert age == pytest.approx(0.0, abs=20.0)
    assert left == pytest.approx(HOUR, abs=20.0)


def test_an_overdue_refresh_shows(live: LiveSettings[Database], ahead: Ahead) -> None:
    """Nothing has failed, and still the state is stale: the thread may have died, or hang."""
    ahead.seconds += 400.0
    assert state() == "stale"


def test_collecting_touches_nothing(
    live: LiveSettings[Database], filled: DevServer, ahead: Ahead
) -> None:
    """It is no read: no thread starts, nothing is asked, and none of the times changes."""
    ahead.seconds += 400.0
    threads, asked = threading.active_count(), len(filled.requests)
    before = live._refresher.next_at()
    for _ in range(3):
        collected()
    assert (threading.active_count(), len(filled.requests)) == (threads, asked)
    assert live._refresher.next_at() == before
    assert live._worker is None


def test_the_worst_of_a_class(ahead: Ahead, filled: DevServer) -> None:
    """Several of one class are one series: the worst state, the highest age, the least time."""
    old = LiveSettings(Database, Seams(ahead, random=lambda: 0.99))
    old.load()
    ahead.seconds += 200.0
    new = LiveSettings(Database, Seams(ahead, random=lambda: 0.99))
    new.load()
    new.refresh()
    assert state() == "fresh"
    age, left = seconds()
    assert age == pytest.approx(200.0, abs=20.0)
    assert left == pytest.approx(HOUR - 200.0, abs=20.0)
    ahead.seconds += HOUR
    new.refresh()
    assert (old._refresher.health().state, state()) == ("expired", "expired")
    assert new.health().state == "fresh"
    new.close()


def test_each_class_has_its_own(live: LiveSettings[Database], filled: DevServer) -> None:
    """One that is well hides none that is not."""
    filled.put("service", {"key": "k"})
    with LiveSettings(Service) as other:
        filled.deny("db")
        failing(live)
        assert (state(), state("Service")) == ("denied", "fresh")
        assert other.current.key == "k"


def test_closed_and_forgotten_ones(filled: DevServer) -> None:
    """They vanish, and nothing but the application keeps them alive."""
    filled.put("service", {"key": "k"})
    closed, forgotten = LiveSettings(Service), LiveSettings(Database)
    assert (state(), state("Service")) == (None, None)  # nothing is loaded yet
    closed.start()
    forgotten.start()
    assert (state(), state("Service")) == ("fresh", "fresh")
    closed.close()
    del forgotten

    def is_gone() -> bool:  # its thread lets go of it after the step that is under way
        gc.collect()
        return state() is None

    eventually(is_gone)
    assert (state("Service"), seconds(), seconds("Service")) == (None, (None, None), (None, None))
    closed.start()
    assert state("Service") == "fresh"
    closed.close()


def test_times_that_are_not_known(filled: DevServer) -> None:
    """Without a secret that was read there is no age, and nothing expires."""
    absent = LiveSettings(Service)
    absent.load()
    assert (state("Service"), seconds("Service")) == ("fresh", (None, None))
    absent.close()
    given = LiveSettings(Service, key="given")
    given.load()
    assert (state("Service"), seconds("Service")) == ("fresh", (None, None))
    given.close()


class Broken(LiveSettings[Any]):
    def measured(self) -> Measured | None:
        raise RuntimeError("a canary")


def test_one_that_can_not_be_measured(
    live: LiveSettings[Database], caplog: pytest.LogCaptureFixture
) -> None:
    """It hides no other, and nothing of it is logged."""
    broken = Broken(Service)
    broken.load()
    assert (state(), state("Service")) == ("fresh", None)
    assert "canary" not in caplog.text
    broken.close()
