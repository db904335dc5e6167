"""The situations: each runs real code while something goes wrong, and says what the user gets."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from pydantic import SecretStr

from tests.cli.conftest import Ended, Project
from tests.client.scripted import TOKEN, Asked
from tests.live.rig import LONG, eventually, reads
from tests.matrix.answers import PAUSE
from tests.matrix.app import Settings
from tests.matrix.fault import Interruption, Succession, Trouble
from tests.matrix.world import World, warnings_of_ours
from tests.store.fleet import all_see, fleet, leader, start
from vaultconfig import LiveSettings
from vaultconfig.devserver import DevServer
from vaultconfig.errors import UnresolvedSettingsError
from vaultconfig.live.refresher import Seams
from vaultconfig.vaults.shared import close_vaults

OLD_FILE: Final = "# kept\nOTHER=1\nSHOP_PASSWORD=password-0\n"
IN_ENV_FILE: Final = "SHOP_USER=user-env\nSHOP_PASSWORD=password-env\nSHOP_KEY=key-env\n"
LOADING: Final = "from app import Settings; Settings()"
FORKING: Final = """
import os, sys, threading
from app import Settings
loading = threading.Thread(target=Settings, daemon=True)
loading.start()
sys.stdin.readline()
child = os.fork()
if child == 0:
    Settings()
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
RUNNING: Final = """
import os, sys
from app import Settings
from vaultconfig import LiveSettings
live = LiveSettings(Settings)
live.start()
sys.stdin.readline()
child = os.fork()
if child == 0:
    assert live.current.key.get_secret_value() in ("key-1", "key-2")
    live.refresh()
    assert live.current.key.get_secret_value() == "key-2"
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class Seen(NamedTuple):
    """What a situation came to.

    Attributes:
        outcome: What the user gets, in words.
        told: What was said about the fault; None where there is nothing to say.
    """

    outcome: str
    told: str | None = None


def start_in_production(world: World, fault: Trouble) -> Seen:
    """Load where `.env` doesn't count, though there is one."""
    return _started(world, fault, "10 s")


def start_with_a_store(world: World, fault: Trouble) -> Seen:
    """Load what another process has stored more than a ttl ago; there are new values."""
    world.env_file(IN_ENV_FILE)
    world.use_store()
    if not isinstance(fault, Interruption):
        fault.before(world)
    world.patch.setenv("VAULTCONFIG_DEADLINE", str(LONG))
    Settings()
    close_vaults()  # so far the other process
    stored, world.vault.version = world.vault.version, world.vault.version + 1
    world.patch.setenv("VAULTCONFIG_DEADLINE", str(world.deadline))
    world.patch.setenv("VAULTCONFIG_TTL", "0.001")
    if isinstance(fault, Interruption):
        return _interrupted(world, fault, LOADING)
    world.begin(fault)
    with warnings_of_ours() as warnings:
        result = world.timed(Settings)
    if isinstance(result, UnresolvedSettingsError):
        return _unresolved(result, world.when("10 s"))
    if isinstance(result, BaseException):
        return Seen(f"{type(result).__name__}, {world.when('10 s')}", str(result))
    about = [text for text in warnings if "store" in text]
    served = [text for text in warnings if text.startswith("the vault is unavailable: serving")]
    warned = {0: "", 1: ", one warning"}[len(about + served)]
    if served:
        assert _origins(result) == {str(stored)} != {str(world.vault.version)}
        return Seen(f"starts from the store{warned}, {world.when('2 s')}")
    assert _origins(result) == {str(world.vault.version)}
    return Seen(f"starts{warned}, {world.when('10 s')}", next(iter(about), None))


def start_in_development(world: World, fault: Trouble) -> Seen:
    """Load where `.env` stands in for the vault."""
    world.patch.setenv("VAULTCONFIG_ENVIRONMENT", "development")
    return _started(world, fault, "2 s")


