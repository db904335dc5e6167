"""A program that forks: each process says what it reads, until that is ``last``.

Lines on standard output: a word (``parent``, ``child``, ``sockets`` or ``done``), the process, and
what belongs to it. Lines on standard input tell it to go on.
"""

from __future__ import annotations

import faulthandler
import importlib.abc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from vaultconfig import LiveSettings, VaultSettings


class Settings(VaultSettings):
    key: Annotated[str, "vault:api#key"]
    host: Annotated[str, "vault:db#host"]


live = LiveSettings(Settings)


def say(word: str, what: object) -> None:
    os.write(1, f"{word} {os.getpid()} {what}\n".encode())


def sockets() -> set[str]:
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def watch() -> None:
    """Have this process show where it hangs, if it does, and die."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(60)  # not a watching thread, which a child would wait for


def follow(word: str) -> None:
    """Say what is read until it is ``last``."""
    seen = ""
    while seen != "last":
        if live.current.key != seen:
            seen = live.current.key
            say(word, seen)
        time.sleep(0.005)
    say("sockets", ",".join(sorted(sockets())))
    os.read(0, 1)  # all are there until everybody has said that
    say("done", threading.active_count())


def fork_children(count: int) -> list[int]:
    children = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            _follow_and_leave()
        children.append(pid)
    return children


def _follow_and_leave() -> NoReturn:
    try:
        watch()
        live.start()  # nothing, but where the parent had not loaded
        follow("child")
        live.close()
    except BaseException as error:
        say("failed", repr(error))
        os._exit(1)
    os._exit(0)


def by_os_fork() -> None:
    """Fork three times once told to, while threads of ours are wherever they are."""
    live.start()
    say("parent", "started")
    os.read(0, 1)
    children = fork_children(3)
    follow("parent")
    for pid in children:
        os.waitpid(pid, 0)


def preloaded() -> None:
    """Fork sixteen workers of a master that only loads; each says when it is going to refresh."""
    live.load()
    for _ in range(16):
        if os.fork() == 0:
            say("due", live._refresher.next_at())
            os._exit(0)
    for _ in range(16):
        os.wait()


def work() -> None:
    watch()
    live.start()
    follow("child")
    live.close()


def by_multiprocessing(method: str) -> None:
    """Start three processes the way *method* says; spawned ones load by themselves."""
    live.start()
    processes = [multiprocessing.get_context(method).Process(target=work) for _ in range(3)]  # type: ignore[attr-defined]  # of whichever context
    for process in processes:
        process.start()
    follow("parent")
    for process in processes:
        process.join()


class SlowImport(importlib.abc.MetaPathFinder):
    """Has the first import of httpx take its time, and says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "httpx" and not self.begun.is_set():
            self.begun.set()
            time.sleep(0.3)


def during_an_import(load: Callable[[], object]) -> None:
    """Fork while another thread, which loads, is in the middle of the first import of httpx."""
    slow = SlowImport()
    sys.meta_path.insert(0, slow)
    assert "httpx" not in sys.modules
    starting = threading.Thread(target=load)
    starting.start()
    slow.begun.wait()
    children = fork_children(3)
    starting.join()
    live.start()
    follow("parent")
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    watch()
    {
        "os.fork": by_os_fork,
        "preload": preloaded,
        "fork": lambda: by_multiprocessing("fork"),
        "spawn": lambda: by_multiprocessing("spawn"),
        "import": lambda: during_an_import(live.start),
        "import settings": lambda: during_an_import(Settings),
    }[sys.argv[1]]()
    live.close()
    say("left", len(sockets()))
