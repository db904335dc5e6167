"""A vault on loopback that speaks ScaiVault's API and HashiCorp's, in a process of its own.

It does nothing but wait and write what it has rendered once, so that what is measured is the
client. Run by `Loopback`: the first line of standard input holds the options and the secrets, the
first line of standard output the port; the end of standard input ends it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote
from urllib.request import ProxyHandler, build_opener

TOKEN: Final = "a-token-for-benchmarks"


class Counts(NamedTuple):
    """What has arrived since it was asked last; bytes in both directions."""

    requests: int
    connections: int
    bytes: int


class Loopback:
    """Run the server.

    Args:
        secrets: By path, what is in it; None where reading it is denied.
        delay: Seconds until a request is answered.
        connecting: Seconds that the first answer on a connection takes longer.
        batch: Whether there is ScaiVault's batch read.
        wrapped: A mount of HashiCorp's API where ``data`` stands around the data once more.
    """

    def __init__(
        self,
        secrets: Mapping[str, Mapping[str, str] | None],
        *,
        delay: float,
        connecting: float = 0.0,
        batch: bool = True,
        wrapped: str = "",
    ) -> None:
        self._options = {"delay": delay, "connecting": connecting, "batch": batch}
        self._options["wrapped"] = wrapped
        self._secrets = dict(secrets)
        self.token = TOKEN

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([self._options, self._secrets]) + "\n")
        self._process.stdin.flush()
        port = self._process.stdout.readline().strip()
        if not port:
            self.__exit__()
            raise RuntimeError("the server did not start; what it says is above")
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # which closes its standard input

    def counts(self) -> Counts:
        """Return what has arrived since the last call."""
        with build_opener(ProxyHandler({})).open(f"{self.url}/counts") as answer:
            return Counts(**json.load(answer))


class _Vault:
    """What all connections share: the secrets as they go over the wire, and the counts."""

    def __init__(
        self,
        secrets: Mapping[str, Mapping[str, str] | None],
        *,
        delay: float,
        connecting: float,
        batch: bool,
        wrapped: str,
    ) -> None:
        self.delay, self.connecting = delay, connecting
        self._has_batch, self._wrapped = batch, wrapped
        self.counts = dict.fromkeys(Counts._fields, 0)
        self._secrets = secrets
        # Rendered once, since it never changes: each single answer, and the parts of a batch.
        self._single = functools.cache(self._get)
        self._parts = {
            path: f"{json.dumps(path)}: {json.dumps(_DENIED if data is None else _scaivault(data))}"
            for path, data in secrets.items()
        }

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        if method == "POST":
            return self._batch(json.loads(body)["paths"]) if self._has_batch else _http(404, {})
        listing = method == "LIST" or target.endswith("?list=true")
        return self._single(unquote(target.partition("?")[0]), listing)

    def _get(self, target: str, listing: bool) -> bytes:
        match target.split("/", 4)[2:]:
            case ["secrets", *rest]:
                path = "/".join(rest)
                data = self._secrets.get(path)
                if data is not None:
                    return _http(200, {"path": path, **_scaivault(data)})
                return _http(403, {"error": {**_DENIED, "request_id": "req_1"}})
            case ["auth", "token", "lookup-self"]:
                return _http(200, {"data": {"id": TOKEN, "ttl": 3600, "policies": ["bench"]}})
            case [mount, "metadata", folder] if listing:
                folder = folder.rstrip("/") + "/"
                keys = [p.removeprefix(folder) for p in self._secrets if p.startswith(folder)]
                return _http(200, _hashicorp({"keys": keys}))
            case [mount, "data", path] if path in self._secrets:
                data = self._secrets[path]
                if data is None:
                    return _http(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
                shape = {"data": data} if mount == self._wrapped else data
                return _http(200, _hashicorp({"data": shape, "metadata": _VERSION}))
        return _http(404, {"errors": []})

    def _batch(self, paths: list[str]) -> bytes:
        found, denied = [], []
        for path in paths:
            (denied if self._secrets[path] is None else found).append(self._parts[path])
        text = f'{{"secrets": {{{", ".join(found)}}}, "errors": {{{", ".join(denied)}}}}}'
        return _http(200, text)


_WHEN: Final = "2026-11-26T12:00:00.000Z"
_DENIED: Final = {"code": "access_denied", "message": "no policy lets this identity read this"}
_VERSION: Final = {
    "created_time": _WHEN,
    "custom_metadata": None,
    "deletion_time": "",
    "destroyed": False,
    "version": 1,
}


def _scaivault(data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "data": data,
        "version": 1,
        "secret_type": "kv",
        "metadata": {},
        "created_at": _WHEN,
        "updated_at": _WHEN,
        "expires_at": None,
        "rotation_policy_id": None,
    }


def _hashicorp(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "request_id": "6f8a0b6e-0d5c-4f0e-9a4e-0c6d5a3f1b2e",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
        "mount_type": "kv",
    }


def _http(status: int, content: Mapping[str, Any] | str) -> bytes:
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One client; it sends its next request when it has the answer to the one before."""

    def __init__(self, vault: _Vault) -> None:
        self._vault, self._received, self._is_new = vault, b"", True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines[1:])}
        if not end or len(body) < int(headers.get("content-length", 0)):
            return
        method, target, _ = lines[0].split(" ")
        counts, loop = self._vault.counts, asyncio.get_running_loop()
        if target == "/counts":
            self._write(_http(200, counts), last=True)
            counts.update(dict.fromkeys(counts, 0))
            return
        answer = self._vault.answer(method, target, body)
        counts["requests"] += 1
        counts["connections"] += self._is_new
        counts["bytes"] += len(self._received) + len(answer)
        delay = self._vault.delay + self._vault.connecting * self._is_new
        self._received, self._is_new = b"", False
        loop.call_later(delay, self._write, answer, headers.get("connection") == "close")

    def _write(self, answer: bytes, last: bool) -> None:
        self._transport.write(answer)
        if last:
            self._transport.close()


async def _serve() -> None:
    options, secrets = json.loads(sys.stdin.readline())
    vault, loop = _Vault(secrets, **options), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(vault), "127.0.0.1", 0, backlog=1000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