def running(world: World, fault: Trouble) -> Seen:
    """Let live settings refresh in the background, when that is due; there are new values."""
    if isinstance(fault, Succession):
        return _succeeded(world, fault)
    if isinstance(fault, Interruption):
        world.patch.setenv("VAULTCONFIG_TTL", "0.2")
        return _interrupted(world, fault, RUNNING, reads_before=1)
    fault.before(world)
    live = world.live = LiveSettings(Settings, Seams(clock=world.clock, random=lambda: 0.5))
    live.start()
    try:
        eventually(lambda: any("subscriptions" in asked.target for asked in world.vault.asked))
        loaded, seen = _origins(live.current), world.vault.version
        world.vault.version += 1
        world.begin(fault)
        for later in filter(None, (1.0, fault.lasts)):
            before = live._refresher.attempts
            world.clock.advance((live.health().next_refresh or 0.0) + later)
            assert live._worker is not None
            live._worker.wake()
            assert live.current is not None  # no read waits
            eventually(partial(_was_refreshed, world, live, before, later))
            eventually(lambda: not live._listeners._news)
        health, now = live.health(), _origins(live.current)
        assert world.retries == 0
    finally:
        live.close()
    if health.state == "fresh":
        assert (health.last_error, now) == (None, {str(world.vault.version)})
        return Seen("new settings" if world.vault.version > seen else "the older settings")
    kept = "last good settings" if now == loaded else "last good value of `key`"
    assert now in (loaded, loaded | {str(world.vault.version)})
    assert health.next_refresh is not None
    soon = {1.0: "within 1 s", PAUSE: "after the pause", 300.0: "within a ttl"}
    when = next((said for most, said in soon.items() if health.next_refresh <= most), "in 1 h")
    return Seen(f"{kept}, `{health.state}`, next try {when}", health.last_error or "")


def _was_refreshed(world: World, live: LiveSettings[Any], before: int, later: float) -> bool:
    if live._refresher.attempts > before:
        return True
    left = live.health().next_refresh or 0.0
    if live._refresher._schedule.is_spread and left > later:
        # It was put off: somebody has noticed that the store is away before it was due.
        world.clock.advance(left)
        assert live._worker is not None
        live._worker.wake()
    return False


def render_over_a_file(world: World, fault: Trouble) -> Seen:
    """Render into a `.env` that has other lines, too."""
    file = world.env_file(OLD_FILE)
    project = Project(world.directory, {})
    if isinstance(fault, Interruption):
        seen = _interrupted(world, fault)
        assert (file.read_text(), project.names()) == (OLD_FILE, [".env", "app.py"])
        return Seen(f"file untouched, {seen.outcome}")
    assert _rendered(world, "-o", "-").code == 0  # what is imported late is there by now
    fault.before(world)
    world.begin(fault)
    names = project.names()
    ended = world.timed(lambda: _rendered(world))
    if isinstance(ended, BaseException):
        raise ended
    assert project.names() == names
    if ended.code:
        assert file.read_text() == OLD_FILE
        return Seen(f"file untouched, exit {ended.code}, {world.when('10 s')}", ended.err)
    version = world.vault.version
    new = [f"SHOP_{name.upper()}={name}-{version}" for name in ("password", "user", "key")]
    assert file.read_text().splitlines() == [*OLD_FILE.splitlines()[:2], *new]
    return Seen(f"file updated, {world.when('10 s')}")


SITUATIONS: Final[Mapping[str, Callable[[World, Trouble], Seen]]] = {
    "start in production": start_in_production,
    "start with a store": start_with_a_store,
    "start in development": start_in_development,
    "running": running,
    "render over a file": render_over_a_file,
}


def _rendered(world: World, *options: str) -> Ended:
    return Project(world.directory, dict(os.environ)).run("render", "app:Settings", *options)


