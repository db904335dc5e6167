"""A program that forks in each function of a load that another thread is in the middle of.

The thread stops in each function of ours that it comes to for the first time. There the process
forks, and the child builds the same settings, for which it has a minute. It prints the functions
that the thread has stopped in, and the first where a child failed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from queue import SimpleQueue
from types import CodeType, FrameType
from typing import Annotated

from pydantic import BaseModel

from vaultconfig import VaultSettings

LOOKED_AT = ("vaultconfig", "functools.py")  # which has the lock of a cached_property


class Inner(BaseModel):
    token: Annotated[str, "vault:app#token"]


class Warm(VaultSettings):
    token: Annotated[str, "vault:app#token"]


class Settings(VaultSettings):
    host: Annotated[str, "vault:other#host"]
    inner: Inner


def can_fork() -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        Settings()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    os.environ["VAULTCONFIG_DEADLINE"] = "600"  # seconds: it stops at each function
    Warm()  # so that no thread is inside of an import while the process forks
    reached: SimpleQueue[CodeType | None] = SimpleQueue()
    go_on: SimpleQueue[None] = SimpleQueue()
    seen: set[CodeType] = set()

    def stop(frame: FrameType, _event: str, _argument: object) -> None:
        code = frame.f_code
        if code not in seen and any(f"{os.sep}{name}" in code.co_filename for name in LOOKED_AT):
            seen.add(code)
            reached.put(code)
            go_on.get()

    def load() -> None:
        sys.settrace(stop)
        try:
            Settings()
        finally:
            sys.settrace(None)
            reached.put(None)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    while code := reached.get():
        if not can_fork():
            print(f"a child failed in {code}", file=sys.stderr)  # noqa: T201
            return
        go_on.put(None)
    thread.join()
    print(*sorted(code.co_name for code in seen))  # noqa: T201


main()
