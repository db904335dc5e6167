"""The hosts of a fleet: processes forked from one that has imported what they need.

Run by `Fleet`, with the number of hosts, the seconds over which their starts are spread, and the
pipe whose end tells them to leave; the end of standard input tells them to start. Lines on
standard output: a word (``ready``, ``failed``, ``up``, or the path of a secret that has changed),
the process, the time in Unix seconds, and the number of the attempt, or of the version.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import sys
import time
from random import random
from typing import Any, Final, NoReturn

from tests.benchmarks.subjects import vault_class
from vaultconfig import Change, LiveSettings
from vaultconfig.errors import VaultConfigError
from vaultconfig.vaults.shared import close_vaults

SECRETS: Final = 30
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0
"""Seconds until a host that failed to start is started again, doubling: those of Kubernetes."""

live: LiveSettings[Any] = LiveSettings(vault_class(SECRETS, paths=SECRETS))


def say(word: str, number: int) -> None:
    os.write(1, f"{word} {os.getpid()} {time.time():.4f} {number}\n".encode())  # one step


def tell(change: Change[Any]) -> None:
    for path, version in change.versions.items():
        say(path, version)


def run_host(spread: float, end: int) -> NoReturn:
    """Start once told to, again and again until that succeeds; stay until told to leave."""
    live.on_change(tell)
    say("ready", 0)
    os.read(0, 1)
    time.sleep(spread * random())
    attempt, pause = 1, FIRST_PAUSE
    while not _has_started():
        say("failed", attempt)
        if select.select([end], [], [], pause)[0]:
            os._exit(0)
        attempt, pause = attempt + 1, min(2 * pause, LONGEST_PAUSE)
    say("up", attempt)
    os.read(end, 1)
    os._exit(0)


def _has_started() -> bool:
    try:
        live.start()
    except VaultConfigError:
        return False
    return True


def warm_up() -> None:
    """Import and build what a start needs: real hosts have processors of their own for that.

    As another application, whose secrets in the store are none of the hosts'.
    """
    application = os.environ.get("VAULTCONFIG_APPLICATION", "")
    os.environ["VAULTCONFIG_APPLICATION"] = "warm-up"
    with LiveSettings(live.settings_cls):
        close_vaults()
    os.environ["VAULTCONFIG_APPLICATION"] = application


def main(count: int, spread: float, end: int) -> None:
    logging.disable()  # two hundred hosts would say the same
    os.nice(5)  # vault and store have machines of their own
    warm_up()
    gc.freeze()  # else the first collection in each host copies all that they share
    for _ in range(count):
        if os.fork() == 0:
            run_host(spread, end)
    for _ in range(count):
        os.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
