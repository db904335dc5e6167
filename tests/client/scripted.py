"""A vault on a real loopback socket that does what the test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "tok-CANARY"


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: Any
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """An answer: a dict as JSON, bytes as they are."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class ScriptedVault:
    """Answers with what `respond` returns: a `Reply`, or a function that gets the raw socket."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.respond: Callable[[Asked], Any] = lambda asked: Reply(404)
        self.over = threading.Event()  # what hangs ends with the test
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def script(self, *replies: Any) -> None:
        """Answer with *replies* one after the other, then with the last one."""
        left = list(replies)
        self.respond = lambda asked: left.pop(0) if len(left) > 1 else left[0]

    def __enter__(self) -> ScriptedVault:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def _handler(vault) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, self.headers, body, self.client_address[1])
                vault.asked.append(asked)
                reply = vault.respond(asked)
                if callable(reply):
                    self.close_connection = True
                    reply(self.connection)
                else:
                    self.send(reply)

            do_GET = do_POST = do_PUT = do_DELETE = serve

            def send(self, reply: Reply) -> None:
                raw = (
                    reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                )
                self.send_response_only(reply.status)
                usual = {"Content-Length": str(len(raw)), "Date": self.date_time_string()}
                for name, value in (usual | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def handle(self) -> None:
                with suppress(OSError):  # the client has gone, as some tests want
                    super().handle()

            def log_message(self, *args: object) -> None:
                pass

        return Handler


class Clock:
    """Time that passes in `sleep` only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def envelope(code: str, *, status: int, headers: dict[str, str] | None = None) -> Reply:
    error = {"code": code, "message": "TEXT-CANARY", "request_id": "req_1"}
    return Reply(status, {"error": error}, headers or {})


def secret(path: str = "a/b", *, version: int = 1, **more: Any) -> dict[str, Any]:
    return {"path": path, "version": version, "secret_type": "kv", "data": {"k": "v"}} | more
