"""Things that a forked child must not share with its parent: sockets and locks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Something made when it is first needed, and made anew in a forked child.

    What the parent made is dropped in the child without being closed: its sockets are the
    parent's. Its lock may be held by a thread that the child does not have, hence one a process;
    or by a thread that a signal has interrupted, whose handler may come in.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}
        self._locks: dict[int, threading.RLock] = {}

    def get(self) -> T:
        """Return this process's own, made by the first thread that asks."""
        pid = os.getpid()
        made = self._made.get(pid)
        if made is None:
            with self._locks.setdefault(pid, threading.RLock()):
                made = self._made.get(pid)
                if made is None:
                    made = self._made.setdefault(pid, self._make())
        return made

    def peek(self) -> T | None:
        """Return this process's own if it has been made."""
        return self._made.get(os.getpid())

    def drop(self, made: T) -> None:
        """Have another made for whoever asks next, if *made* is still this process's own."""
        if self.peek() is made:
            self._made.pop(os.getpid(), None)
