"""A shelf on a Redis or Valkey server, by redis-py's connections; its pools and clients retry.

Nothing that the server says ends up in a message: it is compared with what servers say, and that
picks one of ours.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from vaultconfig.errors import ConfigurationError, missing_extra
from vaultconfig.masking.values import mask
from vaultconfig.store.shelf import LARGEST, PATIENCE, ShelfError, Swap

if _missing := missing_extra("a store on a Redis server", ["redis"], extra="redis"):
    raise _missing

import redis
from redis.connection import Connection, SSLConnection, parse_url

_SWAP: Final = f"""
for i, key in ipairs(KEYS) do
  local held = redis.pcall('GETRANGE', key, 0, {LARGEST})
  if type(held) == 'table' then
    if not string.find(held.err, 'WRONGTYPE') then return held end
    held = ''
  end
  if ARGV[3 * i - 1] == '1' and held ~= ARGV[3 * i] then return 0 end
end
for i, key in ipairs(KEYS) do
  local after = ARGV[3 * i + 1]
  if after == '' then redis.call('DEL', key) else redis.call('SET', key, after, 'PX', ARGV[1]) end
end
return 1
"""
_OPTIONS: Final = {
    *("db", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version"),
}
_SLACK: Final = 1 << 16  # bytes that may be around the values of an answer
_PAGE: Final = 1000  # names
_CLEARED_WITHIN: Final = 60.0  # seconds
# By the type of redis-py's error and the text in it: inside a script only the text has the code.
_PROBLEMS: Final = {
    r"^TimeoutError": "did not answer in time",
    r"^Authentication|NOAUTH|WRONGPASS": "rejected the user or password",
    r"^NoPermission|NOPERM|[Nn]o permissions|can't (run|access)": (
        "does not permit its user what a store needs"
    ),
    r"^ReadOnly|READONLY|MISCONF|NOREPLICAS": "is read-only",
    r"^OutOfMemory|OOM": "has no memory left",
    r"^BusyLoading|LOADING": "is loading its data",
    r"^(Moved|Ask|Cluster)|MOVED|CROSSSLOT": "is part of a cluster, where a store can't be",
    r"max number of clients": "has too many clients",
    r"DB index": "does not have this database",
    r"^ResponseError": "rejected the command",
    r"^ConnectionError": "closed the connection",
}


class Server:
    """Keys ``vaultconfig:SCOPE:NAME``, which the server removes when they end.

    Its user needs ``+eval +getrange +set +del ~vaultconfig:*``, for `clear` ``+scan``, and for a
    database other than 0 ``+select``.

    Args:
        url: ``redis://`` or, with TLS, ``rediss://``.
        patience: Seconds for one call, and for each step of connecting.

    Raises:
        ConfigurationError: The URL is invalid. It is not part of the message.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        url = mask(url)  # hidden from tracebacks that show locals
        self._patience = patience
        self._idle: list[_Connection] = []
        with suppress(Exception):  # whatever is wrong in there quotes the URL
            self._options = _options_of(url)
            self._options.update(socket_timeout=patience, socket_connect_timeout=patience)
            self._kind = _TlsConnection if url.startswith("rediss:") else _Connection
            self._kind(**self._options)
            self._name = f"Redis at {urlsplit(str(url)).netloc.rpartition('@')[2]}"
            return
        raise ConfigurationError(
            "VAULTCONFIG_STORE is not a valid address: expected"
            " redis://USER:PASSWORD@HOST:PORT/DATABASE, percent-encoded, or with TLS rediss://,"
            " where options such as ?ssl_ca_certs=FILE may follow"
        )

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what stands under each of *names*."""
        commands = [("GETRANGE", _key(name), 0, LARGEST) for name in names]
        answers = self._ask(commands, kind=bytes, size=len(names) * LARGEST + _SLACK)
        return [answer or None for answer in answers]

    def swap(self, swaps: Mapping[str, Swap], *, keep: float) -> bool:
        """Make all *swaps*, or none.

        Where a connection breaks before the answer has come, the server is asked again: False may
        then mean that these swaps were made the first time.
        """
        keys = [_key(name) for name in swaps]
        # For each: whether it has to be what it was, that, and the new one.
        values: list[bytes] = []
        for before, after in swaps.values():
            values += (b"0", b"") if before is ... else (b"1", before or b"")
            values.append(after or b"")
        command = ("EVAL", _SWAP, len(keys), *keys, math.ceil(keep * 1000), *values)
        (was_made,) = self._ask([command], kind=int)
        return bool(was_made)

    def clear(self, scope: str) -> int:
        """Remove every key of *scope*, and return their number; it takes a minute at most."""
        removed, cursor = 0, b"0"
        until = time.monotonic() + _CLEARED_WITHIN
        while time.monotonic() < until:
            scan = ("SCAN", cursor, "MATCH", _key(f"{scope}/*"), "COUNT", _PAGE)
            match self._ask([scan], kind=list, size=LARGEST):
                case [[bytes(cursor), list(keys)]]:
                    removed += self._ask([("DEL", *keys)], kind=int)[0] if keys else 0
                case _:
                    raise ShelfError(f"{self._name} does not answer as Redis does")
            if cursor == b"0":
                return removed
        raise ShelfError(f"{self._name} has too many keys: only {removed} of them were removed")

    def close(self) -> None:
        """Close the connections that no call is using."""
        while connection := self._idle_connection():
            connection.disconnect()

    def _ask(
        self, commands: Sequence[tuple[Any, ...]], *, kind: type, size: int = _SLACK
    ) -> list[Any]:
        """Send *commands* in one go, and return their answers, all of one *kind*.

        Args:
            commands: Names and arguments.
            kind: Of each answer.
            size: Bytes of all answers together, at most.
        """
        until = time.monotonic() + self._patience
        problem = ""
        while not problem:
            idle = self._idle_connection()
            connection = idle or self._kind(**self._options)
            connection.bounds.begin(until, size)
            try:
                connection.send_packed_command(connection.pack_commands(commands))
                answers = [_answer(connection) for _ in commands]
            except Exception as error:
                connection.disconnect()
                # One that was idle may be dead: the next one is tried, and at last a new one. The
                # subclasses of this error are what a server has said.
                if not idle or type(error) is not redis.ConnectionError:
                    problem = _problem(error)
            else:
                if all(isinstance(answer, kind) for answer in answers):
                    self._idle.append(connection)
                    return answers
                connection.disconnect()
                problem = "does not answer as Redis does"
        raise ShelfError(f"{self._name} {problem}")

    def _idle_connection(self) -> _Connection | None:
        """Take a connection that another call has left."""
        with suppress(IndexError):  # there is none, or another thread has taken it
            while True:
                connection = self._idle.pop()
                if connection.pid == os.getpid():
                    return connection
                # A parent's is only let go of: to shut it down would end it there, too.
                connection.disconnect()
        return None


class _Bounds:
    """What is left to a call: time, and bytes of its answer."""

    def begin(self, until: float, size: int) -> None:
        self.until, self.size = until, size

    def seconds(self) -> float:
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the time of this call is over")
        return seconds

    def take(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise redis.InvalidResponse("it is longer than what was asked for")


class _Socket:
    """A socket within bounds: time-outs of sockets are for each read, and count no bytes."""

    def __init__(self, socket: Any, bounds: _Bounds) -> None:
        self._socket = socket
        self._bounds = bounds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendall(self, data: Any) -> None:
        view = memoryview(data)
        while view:
            self._socket.settimeout(self._bounds.seconds())
            view = view[self._socket.send(view) :]

    def recv(self, size: int) -> bytes:
        self._socket.settimeout(self._bounds.seconds())
        data: bytes = self._socket.recv(size)
        self._bounds.take(len(data))
        return data

    def recv_into(self, buffer: Any) -> int:  # for hiredis
        self._socket.settimeout(self._bounds.seconds())
        size: int = self._socket.recv_into(buffer)
        self._bounds.take(size)
        return size


class _Connection(Connection):
    def __init__(self, **options: Any) -> None:
        super().__init__(protocol=2, **options)
        self.bounds = _Bounds()
        # It would tell the server what library it is, in two questions that need permissions.
        for name in ("driver_info", "lib_name", "lib_version"):  # of new and of old versions
            setattr(self, name, None)

    def _connect(self) -> Any:
        return _Socket(super()._connect(), self.bounds)


class _TlsConnection(_Connection, SSLConnection):
    """The same, around TLS."""


def _answer(connection: _Connection) -> Any:
    """Return the next answer; what is not of the type of our values counts as nothing."""
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
    return b""


def _key(name: str) -> str:
    return f"vaultconfig:{name.replace('/', ':')}"


def _options_of(url: str) -> dict[str, Any]:
    """Return the options of redis-py's connections.

    Raises:
        ValueError: It is not such a URL.
    """
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, strict_parsing=bool(parts.query))]
    if not (
        parts.hostname
        and parts.port != 0
        and re.fullmatch("/?[0-9]*", parts.path)
        and _OPTIONS.issuperset(names)
        and not parts.fragment
        and url.isprintable()
        and " " not in url
    ):
        raise ValueError
    options = {
        # What redis-py makes of them does not show either.
        name: mask(value) if isinstance(value, str) else value
        for name, value in parse_url(url).items()
        if name != "connection_class"
    }
    if parts.scheme == "rediss":  # redis-py before 6 takes a certificate for any name
        options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")
    return options


def _problem(error: Exception) -> str:
    cause = error.__context__
    if isinstance(cause, FileNotFoundError):
        return "can't be reached: a file of its TLS options is missing"
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        reason = getattr(cause, "verify_message", None) or cause.strerror or type(cause).__name__
        return f"can't be reached ({reason})"
    told = f"{type(error).__name__}: {error}"
    problems = (problem for code, problem in _PROBLEMS.items() if re.search(code, told))
    return next(problems, "does not answer as Redis does")
