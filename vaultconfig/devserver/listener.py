"""uvicorn's HTTP in a thread of this process: starts and stops in milliseconds, silently.

It runs uvicorn's protocol on a loop of its own instead of `uvicorn.Server`, which polls for its
end, waits for open connections, logs, and takes the process's signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
import struct
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from vaultconfig.connection.urls import is_loopback
from vaultconfig.errors import ConfigurationError

_LOGGER = logging.getLogger("vaultconfig.devserver")
_LOGGER.setLevel(logging.ERROR)  # uvicorn warns of each malformed request

_BACKLOG = 2048  # connections that wait to be accepted: those of a fleet that starts at once


class _Connection(H11Protocol):
    """A connection that lets the application close it, and leaves uvicorn's logs alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = _LOGGER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.app_state |= {
            "close": transport.close,
            "reset": partial(_reset, transport),
            "earlier": itertools.count(),
        }


class Listener:
    """A socket and the thread that serves *app* on it, from construction until `stop`.

    Raises:
        ConfigurationError: The address is not available.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(app,), name="vaultconfig-dev-server", daemon=True
        )
        self._thread.start()
        self._loop, self._ended = self._running.result()

    def stop(self) -> None:
        """Close the socket and every connection at once, whatever they wait for."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, app: ASGIApp) -> None:
        try:
            asyncio.run(self._serve(app))
        finally:
            self._socket.close()
            self._running.cancel()  # if it never came up, so that the constructor doesn't wait

    async def _serve(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=600,
        )
        config.load()
        state, ended = ServerState(), asyncio.Event()
        on_loopback = is_loopback(self._socket.getsockname()[0])
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(
                config=config, server_state=state, app_state={"on_loopback": on_loopback}
            ),
            sock=self._socket,
            backlog=_BACKLOG,  # else asyncio makes it 100
        )
        self._running.set_result((loop, ended))
        await ended.wait()
        while accepting := asyncio.all_tasks() - {asyncio.current_task()} - state.tasks:
            await asyncio.wait(accepting)  # asyncio leaks what it accepts while it closes
        server.close()
        await _end(state)


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST: that is what the kernel does when it may not linger."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def _end(state: ServerState) -> None:
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # the connections learn of it, and what is cancelled now is not an error
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Connections inherit it; without it the kernel holds each body back for 40 ms.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        problem = exc
    else:
        return bound
    if problem.errno == errno.EADDRINUSE:
        raise ConfigurationError(
            f"port {port} of {host} is taken: stop what runs there, or choose another port"
            " (0 picks a free one)"
        )
    raise ConfigurationError(f"can't listen on {host} port {port}: {problem.strerror}")