def _interrupted(
    world: World, interruption: Interruption, program: str | None = None, *, reads_before: int = 0
) -> Seen:
    """Run *program*, or else the command, in a process of its own, and interrupt a request.

    Args:
        reads_before: How many reads are answered before the one that is interrupted.
    """
    asked, begun = threading.Event(), itertools.count()

    def reply(read: Asked) -> Any:
        number = next(begun)
        if number == reads_before:
            asked.set()
            return lambda connection: world.vault.over.wait(LONG)
        answer = world.vault.answer(read)
        world.vault.version = 2
        return answer

    world.vault.instead(reply)
    is_fork = interruption.number is None
    if program is LOADING and is_fork:
        program = FORKING
    arguments = ["-c", program] if program else ["-m", "vaultconfig", "render", "app:Settings"]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments],  # of threads beside a fork
        cwd=world.directory,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert asked.wait(LONG)
        if is_fork:
            process.communicate(b"\n", timeout=LONG / 2)
            assert process.returncode == 0
            return Seen(f"the child {'loads' if program is FORKING else 'refreshes'} by itself")
        process.send_signal(interruption.number)
        process.communicate(timeout=LONG / 2)  # half the deadline: it does not wait for the answer
    assert process.returncode == -interruption.number
    return Seen("ends by the signal, at once")


def _succeeded(world: World, succession: Succession) -> Seen:
    """Let one of three processes that share a store be lost while it polls, and rotate then.

    There everything is over several times as fast as by default.
    """
    world.use_store()
    with DevServer(token=TOKEN) as vault, fleet() as processes:
        vault.put("app/api", {"key": "k1"})
        vault.put("app/db", {"port": 1})
        world.connect_to(vault.url)
        made = processes.fork(3, dict(os.environ))
        gate = vault.hold("/v1/subscriptions/*/poll")
        start(made)
        gate.wait_until_asked(timeout=LONG)
        lost = leader(made)
        # What was subscribed to is read and stored once more: stopped in that, it has the lock.
        eventually(lambda: len(reads(vault)) > 1)
        lost.ask("refresh")
        lost.send(succession.number)
        gate.release()
        vault.rotate("app/api", {"key": "k2"})
        all_see([process for process in made if process is not lost], "k2")
        if succession.number == signal.SIGSTOP:
            lost.send(signal.SIGCONT)
            all_see([lost], "k2")
    return Seen("new settings in all other processes, within 12 s")


def _started(world: World, fault: Trouble, usual: str) -> Seen:
    world.env_file(IN_ENV_FILE)
    if isinstance(fault, Interruption):
        return _interrupted(world, fault, LOADING)
    fault.before(world)
    world.begin(fault)
    with warnings_of_ours() as warnings:
        result = world.timed(Settings)
    if isinstance(result, UnresolvedSettingsError):
        return _unresolved(result, world.when(usual))
    if isinstance(result, BaseException):
        return Seen(f"{type(result).__name__}, {world.when(usual)}", str(result))
    stood_in = [text for text in warnings if text.startswith("taken from .env")]
    origins = _origins(result)
    assert origins <= {"env", str(world.vault.version)}
    if "env" not in origins:
        assert not stood_in
        return Seen(f"starts, {world.when(usual)}")
    (told,) = stood_in
    share = "`.env` serves" if origins == {"env"} else "`.env` serves `key`"
    return Seen(f"{share}, one warning, {world.when(usual)}", told)


def _unresolved(error: UnresolvedSettingsError, when: str) -> Seen:
    (kind,) = {type(each.error).__name__ for each in error.failures}
    fields = {each.field for each in error.failures}
    of = "all fields" if fields == Settings.model_fields.keys() else f"`{', '.join(fields)}`"
    return Seen(f"{kind} for {of}, {when}", str(error))


def _origins(settings: Settings) -> set[str]:
    """Return the part of each value behind its field's name: a version, or ``env``."""
    plain: Any = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings
    }
    return {value.removeprefix(f"{name}-") for name, value in plain.items()}
