"""A program that forks so many processes, which follow one vault and do what a test tells them.

Arguments: their number, and the port of the test. Each connects to it, and talks in lines of JSON:
its process, each value that it sees, and the answer to each command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import vaultconfig.client
import vaultconfig.source.asking  # noqa: F401 - once, before the processes are there
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.errors import VaultConfigError
from vaultconfig.live import kept_fresh, leading, watcher
from vaultconfig.store import access, directory


class Settings(VaultSettings):
    key: Annotated[str, "vault:app/api#key"]
    port: Annotated[int, "vault:app/db#port"]


live = LiveSettings(Settings)

SECRETS = 30
FIELDS: dict[str, Any] = {f"s{n}": Annotated[str, f"vault:app/s{n}#key"] for n in range(SECRETS)}
FIELDS["absent"] = Annotated[str, "vault:app/absent?optional#key"]
Many: Any = type("Many", (VaultSettings,), {"__annotations__": FIELDS, "absent": "default"})


def hurry() -> None:
    """Let everything be over several times as fast, but for what a busy machine delays."""
    access.PATIENCE = 10.0  # type: ignore[misc]
    directory.Directory.__init__.__kwdefaults__["patience"] = 9.0
    leading.Shared.poll, leading.LEASE = 1.0, 2.0  # type: ignore[misc]
    watcher.LOOK_AGAIN = kept_fresh.LOOK = 0.2  # type: ignore[misc]
    watcher.ATTEMPT_EVERY = access.AWAY = 1.0  # type: ignore[misc]
    watcher.TTLS_BEFORE_ANOTHER_TRY = 100  # type: ignore[misc]


def load_many() -> int | str:
    """Load as an application without live settings, and tell how many values there are."""
    try:
        return len({*Many().model_dump().values()})
    except VaultConfigError as error:
        return str(error)


def refresh() -> str:
    """Refresh, and tell what is read then, or what went wrong."""
    try:
        live.refresh()
    except VaultConfigError as error:
        return str(error)
    return live.current.key


def leads() -> bool:
    return live._watcher is not None and not live._watcher._lead.is_lost


def is_outdated() -> bool:
    return live._refresher.is_outdated()


def is_put_off() -> bool:
    """Whether the store says that nobody is to subscribe for a while."""
    lead = live._watcher and live._watcher._lead
    saved = lead and lead.load()
    return bool(lead and saved) and saved.next_attempt_at - lead.clock() > watcher.ATTEMPT_EVERY


COMMANDS: dict[str, Callable[[], Any]] = {
    "start": lambda: (live.start(), live.current.key)[1],
    "load": lambda: live.load().key,
    "load_many": load_many,
    "current": lambda: live.current.key,
    "refresh": refresh,
    "leads": leads,
    "is_put_off": is_put_off,
    "state": lambda: live.health().state,
    "is_spread": lambda: live._refresher._schedule.is_spread,
    "is_outdated": is_outdated,
    "close": live.close,
}


def follow(port: int) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    stream, writing = connection.makefile("rw"), threading.Lock()

    def say(**what: Any) -> None:
        with writing:
            stream.write(f"{json.dumps(what)}\n")
            stream.flush()

    say(pid=os.getpid())
    live.on_change(lambda change: say(value=change.new.key))
    for line in stream:
        command = line.strip()
        if command == "fork":
            say(answer=fork(port, connection))
        else:
            say(answer=COMMANDS[command]())


def fork(port: int, connection: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(120)  # nobody waits for it
        os.close(connection.fileno())
        follow(port)
        os._exit(0)
    return child


def main() -> None:
    number, port = map(int, sys.argv[1:3])
    hurry()
    children: list[int] = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            os.close(0)
            follow(port)
            os._exit(0)
        children.append(child)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
