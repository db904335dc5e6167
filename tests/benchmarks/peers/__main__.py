"""Measures us beside other libraries, and prints tables; it takes some ten minutes.

Words choose among the libraries, by the names in `PEERS`; the limit is always there. Without any,
what came of them is published: see `report`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from tests.benchmarks.peers.works import DENIED, SAME, SMALL, WIDE, WORKS, WRAPPED, Work, secrets_of
from tests.benchmarks.report import TABLES, publish, situation
from tests.benchmarks.server import TOKEN, Loopback

ROOT: Final = Path(__file__).parents[3]
LATENCY, CONNECTING = 0.02, 0.04  # seconds: a round trip, and two more for a new connection
TURNS: Final = 5
PATIENCE: Final = 300.0  # seconds


class Peer(NamedTuple):
    """A library, or what one writes by hand.

    Attributes:
        title: As it stands in the tables, with its version put in.
        distribution: On the package index.
        typed: Whether it gives a settings class with types.
        module: In `programs`, where that is not its name here.
    """

    title: str
    distribution: str
    typed: bool
    module: str | None = None


PEERS: Final = {
    "limit": Peer("one bare POST with httpx {}: the limit", "httpx", typed=False),
    "limit_again": Peer("the same once more, with httpx {}", "httpx", typed=False, module="limit"),
    "ours": Peer("vaultconfig {}", "scaivault-config", typed=True),
    "pydantic2_settings_vault": Peer(
        "pydantic2-settings-vault {}", "pydantic2-settings-vault", typed=True
    ),
    "pydantic2_settings_vault_production": Peer(
        "pydantic2-settings-vault {}, production", "pydantic2-settings-vault", typed=True
    ),
    "justconf": Peer("justconf {}", "justconf", typed=True),
    "pydantic_settings_vault": Peer(
        "pydantic-settings-vault {}", "pydantic-settings-vault", typed=True
    ),
    "dynaconf": Peer("dynaconf {}", "dynaconf", typed=False),
    "vltconfig": Peer("vltconfig {}", "vltconfig", typed=True),
    "hvac_loop": Peer("hvac {} in a loop", "hvac", typed=False),
    "hvac_threads": Peer("hvac {}, 16 threads", "hvac", typed=False),
    "hvac_threads_settings": Peer("hvac {}, 16 threads, pydantic-settings", "hvac", typed=True),
}


class Unable(Exception):
    """A library can't be run, for the reason that is its message."""


class Bench:
    """Starts the programs, each in a process of its own, with the variables that they want."""

    def __init__(self, vault: Loopback, home: str) -> None:
        urls = ("SCAIVAULT_URL", "VAULT_ADDR", "VAULT_ADDRESS", "VAULT_URL")
        tokens = ("SCAIVAULT_TOKEN", "VAULT_TOKEN")
        self._vault, self._home = vault, home
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": home,
            "NO_PROXY": "127.0.0.1",
            "VAULTCONFIG_ENVIRONMENT": "production",
            "VAULT_AUTH_METHOD": "token",
            **dict.fromkeys(urls, vault.url),
            **dict.fromkeys(tokens, TOKEN),
        }

    def run(self, name: str, work: Work, turns: int = 0) -> dict[str, Any]:
        """Return what came of one process.

        Raises:
            Unable: It has ended with an error, or not at all.
        """
        self._vault.counts()
        module = PEERS[name].module or name
        began = perf_counter()
        command = [sys.executable, "-m", "tests.benchmarks.peers.child"]
        try:
            done = subprocess.run(
                [*command, module, work.name, str(turns)],
                check=False,
                cwd=self._home,  # where no .env is
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise Unable(f"it had not ended after {PATIENCE:g} s") from None
        process = perf_counter() - began
        if done.returncode:
            raise Unable(
                (done.stderr.strip() or f"it ended with {done.returncode}").split("\n")[-1]
            )
        return {**json.loads(done.stdout), "process": process, **self._vault.counts()._asdict()}


def measured(chosen: Collection[str]) -> dict[str, Any]:
    """Measure the libraries whose name has one of the words *chosen*; all if there are none."""
    names = [
        name
        for name in PEERS
        if not chosen or name.startswith("limit") or any(word in name for word in chosen)
    ]
    secrets = {path: data for work in WORKS.values() for path, data in secrets_of(work).items()}
    with (
        Loopback(secrets, delay=LATENCY, connecting=CONNECTING, wrapped=WRAPPED) as vault,
        tempfile.TemporaryDirectory() as home,
    ):
        bench = Bench(vault, home)
        peers = {name: told_of(name, bench) for name in names}
        able = [name for name in names if "missing" not in peers[name]]
        return {
            **situation(),
            "turns": TURNS,
            "peers": peers,
            "works": {
                f"{work.fields} fields on {work.paths} paths": timed(able, work, bench)
                for work in (WIDE, SMALL)
            },
        }


def told_of(name: str, bench: Bench) -> dict[str, Any]:
    """Return what does not depend on the clock; this run also compiles what is imported."""
    title, distribution, typed, _ = PEERS[name]
    told: dict[str, Any] = {"title": title.format("?"), "typed": typed}
    sys.stderr.write(f"{name} …\n")
    try:
        told["title"] = title.format(version(distribution))
        told["wrong"] = bench.run(name, SAME)["wrong"]
        denied = bench.run(name, DENIED)
    except PackageNotFoundError:
        return {**told, "missing": f"{distribution} is not installed"}
    except Unable as reason:
        return {**told, "missing": str(reason)}
    outcome = denied.get("error") or f"no error, {denied['wrong']} values are missing"
    return {**told, "denied": outcome, "denied_after": round(denied["first"], 3)}


def timed(names: Collection[str], work: Work, bench: Bench) -> dict[str, dict[str, Any]]:
    """Return the seconds of each library in each turn; in a turn each has its turn.

    Raises:
        Unable: Values are wrong: how long it took says nothing then.
    """

    def right(name: str, turns: int = 0) -> dict[str, Any]:
        run = bench.run(name, work, turns)
        if run["wrong"]:
            raise Unable(f"{name} has loaded {run['wrong']} wrong values of {work.name!r}")
        return run

    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(TURNS):
        sys.stderr.write(f"{work.name}, turn {turn + 1} of {TURNS} …\n")
        for name in names:
            runs[name].append(right(name))
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        sys.stderr.write(f"{work.name}, {name} …\n")
        warm = right(name, TURNS)
        counts = {what: runs[name][0][what] for what in ("requests", "connections", "bytes")}
        cold = {
            what: [run[what] for run in runs[name]]
            for what in ("process", "import", "first", "memory")
        }
        again = {what: warm[what] for what in ("load", "limits", "second")}
        found[name] = {
            what: [float(f"{each:.4g}") for each in series]
            for what, series in {**cold, **again}.items()
        } | counts
    return found


def main(chosen: Collection[str]) -> None:
    numbers = measured(chosen)
    for table in TABLES["peers"](numbers):
        sys.stdout.write(table.terminal() + "\n")
    if not chosen:
        publish("peers", numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
