"""Faults around us: versions, clocks, tokens, the process, its machine, and the store."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from tests.client.scripted import Asked, Reply
from tests.matrix.fault import Fault, Interruption, Succession, Trouble, instead
from tests.matrix.world import World
from tests.valkey import Valkey

NOBODY: Final = 65534


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
    world.clock.advance(8 * 3600.0)


def _client_credentials(world: World) -> None:
    world.patch.delenv("SCAIVAULT_TOKEN")
    world.patch.setenv("SCAIKEY_CLIENT_ID", "shop")
    world.patch.setenv("SCAIKEY_CLIENT_SECRET", "not-a-secret")
    world.patch.setenv("SCAIKEY_TOKEN_URL", f"{world.vault.url}/token")


def _tokens_expire(world: World) -> None:
    """Let the token in use end, or else the first one, before it is used."""
    world.vault.tokens.clear()
    world.vault.stillborn = 0 if world.vault.issued else 1


def _issuer(reply: Reply, told: str) -> Fault:
    """Have the token end, and *reply* come in the place of the next one."""

    def begins(world: World) -> None:
        world.vault.tokens.clear()
        world.vault.issues = reply

    return Fault(begins, told, before=_client_credentials)


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


SURROUNDINGS: Final[Mapping[str, Trouble]] = {
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
    "Redis lost in mid-lease": instead(
        _lose_redis_in_mid_lease, "the store can't be used", before=_on_redis
    ),
    "leader killed": Succession(signal.SIGKILL),
    "leader stopped": Succession(signal.SIGSTOP),
    "access token expires (client credentials)": Fault(_tokens_expire, before=_client_credentials),
    "token endpoint rejects the client": _issuer(
        Reply(401, {"error": "invalid_client"}), "invalid_client"
    ),
    "token endpoint is unavailable": _issuer(Reply(503), "status 503"),
    "token file rotated": Fault(_token_rotates, before=_token_file),
}
