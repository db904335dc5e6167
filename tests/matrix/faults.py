"""The faults: each puts a real server, or what is around it, in a condition that goes wrong."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import cache
from importlib import import_module
from typing import Any, Final

import trustme

from tests.client.scripted import Asked, Reply, envelope
from tests.matrix.world import World
from tests.valkey import Valkey

PAUSE: Final = 2  # seconds of a Retry-After that is waited for
MIB: Final = 1 << 20
NOBODY: Final = 65534
CODES_401: Final = ("authentication_required", "token_expired", "token_invalid", "token_revoked")
CODES_403: Final = (
    "access_denied",
    "insufficient_scope",
    "mfa_required",
    "ip_not_allowed",
    "time_window_violation",
    "tenant_access_denied",
    "forbidden",
)


def _nothing(world: World) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        begins: Makes it so.
        told: A pattern for what an error, a warning or health says about it.
        before: Prepares for it while all is well.
        lasts: Seconds after which a refresh is looked at once more.
    """

    begins: Callable[[World], None]
    told: str = ""
    before: Callable[[World], None] = _nothing
    lasts: float = 0.0


@dataclass(frozen=True)
class Interruption:
    """Something that happens to a process of its own while its request is under way.

    Attributes:
        number: The signal that it gets; None has it fork.
    """

    number: signal.Signals | None = None


# The network


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


def _instead(reply: Callable[[World, Asked], Any], told: str = "", **more: Any) -> Fault:
    return Fault(lambda world: world.vault.instead(lambda asked: reply(world, asked)), told, **more)


def _always(reply: Any, told: str) -> Fault:
    return _instead(lambda world, asked: reply, told)


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


# Answers


def _html(status: int) -> Reply:
    return Reply(status, b"<html><body>Please log in</body></html>")


def _truncated(world: World, asked: Asked) -> Reply:
    whole = json.dumps(world.vault.answer(asked).body).encode()
    return Reply(body=whole[: len(whole) // 2])


def _swapped(world: World, asked: Asked, *, named: bool) -> Reply:
    paths = asked.json["paths"]
    found = [world.vault.secret(path, named=named) for path in reversed(paths)]
    return world.vault.batch(dict(zip(paths, found, strict=True)))


def _of_one_secret(code: str, told: str = "") -> Fault:
    """Have the batch answer *code* for shop/mail, and the secret for shop/db."""

    def reply(world: World, asked: Asked) -> Reply:
        error = {"code": code, "message": "no", "request_id": "req_1"}
        return world.vault.batch(
            {"shop/db": world.vault.secret("shop/db")}, errors={"shop/mail": error}
        )

    return _instead(reply, told or code)


def _rejected(status: int, code: str) -> Fault:
    return _always(envelope(code, status=status), code)


def _rate_limited(retry_after: Callable[[], str] | None, *, passes: bool = False) -> Fault:
    def reply(world: World, asked: Asked) -> Reply:
        if passes and len(world.reads_since) > 1:
            return world.vault.answer(asked)
        headers = {} if retry_after is None else {"Retry-After": retry_after()}
        return envelope("rate_limited", status=429, headers=headers)

    return _instead(reply, "asks us to wait")


# Versions, clocks, tokens


def _older(world: World) -> None:
    world.vault.version -= 2


def _two_versions_later(world: World) -> None:
    world.vault.version = 3


def _wall_clock(seconds: float) -> Fault:
    def begins(world: World) -> None:
        real = time.time
        world.patch.setattr("time.time", lambda: real() + seconds)

    return Fault(begins, "ignored")


def _sleep(world: World) -> None:
    world.clock.seconds += 8 * 3600.0


def _client_credentials(world: World) -> None:
    world.patch.delenv("SCAIVAULT_TOKEN")
    world.patch.setenv("SCAIKEY_CLIENT_ID", "shop")
    world.patch.setenv("SCAIKEY_CLIENT_SECRET", "not-a-secret")
    world.patch.setenv("SCAIKEY_TOKEN_URL", f"{world.vault.url}/token")


def _tokens_expire(world: World) -> None:
    """Let the token in use end, or else the first one, before it is used."""
    world.vault.tokens.clear()
    world.vault.stillborn = 0 if world.vault.issued else 1


def _token_file(world: World) -> None:
    world.patch.delenv("SCAIVAULT_TOKEN")
    world.patch.setenv("VAULTCONFIG_TOKEN_FILE", str(world.token_file))
    world.token_file.write_text("first\n")
    world.vault.tokens = {"first"}


def _token_rotates(world: World) -> None:
    new = world.token_file.with_suffix(".new")
    new.write_text("second\n")
    os.replace(new, world.token_file)
    world.vault.tokens = {"second"}


# The process and its machine


def _hang_up_in_mid_request(world: World) -> None:
    """Refresh in this thread, interrupted by a handler that refreshes, too."""
    live, outdated = world.live, world.vault.version - 1
    old = signal.signal(signal.SIGHUP, lambda *_: live.refresh())
    world.cleanup.callback(signal.signal, signal.SIGHUP, old)

    def reply(asked: Asked) -> Reply:
        if len(world.reads_since) > 1:
            return world.vault.answer(asked)
        os.kill(os.getpid(), signal.SIGHUP)
        paths = asked.json["paths"]
        return world.vault.batch({p: world.vault.secret(p, version=outdated) for p in paths})

    world.vault.instead(reply)
    live.refresh()
    assert len(world.reads_since) == 2  # what the signal announced is read once more
    assert live.current.key.get_secret_value() == f"key-{world.vault.version}"


def _disk_full(world: World) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    world.cleanup.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))


