"""A fleet of hosts from outside: starts them together, and hears when each is up or changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

READY_WITHIN: Final = 60.0  # seconds
_ROOT: Final = Path(__file__).parents[3]


class Said(NamedTuple):
    """A line of a host: see `hosts`."""

    word: str
    process: int
    at: float
    number: int


class Fleet:
    """So many *hosts*, each a process, which wait in front of their start until told to go.

    Args:
        hosts: How many.
        environment: Variables of their processes, beside those of this one.
        spread: Seconds over which they start.

    Attributes:
        environment: All variables of their processes.
    """

    def __init__(self, hosts: int, environment: Mapping[str, str], *, spread: float) -> None:
        self.size = hosts
        self._spread = spread
        # What stands first here stands first there: the installed package, or that of the checkout.
        paths = os.pathsep.join(filter(None, [*sys.path, str(_ROOT)]))
        self.environment = {**os.environ, **environment, "PYTHONPATH": paths}
        self._killed: set[int] = set()
        self._is_over = False
        self._said: list[Said] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        end, self._end = os.pipe()
        arguments = map(str, (self.size, self._spread, end))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fleet.hosts", *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[end],
        )
        os.close(end)
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()
        if self.wait("ready", 0, within=READY_WITHIN) is None:
            self.__exit__()
            raise RuntimeError(f"the {self.size} hosts were not forked; what they say is above")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)
        self.go()
        self._process.wait()
        self._listening.join()
        assert self._process.stdout
        self._process.stdout.close()

    def go(self) -> float:
        """Have all start, and return the time, in Unix seconds."""
        assert self._process.stdin
        self._process.stdin.close()
        return time.time()

    def kill(self, process: int) -> None:
        """Kill a host, which is waited for no longer."""
        self._killed.add(process)
        os.kill(process, signal.SIGKILL)

    def when(self, word: str, number: int) -> dict[int, float]:
        """Return when each host that lives has first said *word* with *number* or a higher one."""
        with self._news:
            said = [s for s in self._said if s.word == word and s.number >= number]
        return {s.process: s.at for s in reversed(said) if s.process not in self._killed}

    def wait(self, word: str, number: int, *, within: float) -> float | None:
        """Return when the last host has said it, as `when`; None if not all do *within* seconds."""
        with self._news:
            self._news.wait_for(
                lambda: self._is_over or len(self.when(word, number)) == self._living, within
            )
            said = self.when(word, number)
            return max(said.values()) if len(said) == self._living else None

    @property
    def _living(self) -> int:
        return self.size - len(self._killed)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            word, process, at, number = line.decode().split()
            with self._news:
                self._said.append(Said(word, int(process), float(at), int(number)))
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()
