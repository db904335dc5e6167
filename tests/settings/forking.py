"""A program that forks 200 times while eight threads build settings of two classes.

It prints how many of the children could not build them, each of which has a minute for it.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

from pydantic import BaseModel

from vaultconfig import VaultSettings


class Inner(BaseModel):
    token: Annotated[str, "vault:app#token"]


class One(VaultSettings):
    token: Annotated[str, "vault:app#token"]
    inner: Inner


class Two(VaultSettings):
    host: Annotated[str, "vault:app#host"]
    inner: Inner | None = None


def build() -> None:
    One()
    Two()


def forked() -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        build()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main() -> None:
    build()  # so that no thread is inside of an import while the process forks
    ended = threading.Event()

    def build_on() -> None:
        while not ended.is_set():
            build()

    threads = [threading.Thread(target=build_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    failed = sum(forked() != 0 for _ in range(200))
    ended.set()
    for thread in threads:
        thread.join()
    print(f"{failed} of 200 failed")  # noqa: T201


main()
