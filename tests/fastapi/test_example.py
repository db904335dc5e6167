"""The service of examples/fastapi_app as real processes, driven over HTTP."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fastapi.conftest import CANARY, PATH
from tests.live.rig import LONG, VERY_LONG, eventually
from vaultconfig.devserver import DevServer

APP = Path(__file__).parents[2] / "examples" / "fastapi_app"
Launch = Callable[..., "Service"]


class Service:
    """uvicorn with the application in *directory*, and what it has said so far."""

    def __init__(self, directory: Path, *args: str) -> None:
        self.said = ""
        self.url = ""
        command = [sys.executable, "-W", "error", "-m", "uvicorn", "main:app", "--port", "0", *args]
        path = os.pathsep.join(filter(None, sys.path))
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def listening(self) -> Service:
        """Return once it has told its address and answers there."""
        while not self.url:
            assert self.process.stderr is not None
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
            found = re.search(r"running on (http://127.0.0.1:\d+)", line)
            self.url = found[1] if found else ""
        eventually(self.answers)  # a parent tells the address before its workers listen
        return self

    def answers(self) -> bool:
        try:
            return self.get("/livez").status_code == 200
        except httpx.ConnectError:
            return False

    def sign(self) -> dict[str, str]:
        """Have a text signed, over a connection of its own, so that any worker may answer."""
        answer = httpx.post(f"{self.url}/signatures", json={"text": "hello"}, timeout=LONG)
        assert answer.status_code == 200
        assert CANARY not in answer.text
        signed: dict[str, str] = answer.json()
        return signed

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=LONG)

    def ended(self) -> int:
        """Wait for its end, and return the exit code."""
        self.said += self.process.communicate(timeout=30)[1]  # less than a poll takes
        return self.process.returncode


@pytest.fixture
def launch(vault_env: DevServer) -> Iterator[Launch]:
    """Start the service; whatever still runs at the end is killed."""
    running: list[Service] = []

    def launch(*args: str, directory: Path = APP) -> Service:
        running.append(Service(directory, *args))
        return running[-1]

    yield launch
    for service in running:
        service.process.send_signal(signal.SIGTERM)  # the parent ends its workers
        try:
            service.process.communicate(timeout=LONG)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.communicate()


def subscribed(vault: DevServer) -> int:
    """Return how many processes follow the vault, which they do once they have loaded."""
    return len([request for request in vault.requests if request.path == "/v1/subscriptions"])


def test_a_rotation_is_taken_up_without_a_restart(filled: DevServer, launch: Launch) -> None:
    """The old key, a rotation, and the new key minutes before the ttl is over."""
    service = launch().listening()
    old = service.sign()["key"]
    assert service.get("/readyz").json()["state"] == "fresh"
    eventually(lambda: subscribed(filled) == 1)
    filled.put(PATH, {"key": f"{CANARY}-2"})
    eventually(lambda: service.sign()["key"] != old)
    assert service.process.poll() is None


def test_without_subscriptions_the_ttl_brings_it(
    filled: DevServer, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the vault announces nothing, the new key is there after the ttl."""
    filled.fault(path="/v1/subscriptions", code="access_denied")
    monkeypatch.setenv("VAULTCONFIG_TTL", "1")
    service = launch().listening()
    old = service.sign()["key"]
    filled.put(PATH, {"key": f"{CANARY}-2"})
    eventually(lambda: service.sign()["key"] != old)


def test_both_of_two_workers_take_it_up(filled: DevServer, launch: Launch) -> None:
    """Each worker loads and refreshes by itself; after a rotation no answer is an old one."""
    service = launch("--workers", "2").listening()
    old = service.sign()["key"]
    eventually(lambda: subscribed(filled) == 2)
    filled.put(PATH, {"key": f"{CANARY}-2"})
    eventually(lambda: all(service.sign()["key"] != old for _ in range(20)))


def test_an_outage_is_told_and_survived(
    filled: DevServer, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the vault down the service signs on, ready and stale, and lives."""
    monkeypatch.setenv("VAULTCONFIG_TTL", "1")
    service = launch().listening()
    old = service.sign()["key"]
    filled.stop()
    eventually(lambda: service.get("/readyz").json()["state"] == "stale")
    assert service.get("/readyz").status_code == 200
    assert service.sign()["key"] == old
    assert service.get("/livez").status_code == 200


def test_without_a_vault_it_does_not_start(
    filled: DevServer, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is not zero, the last line says why, and nothing shows the token."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", "0.5")
    filled.stop()
    service = launch()
    assert service.ended() != 0
    last = service.said.strip().splitlines()[-1]
    assert last.startswith(f"the application does not start without its settings: {filled.url}")
    assert filled.token not in service.said


def test_without_its_secret_it_does_not_start(vault_env: DevServer, launch: Launch) -> None:
    """The last line names the field, the reference, and what to do."""
    service = launch()
    assert service.ended() != 0
    last = service.said.strip().splitlines()[-1]
    assert "signing_key (vault:environments/production/signer#key)" in last
    assert "there is no secret" in last
    assert vault_env.token not in service.said


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_it(
    filled: DevServer, launch: Launch, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends beside a long poll that is under way, and a vault that does not answer."""
    monkeypatch.setenv("VAULTCONFIG_DEADLINE", str(VERY_LONG))
    service = launch("--workers", str(workers)).listening()
    eventually(lambda: subscribed(filled) == workers)
    filled.hold()
    service.process.send_signal(signal.SIGTERM)
    service.ended()
    assert "Traceback" not in service.said
    filled.release()


def test_it_reloads(filled: DevServer, launch: Launch, tmp_path: Path) -> None:
    """With `--reload` a change of the code gives a process with settings of its own."""
    main = tmp_path / "main.py"
    shutil.copy(APP / "main.py", main)
    service = launch("--reload", directory=tmp_path).listening()
    assert service.sign()["issuer"] == "signer"
    main.write_text(main.read_text().replace('"signer"', '"another"', 1))
    eventually(lambda: service.sign()["issuer"] == "another")
    assert CANARY not in service.said
