"""Faults of the network: sockets, names and certificates."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import trustme

from tests.client.scripted import Asked
from tests.matrix.fault import Fault, instead
from tests.matrix.world import World


def _resolver(world: World, resolve: Callable[[str, int], Any]) -> None:
    def getaddrinfo(host: str, port: int, **_: Any) -> Any:
        return resolve(host, port)

    world.patch.setattr("vaultconfig.client.sockets.getaddrinfo", getaddrinfo)


def _by_name(world: World) -> None:
    world.connect_to(world.vault.url.replace("127.0.0.1", "localhost"))


def _hanging_resolver(world: World) -> None:
    _resolver(world, lambda host, port: world.vault.over.wait(60) and [])


def _failing_resolver(world: World) -> None:
    def fail(host: str, port: int) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    _resolver(world, fail)


def _silence(world: World, asked: Asked) -> Callable[[socket.socket], object]:
    return lambda connection: world.vault.over.wait(60)


def _drip(world: World, asked: Asked) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while not world.vault.over.wait(0.02):
            connection.sendall(b" ")

    return drip


def _reset(connection: socket.socket, sent: bytes = b"") -> None:
    connection.sendall(sent)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset_half_way(world: World, asked: Asked) -> Callable[[socket.socket], None]:
    return lambda connection: _reset(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")


def _keep_connections(world: World) -> None:
    world.vault.keeps = True


def _reset_on_reuse(world: World, asked: Asked) -> Any:
    is_reuse = sum(each.port == asked.port for each in world.vault.asked) > 1
    return _reset if is_reuse else world.vault.answer(asked)


# TLS


@cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


def _trusted(world: World) -> None:
    world.tls = world.vault.speak_tls(_authority("ours").issue_cert("localhost"))
    _authority("ours").cert_pem.write_to_path(world.bundle)
    world.connect_to(world.vault.url)


def _certified(told: str, issue: Callable[[], Any], *, renews: bool = False) -> Fault:
    def begins(world: World) -> None:
        issue().configure_cert(world.tls)
        if renews:
            _authority("another").cert_pem.write_to_path(world.bundle)

    return Fault(begins, told, _trusted)


NETWORK: Final[Mapping[str, Fault]] = {
    "refused": Fault(lambda world: world.vault.stop(), "Connection refused"),
    "black hole (accepts, never answers)": instead(_silence, "no complete answer in time"),
    "slow name resolution": Fault(
        _hanging_resolver, "the name was not resolved in time", before=_by_name
    ),
    "failing name resolution": Fault(
        _failing_resolver, "Name or service not known", before=_by_name
    ),
    "slow drip": instead(_drip, "no complete answer in time"),
    "reset half-way": instead(_reset_half_way, "the connection (broke|ended early)"),
    "reset on reuse": instead(_reset_on_reuse, before=_keep_connections),
    "untrusted authority": _certified(
        "not trusted", lambda: _authority("another").issue_cert("localhost")
    ),
    "expired certificate": _certified(
        "certificate has expired",
        lambda: _authority("ours").issue_cert(
            "localhost",
            not_before=datetime.now(UTC) - timedelta(days=2),
            not_after=datetime.now(UTC) - timedelta(days=1),
        ),
    ),
    "certificate of another host": _certified(
        "Hostname mismatch", lambda: _authority("ours").issue_cert("elsewhere.example")
    ),
    "renewed authority, bundle renewed with it": _certified(
        "", lambda: _authority("another").issue_cert("localhost"), renews=True
    ),
}
