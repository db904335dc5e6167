"""What is measured of real processes: starts together, two steady minutes, killed leaders."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.benchmarks.fleet.fleet import Fleet
from tests.benchmarks.fleet.hosts import SECRETS
from tests.benchmarks.fleet.stores import Store, shared
from tests.benchmarks.pictures import ROTATIONS
from tests.benchmarks.subjects import path_of, vault_with
from tests.live.rig import sockets_of
from vaultconfig.devserver import DOCUMENTED_LIMITS, DevServer
from vaultconfig.devserver.faults import LoggedRequest

HOSTS, WORKERS, FOLLOWERS = 200, 16, 32
UP_WITHIN: Final = 10.0  # seconds, and the default deadline
STEADY: Final = 120.0  # seconds
PATIENCE: Final = 20.0  # seconds
LONG: Final = 60.0  # seconds after which something else is wrong
DEATHS: Final = 3
SPREAD: Final = 5.0  # seconds
"""Over which 200 hosts start. They share two cores: at the very same moment, each would get a
hundredth of one, and take a store for away that answers later than half a second."""


class Measured(NamedTuple):
    """What came of a run.

    Attributes:
        rows: Values by row, one each time; None where it did not happen in time.
        course: How many requests the vault got in each second, where that was counted.
    """

    rows: dict[str, list[float | None]]
    course: list[int] | None = None


@contextmanager
def fleet_of(
    hosts: int, store: Store, *, spread: float = SPREAD, **options: Any
) -> Iterator[tuple[DevServer, Fleet]]:
    """Have *hosts* with an empty store wait for their start, and a vault with its usual limits."""
    with (
        vault_with(SECRETS, paths=SECRETS, limits=DOCUMENTED_LIMITS, **options) as vault,
        shared(store) as environment,
        Fleet(hosts, environment, spread=spread) as fleet,
    ):
        yield vault, fleet


def one_host(store: Store) -> Measured:
    """Start 16 processes at once, which only load."""
    with fleet_of(WORKERS, store, spread=0.0, subscriptions=False) as (vault, fleet):
        began = fleet.go()
        assert fleet.wait("up", 1, within=LONG)
        return Measured({"batches of one host": [reads_since(vault, began)]})


def two_minutes(store: Store) -> Measured:
    """Restart 200 hosts together, let them run, and with a store kill their leader."""
    with fleet_of(HOSTS, store) as (vault, fleet):
        began = fleet.go()
        _sleep_until(began + UP_WITHIN)
        ups = [at - began for at in fleet.when("up", 1).values()]
        rows: dict[str, list[float | None]] = {
            "not up": [HOSTS - len(ups)],
            "all up": [max(ups) if len(ups) == HOSTS else None],
            "batches": [reads_since(vault, began)],
            "rotation": [],
        }
        for at in ROTATIONS:
            _sleep_until(began + at)
            rows["rotation"].append(rotation(vault, fleet))
        _sleep_until(began + UP_WITHIN + STEADY)
        minutes = STEADY / 60
        steady = [r for r in vault.requests if r.at >= began + UP_WITHIN]
        rows["polls"] = [sum(_is_poll(r) for r in steady) / minutes]
        rows["reads"] = [sum(len(r.secrets) for r in steady) / minutes]
        seconds = Counter(int(r.at - began) for r in vault.requests if r.at >= began)
        course = [seconds[second] for second in range(int(UP_WITHIN + STEADY))]
        if store != "none":
            rows["leader killed"] = []
            for _ in range(DEATHS):
                fleet.kill(leader(vault))
                rows["leader killed"].append(rotation(vault, fleet))
    return Measured(rows, course)


def preloaded(store: Store) -> Measured:
    """Kill the master of a gunicorn with ``--preload`` that leads a fleet."""
    with (
        fleet_of(FOLLOWERS, store) as (vault, fleet),
        gunicorn(fleet.environment) as master,
    ):
        assert leader(vault) == master
        fleet.go()
        assert fleet.wait("up", 1, within=LONG)
        os.kill(master, signal.SIGKILL)
        return Measured({"master killed": [rotation(vault, fleet)]})


@contextmanager
def gunicorn(environment: Mapping[str, str]) -> Iterator[int]:
    """Run one whose master reads the same secrets; yield the process of the master."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    site = "tests.benchmarks.fleet.site:application"
    options = ["--preload", "--workers", "2", "--timeout", "4", "--log-level", "critical"]
    command = [sys.executable, "-m", "gunicorn", "--bind", address, *options, site]
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # workers outlive their master for a while


_versions = count(1)


def rotation(vault: DevServer, fleet: Fleet) -> float | None:
    """Return how many seconds a rotation takes to reach all hosts; None if it takes too long."""
    asked_at = time.time()
    version = vault.rotate(path_of(0), {"key0": f"rotated-{next(_versions)}"})
    reached = fleet.wait(path_of(0), version, within=PATIENCE)
    return None if reached is None else reached - asked_at


def reads_since(vault: DevServer, began: float) -> int:
    """Return how often hosts have read, in batches or a single secret."""
    return sum(r.at >= began and r.path.startswith("/v1/secrets") for r in vault.requests)


def leader(vault: DevServer) -> int:
    """Return the process whose poll is under way, once there is one."""
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        polls = [request for request in vault.requests if _is_poll(request)]
        if polls and (process := process_of(polls[-1].connection)):
            return process
        time.sleep(0.01)
    raise TimeoutError(f"no host has polled for {LONG:g} s")


def process_of(port: int) -> int | None:
    """Return the process that has a connection from *port*, if one has."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = f"0100007F:{port:04X}"
    sockets = {f"socket:[{line[9]}]" for line in lines if line[1] == ours}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if sockets & sockets_of(int(directory.name)):
                return int(directory.name)
    return None


def _is_poll(request: LoggedRequest) -> bool:
    return request.path.endswith("/poll")


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
