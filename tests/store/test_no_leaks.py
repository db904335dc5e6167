"""Neither a value, a path, the key nor a password shows because of a store, whatever is wrong."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr

from tests.leaks import (
    CANARIES,
    CLIENT_SECRET,
    NEEDLES,
    TOKEN,
    Shown,
    attempt,
    failure_of,
    vault_of_canaries,
    watched,
)
from tests.live.rig import heard
from tests.valkey import Valkey
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.connection.connection import read_connection
from vaultconfig.connection.environment import Environment
from vaultconfig.connection.store_settings import with_store
from vaultconfig.devserver import DevServer
from vaultconfig.references import VaultRef
from vaultconfig.vaults.shared import close_vaults, vault_for
from vaultconfig.vaults.sharing import Sharing

# The key is a canary, as bytes and in base64, and so is the password of the server.
KEY = base64.b64encode(TOKEN.encode() + b"0123456789abcd").decode()
OTHER = base64.b64encode(b"o" * 32).decode()
PATH = "environments/pa7h-canary/db"


class Settings(VaultSettings):
    one: Annotated[str, "vault:app#text"]
    two: Annotated[SecretStr, "vault:app#url"]
    rest: Annotated[dict[str, Any], "vault:app#object"]
    deep: Annotated[str, f"vault:{PATH}#password"]
    absent: Annotated[str, f"vault:{PATH}/absent?optional#x"] = ""


class Number(VaultSettings):
    """What is stored does not fit it."""

    one: Annotated[int, "vault:app#text"]
    two: Annotated[list[int], "vault:app#url"]


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with vault_of_canaries(tmp_path, monkeypatch) as vault:
        vault.put(PATH, {"password": CANARIES["text"]})
        monkeypatch.setenv("VAULTCONFIG_DEADLINE", "2")
        # In full: what a relative one means is remembered, and a port may come a second time.
        monkeypatch.setenv("VAULTCONFIG_STORE", f"file:{tmp_path}/kept")
        monkeypatch.setenv("VAULTCONFIG_STORE_KEY", KEY)
        monkeypatch.setenv("VAULTCONFIG_APPLICATION", "shop")
        yield vault


@pytest.fixture
def shown(vault: DevServer, capfd: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    with watched(capfd) as shown:
        yield shown


def anew(shown: Shown, where: str, settings_cls: type[VaultSettings] = Settings) -> None:
    """Load as a process does that has just been started."""
    close_vaults()
    attempt(shown, settings_cls, where)


def entries() -> list[Path]:
    return sorted(f for f in Path("kept").rglob("*") if f.is_file() and f.name != "lock")


def legible(text: str) -> list[str]:
    """Return what can be read in *text*: of values, the key, and paths."""
    parts = [needle for needle in NEEDLES if needle in text]
    return parts + [part for part in (PATH, "pa7h-canary", "absent") if part in text]


def rewritten(change: Callable[[bytes], bytes]) -> None:
    for entry in entries():
        entry.write_bytes(change(entry.read_bytes()))


def swapped() -> None:
    contents = [entry.read_bytes() for entry in entries()]
    for entry, content in zip(entries(), contents[1:] + contents[:1], strict=True):
        entry.write_bytes(content)


def unusable() -> None:
    for scope in Path("kept").iterdir():
        scope.chmod(0o777)


def a_file() -> None:
    os.rename("kept", "before")
    Path("kept").write_text(CANARIES["text"])


DAMAGE: Mapping[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "flipped": lambda: rewritten(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
    "truncated": lambda: rewritten(lambda raw: raw[:30]),
    "empty": lambda: rewritten(lambda raw: b""),
    "another format": lambda: rewritten(lambda raw: raw[:16] + b"\x09" + raw[17:]),
    "plain text": lambda: rewritten(lambda raw: raw[:16] + str(CANARIES).encode()),
    "huge": lambda: rewritten(lambda raw: raw + bytes(2 << 20)),
    "swapped": swapped,
    "others can write to it": unusable,
    "a file": a_file,
    "another key": lambda: os.environ.update(VAULTCONFIG_STORE_KEY=OTHER),
    "two keys": lambda: os.environ.update(VAULTCONFIG_STORE_KEY=f"{OTHER},{KEY}"),
    "too old": lambda: os.environ.update(VAULTCONFIG_MAX_STALE="0", VAULTCONFIG_TTL="0.001"),
    "a wrong token": lambda: os.environ.update(SCAIVAULT_TOKEN="wrong"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_directory(
    shown: Shown, vault: DevServer, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of it, with a vault and without one, for fields that fit and that do not."""
    for name in ("VAULTCONFIG_STORE_KEY", "SCAIVAULT_TOKEN", "VAULTCONFIG_TTL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # and put back in the end
    monkeypatch.setenv("VAULTCONFIG_MAX_STALE", "60")
    anew(shown, "the first")
    files = [(entry.name, entry.read_bytes().decode("latin-1")) for entry in entries()]
    assert len(files) >= 4
    assert [part for file in files for text in file for part in legible(text)] == []
    DAMAGE[damage]()
    anew(shown, damage)
    anew(shown, f"{damage}, and it does not fit", Number)
    vault.stop()
    anew(shown, f"{damage}, without a vault")
    anew(shown, f"{damage}, without a vault, and it does not fit", Number)


def test_what_verdicts_do(shown: Shown, vault: DevServer) -> None:
    """A secret that is denied or deleted, or a replica that lags, shows no value either."""
    anew(shown, "the first")
    vault.deny("app")
    live = LiveSettings(Settings)
    live.on_error(lambda error: shown.error(error, "on_error"))
    close_vaults()
    live.load()
    for _ in range(3):
        shown.error(failure_of(live.refresh), "denied")
    shown.add("health", live.health())
    heard(live)
    live.close()
    anew(shown, "denied")


def test_live_settings_in_an_outage(shown: Shown, vault: DevServer) -> None:
    """Log, health and errors of settings that came from the store name what they always name."""
    anew(shown, "the first")
    vault.stop()
    close_vaults()
    live = LiveSettings(Settings)
    live.load()
    shown.error(failure_of(live.refresh), "refresh")
    shown.settings(live.current, "from the store")
    shown.add("health", live.health())
    live.close()


def test_reprs(shown: Shown) -> None:
    """Nothing that holds keys, the password or entries prints them."""
    anew(shown, "the first")
    environ = {**os.environ, "VAULTCONFIG_STORE": f"redis://u:{CLIENT_SECRET}@127.0.0.1:1/0"}
    for given in (os.environ, environ):
        connection = with_store(read_connection(given), Environment(None), {})
        vault = vault_for(connection)
        assert connection.store_settings is not None
        assert vault.store is not None
        for item in (connection, connection.store_settings, vault, vault.store):
            shown.add(type(item).__name__, f"{item!r} {item} {vars(item) if item is vault else ''}")
        shown.add("attributes", vars(vault.store))
        shown.add("its parts", [vars(part) for part in vault.store._seals])
        shown.add("place", connection.store_settings.place)
        lifetimes = vault.lifetimes([VaultRef("vault:app#text")])
        found = Sharing(vault.store, vault.cache, {}).find(lifetimes)
        assert len(found) == (given is os.environ)
        shown.add("found", found)


MISTAKES: Mapping[str, Mapping[str, str]] = {
    "the key is no key": {"VAULTCONFIG_STORE_KEY": TOKEN},
    "the second is none": {"VAULTCONFIG_STORE_KEY": f"{OTHER},{TOKEN}"},
    "the key is in quotes": {"VAULTCONFIG_STORE_KEY": f'"{KEY}"'},
    "two sources": {"VAULTCONFIG_STORE_KEY_FILE": "somewhere"},
    "a password for an address": {"VAULTCONFIG_STORE": CLIENT_SECRET},
    "an unknown kind": {"VAULTCONFIG_STORE": f"valkey://u:{CLIENT_SECRET}@host"},
    "a password that is not encoded": {"VAULTCONFIG_STORE": f"redis://u:/{CLIENT_SECRET}@host"},
    "a port that is none": {"VAULTCONFIG_STORE": f"redis://host:{CLIENT_SECRET}"},
    "a file for TLS": {
        "VAULTCONFIG_STORE": f"rediss://u:{CLIENT_SECRET}@127.0.0.1:1?ssl_ca_certs=nowhere"
    },
    "an option that is unknown": {"VAULTCONFIG_STORE": f"redis://h?pass={CLIENT_SECRET}"},
    "a password of the key of TLS": {
        "VAULTCONFIG_STORE": f"rediss://127.0.0.1:1?ssl_password={CLIENT_SECRET}@x"
    },
    "nothing listens": {"VAULTCONFIG_STORE": f"redis://u:{CLIENT_SECRET}@127.0.0.1:1"},
    "a name that is unknown": {"VAULTCONFIG_STORE": f"redis://u:{CLIENT_SECRET}@h.invalid"},
    "a key for the application": {"VAULTCONFIG_APPLICATION": f"{KEY}\n"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(shown: Shown, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    """A mistake in the configuration is named, and what was written there is not."""
    for name, value in MISTAKES[mistake].items():
        monkeypatch.setenv(name, value)
    anew(shown, mistake)


@pytest.mark.parametrize("content", [TOKEN, f"{KEY}\nü", f"{OTHER},{KEY}{TOKEN}", ""])
def test_a_file_with_the_key(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, content: str, tmp_path: Path
) -> None:
    """What stands in the file of the key does not show."""
    (tmp_path / "key").write_text(content)
    monkeypatch.delenv("VAULTCONFIG_STORE_KEY")
    monkeypatch.setenv("VAULTCONFIG_STORE_KEY_FILE", "key")
    anew(shown, "file")


SPOIL: Mapping[str, tuple[str, ...]] = {
    "nothing": ("PING",),
    "another password": ("ACL", "SETUSER", "shop", "resetpass", ">other"),
    "no permission": ("ACL", "SETUSER", "shop", "-@all"),
    "read-only": ("REPLICAOF", "127.0.0.1", "1"),
    "full": ("CONFIG", "SET", "maxmemory", "1"),
    "emptied": ("FLUSHALL",),
    "another kind of value": (
        "EVAL",
        "for _, k in ipairs(redis.call('KEYS', '*')) do "
        "redis.call('DEL', k) redis.call('LPUSH', k, 'x') end",
        "0",
    ),
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_server(
    shown: Shown, vault: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: str
) -> None:
    """Nor on a server: not in its keys and values, nor in what is said when it fails."""
    with Valkey(tmp_path) as valkey:
        valkey.run("ACL", "SETUSER", "shop", "on", f">{CLIENT_SECRET}", "+@all", "~*")
        address = f"redis://shop:{CLIENT_SECRET}@127.0.0.1:{valkey.port}/3"
        monkeypatch.setenv("VAULTCONFIG_STORE", address)
        anew(shown, "the first")
        kept = valkey.run(
            "EVAL",
            "redis.call('SELECT', 3) local t = {} for _, k in ipairs("
            "redis.call('KEYS', '*')) do t[#t + 1] = k t[#t + 1] = "
            "redis.call('GET', k) end return t",
            "0",
        )
        assert len(kept) >= 8
        assert [part for raw in kept for part in legible(raw.decode("latin-1"))] == []
        valkey.run(*SPOIL[spoil])
        anew(shown, spoil)
        anew(shown, f"{spoil}, and it does not fit", Number)
        vault.stop()
        anew(shown, f"{spoil}, without a vault")
    anew(shown, "both are away")
    close_vaults()
