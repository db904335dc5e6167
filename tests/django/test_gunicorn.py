"""The example under gunicorn with four workers, driven over HTTP."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from tests.django.site import EXAMPLE, WEB, Gunicorn, eventually, gunicorn, manage
from vaultconfig.devserver import DevServer


def fingerprint(secret: str) -> str:
    return hashlib.sha256(b"fingerprint of " + secret.encode()).hexdigest()[:12]


def all_show(server: Gunicorn, secret: str) -> set[int]:
    """Return the pids once four processes have shown the fingerprint of *secret*, and only it."""
    shown: dict[int, str] = {}

    def is_so() -> bool:
        shown.update(server.keys())
        alive = {pid: key for pid, key in shown.items() if Path(f"/proc/{pid}").exists()}
        return len(alive) == 4 and set(alive.values()) == {fingerprint(secret)}

    eventually(is_so)
    return {pid for pid in shown if Path(f"/proc/{pid}").exists()}


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["each loads", "preload"])
def test_a_rotation_reaches_all_workers(
    site_vault: DevServer, sqlite: dict[str, str], preload: tuple[str, ...]
) -> None:
    """All four show the new value; killed ones come back and do too; nothing is left behind."""
    with gunicorn("-w", "4", *preload, "project.wsgi", environment=sqlite) as server:
        first = all_show(server, "canary-signing-1")
        site_vault.rotate(WEB, {"secret_key": "k" * 50, "signing_key": "canary-signing-2"})
        assert all_show(server, "canary-signing-2") == first
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in first))
        second = all_show(server, "canary-signing-2")
        assert not first & second
        site_vault.rotate(WEB, {"secret_key": "k" * 50, "signing_key": "canary-signing-3"})
        assert all_show(server, "canary-signing-3") == second
        assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in second)
    assert "rotated: " in server.text
    assert "Traceback" not in server.text
    assert "canary" not in server.text
    created = [r for r in site_vault.requests if r.method == "POST" and "subscriptions" in r.path]
    deleted = {r.path for r in site_vault.requests if r.method == "DELETE"}
    assert len(deleted) == len(created) - 4  # all but those of the four that were killed


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["each loads", "preload"])
def test_no_start_without_the_vault(
    site_vault: DevServer, sqlite: dict[str, str], preload: tuple[str, ...]
) -> None:
    """A dead vault ends the start with one clear sentence, and not with 0."""
    site_vault.stop()
    environment = sqlite | {"VAULTCONFIG_DEADLINE": "1"}
    server = Gunicorn(
        *("-w", "1", *preload, "project.wsgi"), environment=environment, directory=EXAMPLE
    )
    assert server.process.wait(20) != 0
    sentence = "ImproperlyConfigured: Settings could not be loaded: "
    (line,) = [line for line in server.text.splitlines() if sentence in line]
    assert "127.0.0.1" in line
    if preload:
        assert server.text.splitlines()[-1] == line


def test_no_command_without_the_vault(site_vault: DevServer, sqlite: dict[str, str]) -> None:
    """The last line of ``manage.py`` says what is wrong, in plain words."""
    site_vault.stop()
    done = manage("migrate", **sqlite, VAULTCONFIG_DEADLINE="1")
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert "Settings could not be loaded: " in last
    assert "127.0.0.1" in last
