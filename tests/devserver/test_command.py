"""``vaultconfig dev-server`` as a process."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

RUN = "from vaultconfig.cli import main; main()"
Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start the command; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def launch(*args: str) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", RUN, "dev-server", *args],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        )
        return running[-1]

    yield launch
    for process in running:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> httpx.Client:
    """Read what the command prints, and return a client made of the lines to paste."""
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        line = process.stdout.readline()
        assert line, process.communicate()
        lines.append(line)
    pasted = [shlex.split(line) for line in lines if line.startswith("export ")]
    variables = dict(word.split("=", 1) for _, word in pasted)
    assert set(variables) == {"SCAIVAULT_URL", "SCAIVAULT_TOKEN"}
    return httpx.Client(
        base_url=variables["SCAIVAULT_URL"],
        headers={"Authorization": f"Bearer {variables['SCAIVAULT_TOKEN']}"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(launch: Launch, ending: signal.Signals) -> None:
    """A signal ends it with 0 within seconds, whatever is open, and it says nothing more."""
    process = launch("--port", "0")
    with ready(process) as http:
        http.put("/v1/secrets/a", json={"data": {"x": "canary"}})
        began = time.monotonic()
        process.send_signal(ending)
        assert finish(process) == (0, "", "")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("option", ["--seed", "--state"])
def test_a_file_that_never_ends(launch: Launch, tmp_path: Path, option: str) -> None:
    """What waits for a FIFO is ended by Ctrl-C like any other command."""
    os.mkfifo(tmp_path / "f.toml")
    process = launch("--port", "0", option, str(tmp_path / "f.toml"))
    with open(tmp_path / "f.toml", "w"):  # so it is being read
        process.send_signal(signal.SIGINT)
        assert finish(process)[0] != 0


def test_limits_are_on(launch: Launch) -> None:
    """The documented limits hold unless they are switched off."""
    with ready(launch("--port", "0")) as http:
        assert http.get("/v1/auth/whoami").headers["X-RateLimit-Limit"] == "300"
    with ready(launch("--port", "0", "--no-rate-limits", "--token", "dev'token$")) as http:
        assert "X-RateLimit-Limit" not in http.get("/v1/auth/whoami").headers


def test_quickstart_only_and_seed(launch: Launch, tmp_path: Path) -> None:
    """The switches reach the server."""
    (tmp_path / "seed.toml").write_text('["a/b"]\nx = 1\n')
    with ready(launch("--port", "0", "--quickstart-only", "--seed", "seed.toml")) as http:
        assert http.get("/v1/secrets/a/b").json()["data"] == {"x": 1}
        assert http.post("/v1/secrets/batch", json={"paths": []}).status_code == 405


def test_a_kill_loses_nothing_acknowledged(launch: Launch) -> None:
    """After SIGKILL in the middle of writes, all that was answered is there, and no seed wins."""
    first = launch("--port", "0", "--state", "state.json", "--no-rate-limits")
    acknowledged = 0
    with ready(first) as http:
        for number in range(20):
            acknowledged = http.put("/v1/secrets/a", json={"data": {"n": number}}).json()["version"]
        first.kill()
        first.communicate()
    with ready(launch("--port", "0", "--state", "state.json")) as http:
        secret = http.get("/v1/secrets/a").json()
        assert (secret["version"], secret["data"]) == (acknowledged, {"n": 19})


def test_faults_over_http(launch: Launch) -> None:
    """A server in another process is told of faults with its own token."""
    with ready(launch("--port", "0")) as http:
        http.post("/_dev/faults", json={"code": "service_unavailable", "times": 1})
        assert http.get("/v1/health").status_code == 503
        assert http.get("/v1/health").status_code == 200


def test_a_port_that_is_taken(launch: Launch) -> None:
    """It says which, and what to do, with exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = finish(launch("--port", str(port)))
    assert (code, out) == (3, "")
    assert f"port {port} of 127.0.0.1 is taken: stop what runs there" in err
    assert "Traceback" not in err


def test_files_that_are_wrong(launch: Launch, tmp_path: Path) -> None:
    """A malformed seed and a damaged state file are exit code 3, one line, and stay as they are."""
    (tmp_path / "seed.json").write_text('{"a": "canary"')
    (tmp_path / "state.json").write_text("canary")
    for args, said in (
        (("--seed", "seed.json"), "seed seed.json: it is not JSON (line 1, column 15)"),
        (("--state", "state.json"), "state.json is not a state file of this version"),
    ):
        code, out, err = finish(launch("--port", "0", *args))
        assert (code, out) == (3, "")
        assert said in err
        assert "canary" not in err
        assert len(err.splitlines()) == 1
    assert (tmp_path / "state.json").read_text() == "canary"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_loopback_only(launch: Launch, host: str) -> None:
    """A host that others can reach takes a flag of its own; without it that is a usage error."""
    code, _, err = finish(launch("--port", "0", "--host", host))
    assert code == 2
    assert "--allow-remote" in err


def test_remote_when_told(launch: Launch) -> None:
    """With the flag it listens wherever it is told."""
    process = launch("--port", "0", "--host", "0.0.0.0", "--allow-remote")
    with ready(process) as http:
        assert http.get("/v1/health").status_code == 200


def test_usage(launch: Launch) -> None:
    """A port that is out of range is a usage error."""
    assert finish(launch("--port", "65536"))[0] == 2
