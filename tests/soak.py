"""A soak: one application for minutes, through rotations and faults. Run by ``make soak``.

The vault is in this process, the application in another one, so that its memory is its own. It
prints what it has seen, and exits with 1 where a promise of docs/reference/live-settings.md was
not kept.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vaultconfig.devserver import DevServer

APPLICATION = """
import sys, time
from typing import Annotated
from vaultconfig import LiveSettings, VaultSettings

class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    host: Annotated[str, "vault:db#host"]

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

with LiveSettings(Settings) as live:
    live.on_change(lambda change: print("version", change.versions["api"], flush=True))
    print("started", flush=True)
    while True:
        live.current.key
        print("memory", memory(), flush=True)
        time.sleep(0.5)
"""
TTL, ROTATE_EVERY, FAULT_EVERY, FAULT_LASTS, MARGIN = 1.0, 2.0, 8.0, 0.8, 2.0  # seconds
MOST_A_MINUTE = {"polls": 240, "attempts to subscribe": 20, "acknowledgements": 20}
MOST_GROWTH = 1.05


@dataclass(slots=True)
class Seen:
    """What the application has said, each with the time."""

    started: threading.Event = field(default_factory=threading.Event)
    versions: list[tuple[float, int]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)

    def listen(self, lines: Iterator[str]) -> None:
        for line in lines:
            word, *number = line.split()
            if word == "started":
                self.started.set()
            else:
                kept = self.versions if word == "version" else self.memory
                kept.append((time.monotonic(), int(number[0])))


def faults(vault: DevServer) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield faults in turn, with what brings each about."""
    reads = "/v1/secrets/**"
    kinds: list[tuple[str, Callable[[], Any]]] = [
        ("unavailable", lambda: vault.fault(code="service_unavailable")),
        ("closed on reuse", lambda: vault.fault(reused=True, drop=True)),
        ("reset on reuse", lambda: vault.fault(reused=True, reset=True)),
        ("a proxy's page", lambda: vault.fault(status=502, body="<html>Bad gateway</html>")),
        ("a proxy's 401", lambda: vault.fault(path=reads, status=401, body="<html>Log in</html>")),
        ("garbage", lambda: vault.fault(path=reads, garbage=True)),
        ("truncated", lambda: vault.fault(path=reads, truncate=True)),
        ("rate limited", lambda: vault.fault(code="rate_limited", retry_after=1)),
        ("slow", lambda: vault.fault(delay=0.5)),
        ("lagging", lambda: vault.fault(path="api", lag=1)),
        ("repeated events", lambda: vault.fault(path="/v1/subscriptions/*/*", repeat=True)),
        ("lost subscriptions", vault.lose_subscriptions),
        ("stopped", vault.stop),
    ]
    return itertools.cycle(kinds)


def soak(seconds: float, *, subscriptions: bool) -> list[str]:
    """Let an application run for *seconds*; return what was not as promised."""
    vault = DevServer(token=None)
    scopes = ["secrets:read", *(["subscriptions:write"] if subscriptions else [])]
    token = vault.add_token(scopes=tuple(scopes))
    vault.start()
    vault.put("api", {"key": "k1"})
    vault.put("db", {"host": "h1"})
    environment = {
        **os.environ,
        "SCAIVAULT_URL": vault.url,
        "SCAIVAULT_TOKEN": token,
        "VAULTCONFIG_TTL": str(TTL),
    }
    seen = Seen()
    late: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", APPLICATION], env=environment, stdout=subprocess.PIPE, text=True
    ) as application:
        assert application.stdout
        threading.Thread(target=seen.listen, args=(application.stdout,), daemon=True).start()
        assert seen.started.wait(30)
        begun = time.monotonic()
        versions = itertools.count(2)
        told = faults(vault)
        rotate_at = begun
        fault_at = begun + FAULT_EVERY
        clear_at = check_at = float("inf")
        name, expected, written = "none", 1, 1
        while (now := time.monotonic()) < begun + seconds:
            if now >= rotate_at:
                written = next(versions)
                vault.put("api", {"key": f"k{written}"})
                rotate_at += ROTATE_EVERY
            if now >= fault_at:
                name, bring_about = next(told)
                bring_about()
                fault_at, clear_at = fault_at + FAULT_EVERY, now + FAULT_LASTS
            if now >= clear_at:
                vault.clear_faults()
                vault.start()
                expected, clear_at, check_at = written, float("inf"), time.monotonic() + MARGIN
            if now >= check_at:
                newest = seen.versions[-1][1] if seen.versions else 1
                if newest < expected:
                    late.append(f"{MARGIN:g} s after {name!r}: version {newest}, not {expected}")
                check_at = float("inf")
            time.sleep(0.01)
        counts = per_minute(vault)
        application.terminate()
    vault.stop()
    return [*late, *mistakes(seen, counts, begun)]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def per_minute(vault: DevServer) -> dict[str, int]:
    """Return the most requests of each kind in any minute."""
    kinds = {
        "polls": [r.at for r in vault.requests if r.path.endswith("/poll")],
        "attempts to subscribe": [
            r.at for r in vault.requests if (r.method, r.path) == ("POST", "/v1/subscriptions")
        ],
        "acknowledgements": [r.at for r in vault.requests if r.path.endswith("/ack")],
    }
    return {
        kind: max((sum(at <= other < at + 60.0 for other in times) for at in times), default=0)
        for kind, times in kinds.items()
    }


def mistakes(seen: Seen, counts: dict[str, int], begun: float) -> list[str]:
    """Print what was seen, and return what of it was not as promised."""
    versions = [version for _, version in seen.versions]
    first = [size for at, size in seen.memory if at < begun + 60.0][-1]
    last = seen.memory[-1][1]
    say(f"  {len(versions)} changes, the last to version {versions[-1]}")
    say(f"  memory {first * 4} KiB after a minute, {last * 4} KiB at the end")
    say("  in the busiest minute: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    found = [
        f"{count} {kind} in a minute"
        for kind, count in counts.items()
        if count > MOST_A_MINUTE[kind]
    ]
    if versions != sorted(set(versions)):
        found.append("versions went back, or were told twice")
    if last > first * MOST_GROWTH:
        found.append(f"memory grew by {last / first - 1:.0%}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of each of the two parts")
    seconds = parser.parse_args().seconds
    failed = False
    for subscriptions in (True, False):
        say(f"{seconds:g} s {'with' if subscriptions else 'without'} subscriptions")
        for line in soak(seconds, subscriptions=subscriptions):
            failed = True
            say(f"  NOT AS PROMISED: {line}")
    sys.exit(failed)