def _be_ordinary(world: World) -> None:
    """Be a user for whom permissions count, as they do not for root."""
    if os.geteuid() != 0:
        return
    for module in ("store.store", "store.directory", "store.sealing", "live", "client"):
        import_module(f"vaultconfig.{module}")  # while they can be read in any case
    for each in (world.directory, *world.directory.rglob("*")):
        os.chown(each, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    world.cleanup.callback(os.seteuid, 0)
    world.patch.setenv("HOME", str(world.directory))  # git stops at one that it may not read


def _read_only(world: World) -> None:
    for each in (world.directory, *world.directory.rglob("*")):
        if each.is_dir():
            world.cleanup.callback(each.chmod, 0o755)
            each.chmod(0o555)


# The store


def _on_redis(world: World) -> None:
    world.use_store()
    world.redis = world.cleanup.enter_context(Valkey(world.directory))
    world.patch.setenv("VAULTCONFIG_STORE", f"redis://127.0.0.1:{world.redis.port}")


def _lose_redis(world: World) -> None:
    world.redis.signal(signal.SIGKILL)


def _stop_redis(world: World) -> None:
    world.redis.signal(signal.SIGSTOP)
    world.cleanup.callback(world.redis.signal, signal.SIGCONT)


def _lose_redis_in_mid_lease(world: World, asked: Asked) -> Reply:
    """Lose it while the one who has the lease waits for the vault."""
    world.redis.signal(signal.SIGKILL)
    return world.vault.answer(asked)


FAULTS: Final[Mapping[str, Fault | Interruption]] = {
    "refused": Fault(lambda world: world.vault.stop(), "Connection refused"),
    "black hole (accepts, never answers)": _instead(_silence, "no complete answer in time"),
    "slow name resolution": Fault(
        _hanging_resolver, "the name was not resolved in time", before=_by_name
    ),
    "failing name resolution": Fault(
        _failing_resolver, "Name or service not known", before=_by_name
    ),
    "slow drip": _instead(_drip, "no complete answer in time"),
    "reset half-way": _instead(_reset_half_way, "the connection (broke|ended early)"),
    "reset on reuse": _instead(_reset_on_reuse, before=_keep_connections),
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
    "truncated JSON": _instead(_truncated, "not a JSON object"),
    "garbage in place of JSON": _always(Reply(body=b"\x00\xff garbage"), "not a JSON object"),
    "a proxy's page with 200": _always(_html(200), "not a JSON object"),
    "a proxy's page with 401": _always(_html(401), "something between us and the vault"),
    "a proxy's page with 403": _always(_html(403), "something between us and the vault"),
    "a proxy's page with 502": _always(_html(502), "status 502"),
    "gzip bomb": _always(
        Reply(body=gzip.compress(bytes(64 * MIB), 1), headers={"Content-Encoding": "gzip"}),
        "compressed",
    ),
    "deeply nested JSON": _always(Reply(body=b'{"a":' * 200_000), "not a JSON object"),
    "an answer of 9 MiB": _always(Reply(body=b" " * (9 * MIB)), "larger than 8 MiB"),
    "redirect": _always(
        Reply(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}),
        "redirects are not followed",
    ),
    "swapped paths, which the answer names": _instead(
        lambda world, asked: _swapped(world, asked, named=True), "about another path"
    ),
    "swapped paths, which fields tell": _instead(
        lambda world, asked: _swapped(world, asked, named=False), "has no field"
    ),
    **{f"401 {code}": _rejected(401, code) for code in CODES_401},
    **{f"403 {code}": _of_one_secret(code) for code in CODES_403},
    "403 on the whole batch": _rejected(403, "insufficient_scope"),
    "404 secret_not_found": _of_one_secret("secret_not_found", "there is no secret at shop/mail"),
    "404 tenant_not_found": _rejected(404, "tenant_not_found"),
    "409 version_conflict": _rejected(409, "version_conflict"),
    "429 without Retry-After": _rate_limited(None),
    "429, Retry-After in seconds": _rate_limited(lambda: str(PAUSE), passes=True),
    "429, Retry-After as a date": _rate_limited(
        lambda: formatdate(time.time() + PAUSE, usegmt=True), passes=True
    ),
    "429, Retry-After of a day": _rate_limited(lambda: "86400"),
    "429, Retry-After is garbage": _rate_limited(lambda: "soon"),
    "429, Retry-After is negative": _rate_limited(lambda: "-5"),
    "500 internal_error": _rejected(500, "internal_error"),
    "503 service_unavailable": _rejected(503, "service_unavailable"),
    "an older version": Fault(_older, "a replica may lag", before=_two_versions_later),
    "an older version for a whole ttl": Fault(_older, before=_two_versions_later, lasts=300.0),
    "wall clock a day ahead": _wall_clock(86_400.0),
    "wall clock a day back": _wall_clock(-86_400.0),
    "the machine sleeps for a night": Fault(_sleep),
    "fork in mid-request": Interruption(),
    "SIGHUP in mid-request, its handler refreshes": Fault(_hang_up_in_mid_request),
    "SIGTERM in mid-request": Interruption(signal.SIGTERM),
    "SIGINT in mid-request": Interruption(signal.SIGINT),
    "disk full": Fault(_disk_full, "make room for it"),
    "read-only directory": Fault(
        _read_only, "(make it|give it to this user).* directory", before=_be_ordinary
    ),
    "Redis refused": Fault(_lose_redis, "the store can't be used", before=_on_redis),
    "Redis silent": Fault(_stop_redis, "the store can't be used", before=_on_redis),
    "Redis lost in mid-lease": _instead(
        _lose_redis_in_mid_lease, "the store can't be used", before=_on_redis
    ),
    "access token expires (client credentials)": Fault(_tokens_expire, before=_client_credentials),
    "token file rotated": Fault(_token_rotates, before=_token_file),
}
