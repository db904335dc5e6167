"""Shelves for tests, in this process and in others, and servers that do what a test tells them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.live.rig import LONG
from vaultconfig.store.directory import Directory
from vaultconfig.store.server import Server
from vaultconfig.store.shelf import Shelf, ShelfError, Swap


def shelf_at(place: str, *, patience: float = LONG) -> Shelf:
    """Open one with the patience that a busy machine needs."""
    kind = Server if place.startswith("redis") else Directory
    return kind(place, patience=patience)


def put(shelf: Shelf, name: str, value: bytes, *, keep: float = LONG) -> None:
    """Write *value* over whatever stands there."""
    assert shelf.swap({name: Swap(shelf.read([name])[0], value)}, keep=keep)


def failure(call: Callable[[], object]) -> str:
    """Return what the `ShelfError` of *call* says, which hides nothing behind it."""
    with pytest.raises(ShelfError) as caught:
        call()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return str(caught.value)


@dataclass
class Child:
    """Another process, which runs a program that has a shelf, and lines in and out."""

    process: subprocess.Popen[str]

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


PRELUDE: Final = """
import os, signal, sys, time
from vaultconfig.store.shelf import ShelfError, Swap
place, scope, *rest = sys.argv[1:]
if place.startswith("redis"):
    from vaultconfig.store.server import Server as Kind
else:
    from vaultconfig.store.directory import Directory as Kind
shelf = Kind(place, patience=60)
print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def children(program: str, *arguments: str, number: int = 1) -> Iterator[list[Child]]:
    """Start *program* in so many processes; all are there, and wait for a line."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    found = [Child(process) for process in processes]
    try:
        assert [child.hear() for child in found] == ["ready"] * number
        yield found
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=LONG)


class Scripted:
    """A server that hands each of its connections to `respond`, in a thread; TLS if it is given."""

    def __init__(self, respond: Callable[[socket.socket], object], tls: Any = None) -> None:
        self._respond = respond
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.over = threading.Event()

    def __enter__(self) -> Scripted:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LONG)
            assert not thread.is_alive()
        self._listener.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has gone, as some tests want
            connection.settimeout(LONG)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._respond(connection)


def saying(answer: bytes, *, first: bytes = b"") -> Callable[[socket.socket], None]:
    """Give *answer* to each command but the first, if that has one of its own."""

    def respond(connection: socket.socket) -> None:
        given = first or answer
        while commands := len(re.findall(rb"\*[0-9]+\r\n", connection.recv(1 << 16))):
            connection.sendall(given * commands)
            given = answer

    return respond


def passing_on(port: int) -> Callable[[socket.socket], None]:
    """Do as the server at *port* does, so that it has TLS, too."""

    def respond(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port), LONG) as server:
            while asked := connection.recv(1 << 16):  # small ones: an answer to each
                server.sendall(asked)
                connection.sendall(server.recv(1 << 16))

    return respond
