"""Name resolution that is waited for only as long as there is time.

The system's resolver takes no time-out, and can't be interrupted. So each lookup has a daemon
thread. There is one thread for each name at most: other callers wait for its answer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Hashable, Sequence
from socket import AddressFamily, SocketKind
from threading import Thread
from typing import Any, TypeAlias

from vaultconfig.latch import Latch

Found: TypeAlias = Sequence[tuple[AddressFamily | int, SocketKind | int, int, str, tuple[Any, ...]]]


class _NameLookup:
    def __init__(self, look_up: Callable[[], Found], *, key: Hashable) -> None:
        self._look_up = look_up
        self._key = key
        self.over = Latch()
        self.addresses: list[str] = []
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            found = self._look_up()
            self.addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        except Exception as exc:  # whatever it is, the threads that wait raise it
            self.problem = exc.with_traceback(None)
        finally:
            self.leave()
            self.over.open()

    def leave(self) -> None:
        if _lookups.get(self._key) is self:
            _lookups.pop(self._key, None)


_lookups: dict[Hashable, _NameLookup] = {}


def resolved(look_up: Callable[[], Found], *, name: Hashable, seconds: float) -> list[str]:
    """Return the addresses that *look_up* finds for *name*.

    Raises:
        TimeoutError: It has not answered within *seconds*.
        Exception: What *look_up* raises.
    """
    # A forked child does not have its parent's threads.
    key = (os.getpid(), name)
    own = _NameLookup(look_up, key=key)
    try:
        lookup = _lookups.setdefault(key, own)
        if lookup is own:
            Thread(target=own.run, name="vaultconfig-resolve", daemon=True).start()
    except RuntimeError:  # there are no threads any more at the end of the process
        own.run()
    except BaseException:  # a signal's: no caller may wait for a thread that has not started
        own.leave()
        raise
    if not lookup.over.wait(seconds):
        raise TimeoutError(errno.ETIMEDOUT, "the name was not resolved in time")
    if lookup.problem is not None:
        raise lookup.problem
    return lookup.addresses
