"""Sixteen processes of one host that start at once: who asks, and what an outage does to them."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.live.rig import reads, sockets_of
from tests.store.fleet import Fleet, Process
from tests.store.following import SECRETS
from tests.store.hosts import environ_of
from vaultconfig.devserver import DevServer

NUMBER: Final = 16


@pytest.fixture
def environ(vault: DevServer, tmp_path: Path) -> dict[str, str]:
    for n in range(SECRETS):
        vault.put(f"app/s{n}", {"key": f"value {n}"})
    return environ_of(vault, tmp_path / "store")


def load(made: Sequence[Process]) -> None:
    """Have all of them load at once."""
    for process in made:
        process.tell("load_many")


def are_up(made: Sequence[Process]) -> bool:
    """Whether all have loaded all secrets, and the default of what is absent."""
    return [process.answer() for process in made] == [SECRETS + 1] * len(made)


def test_one_batch(vault: DevServer, processes: Fleet, environ: dict[str, str]) -> None:
    """One asks for all."""
    made = processes.fork(NUMBER, environ)
    load(made)
    assert are_up(made)
    assert len(reads(vault)) == 1


def test_a_vault_that_never_answers(
    vault: DevServer, processes: Fleet, environ: dict[str, str]
) -> None:
    """Their entries are past the ttl: one of them tries it for 2 s, for all; then all are up."""
    made = processes.fork(NUMBER, environ | {"VAULTCONFIG_TTL": "0.001"})
    made[0].tell("load_many")
    assert are_up(made[:1])
    asked = len(reads(vault))
    vault.hold("/v1/secrets/**")
    load(made[1:])
    assert are_up(made[1:])
    # A busy machine may take longer than a note counts.
    assert asked < len(reads(vault)) <= asked + 2


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_one_that_asks_ends(
    vault: DevServer, processes: Fleet, environ: dict[str, str], sign: signal.Signals
) -> None:
    """Killed or stopped while the vault keeps it waiting: the next one asks when its turn ends."""
    gate = vault.hold("/v1/secrets/**")
    made = processes.fork(NUMBER, environ)
    load(made)
    gate.wait_until_asked()
    holder = _process_at(vault.requests[-1].connection, made)
    holder.send(sign)
    gate.release()
    vault.release()
    assert are_up([process for process in made if process is not holder])
    assert len(reads(vault)) <= 2


def _process_at(port: int, made: Sequence[Process]) -> Process:
    """Return which of them has a TCP connection from *port*."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{port:04X}")}
    return next(process for process in made if sockets & sockets_of(process.pid))
