"""Runs a program, and starts it again with other variables. Knows no vault. POSIX only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

from vaultconfig.cli.becoming import start
from vaultconfig.cli.watching import LOOK_AGAIN, changes, say, warn

# Sent to us, they are meant for the program: by a terminal, a service manager, or a person.
_PASSED_ON: Final = (
    *("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP"),
    *("SIGWINCH", "SIGUSR1", "SIGUSR2"),
)
_POLL: Final = 0.05  # seconds; the system tells of a child, but of nothing that the child leaves


class Supervisor:
    """A program in a process group of its own, started again and again.

    Everything happens in the main thread, which calls `run`: signals, and news from other threads,
    only put something into its queue.

    Args:
        command: The program and its arguments.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, command: Sequence[str], grace: float) -> None:
        self._command = command
        self._grace = grace
        self._news: SimpleQueue[int | None] = SimpleQueue()
        self._terminal = _Terminal()
        self._is_ending = False
        self._process: subprocess.Popen[bytes]
        self._stopped_by: int | None = None

    def wake(self) -> None:
        """Have the variables looked at now."""
        self._news.put(None)

    def run(
        self,
        variables: Callable[[], Mapping[str, str]],
        environ_with: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> int:
        """Run the program until it ends by itself; return its exit code, or minus its signal.

        Args:
            variables: Returns the newest.
            environ_with: Returns the whole environment of the program.

        Raises:
            ConfigurationError: See `start`.
            click.exceptions.Exit: See `start`.
        """
        for name in (*_PASSED_ON, "SIGCHLD"):
            number = getattr(signal, name)
            # What is ignored, as under nohup, stays so, here and in the program.
            if name == "SIGCHLD" or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)
        while True:
            used = variables()
            self._process = start(self._command, environ_with(used))
            try:
                changed = self._follow(used, variables)
                has_ended = self._process.returncode is not None
                if not has_ended:
                    say(f"{changed} changed: {self._command[0]} is started again")
            finally:
                self._end_group()
            status = self._process.returncode
            if has_ended or self._is_ending or _is_interrupted(status):
                return status

    def _follow(self, used: Mapping[str, str], variables: Callable[[], Mapping[str, str]]) -> str:
        """Wait until the program has ended, or has to be started again; return what has changed."""
        newest = used
        while self._process.returncode is None and (newest == used or self._is_ending):
            self._wait(LOOK_AGAIN)
            before, newest = newest, variables()
            if newest != before and self._is_ending:
                warn(
                    f"{changes(before, newest)} changed, but {self._command[0]} is not started "
                    "again, because it was asked to end"
                )
        return changes(used, newest)

    def _note(self, number: int, _frame: object) -> None:
        self._news.put(None if number == signal.SIGCHLD else number)

    def _wait(self, seconds: float) -> None:
        """Wait for something to happen, for *seconds* at most, and do what it asks for."""
        with suppress(Empty):
            number = self._news.get(timeout=seconds)
            # A terminal that hangs up ends its programs; elsewhere SIGHUP mostly is a reload.
            is_hangup = number == signal.SIGHUP and self._terminal.is_there
            is_end = number in (signal.SIGINT, signal.SIGTERM) or is_hangup
            self._is_ending |= is_end
            if number is not None:
                self._send(number)
            if is_end:
                self._send(signal.SIGCONT)  # what is stopped learns of no signal
        # As the first process of a container we inherit what others leave.
        pid = -1 if os.getpid() == 1 else self._process.pid
        with suppress(ChildProcessError):
            while (found := os.waitpid(pid, os.WNOHANG | os.WUNTRACED)) != (0, 0):
                if found[0] == self._process.pid and os.WIFSTOPPED(found[1]):
                    self._stopped_by = os.WSTOPSIG(found[1])
                elif found[0] == self._process.pid:
                    self._process.returncode = os.waitstatus_to_exitcode(found[1])
        if self._process.returncode is None:
            self._follow_stop()

    def _follow_stop(self) -> None:
        """Lend a program that has stopped the terminal that it waits for, or stop with it.

        To a shell we are one job, which stops as a whole and is continued as a whole.
        """
        wants_terminal = self._stopped_by in (signal.SIGTTIN, signal.SIGTTOU)
        if not wants_terminal and self._stopped_by != signal.SIGTSTP:
            return
        if not wants_terminal or not self._terminal.is_ours:
            self._terminal.is_lent = False  # by now the shell has it
            handler = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
            os.kill(0, signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTSTP)  # without effect where no shell could continue us
            signal.signal(signal.SIGTSTP, handler)
        if wants_terminal and not self._terminal.is_ours:
            return  # it stays stopped, as any job in the background that wants to read
        if wants_terminal:
            self._terminal.lend(self._process.pid)
        self._stopped_by = None
        self._send(signal.SIGCONT)

    def _end_group(self) -> None:
        """End the program, and whatever it has left in its group."""
        self._terminal.take_back()
        until = time.monotonic() + self._grace
        is_left = self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)  # what is stopped learns of no signal
        while is_left and (left := until - time.monotonic()) > 0:
            self._wait(min(left, _POLL if self._process.returncode is not None else LOOK_AGAIN))
            is_left = self._send(0)
        if is_left:
            told = f"has not ended within {self._grace:g} s of SIGTERM: it gets SIGKILL"
            warn(f"{self._command[0]} {told}")
            self._send(signal.SIGKILL)
        while self._process.returncode is None:
            self._wait(LOOK_AGAIN)
        self._terminal.take_back()
        self._stopped_by = None

    def _send(self, number: int) -> bool:
        """Send a signal to the group; return whether there is one."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # it runs as another user
            return True
        return True


class _Terminal:
    """The terminal that we are started from, if there is one.

    Only one process group can read from it, and Ctrl-C goes to that group alone. It is lent when
    the program asks for it, by being stopped: a server never does, so that Ctrl-C comes to us, and
    to what stands beside us in a pipeline.
    """

    def __init__(self) -> None:
        self.is_lent = False
        self._file = -1
        with suppress(OSError):
            self._file = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self._file >= 0

    @property
    def is_ours(self) -> bool:
        """Whether our group can read from it now."""
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:  # there is none, or it has hung up
            return False

    def lend(self, group: int) -> None:
        """Let *group* read from it."""
        import termios

        self._modes: list[Any] = termios.tcgetattr(self._file)
        self._give(group)
        self.is_lent = True

    def take_back(self) -> None:
        """Let our group read from it, as before: who started us may want to read next."""
        import termios

        if self.is_lent:
            self.is_lent = False
            with suppress(OSError, termios.error):
                self._give(os.getpgrp())
                # What is killed leaves it without echo.
                termios.tcsetattr(self._file, termios.TCSADRAIN, self._modes)

    def _give(self, group: int) -> None:
        # From outside the group that has it, this would stop us.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(self._file, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _is_interrupted(status: int) -> bool:
    """Whether a program ended by a signal that the terminal has sent it, and not we."""
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    return status in {*(-number for number in numbers), *(128 + number for number in numbers)}
