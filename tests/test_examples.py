"""What a newcomer runs, as a newcomer runs it: real processes in an empty directory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of
from vaultconfig.devserver import DevServer

EXAMPLES = ROOT / "examples"
QUICKSTART = "environments/production/salesforce/api-credentials"
COMMAND = (sys.executable, "-W", "error", "-c", "from vaultconfig.cli import main; main()")


def environment(**variables: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "127.0.0.1",
        **variables,
    }


def python(file: Path | str, directory: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", file],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_quickstart_against_a_vault(vault: DevServer, tmp_path: Path) -> None:
    """It reads the credential, masks it, and tells its version."""
    vault.put(QUICKSTART, {"client_id": "canary-id", "client_secret": "canary-secret"})
    told = python(
        EXAMPLES / "quickstart.py",
        tmp_path,
        SCAIVAULT_URL=vault.url,
        SCAIVAULT_TOKEN=vault.token,
        VAULTCONFIG_ENVIRONMENT="production",
    )
    assert f"salesforce: vault {QUICKSTART}, version 1" in told
    assert "signing_key: default" in told
    assert "canary" not in told
    assert len(vault.requests) == 1


def test_the_quickstart_from_its_env_file(tmp_path: Path) -> None:
    """Copied as it is, `.env.example` lets it run without a vault."""
    shutil.copy(EXAMPLES / ".env.example", tmp_path / ".env")
    told = python(EXAMPLES / "quickstart.py", tmp_path, VAULTCONFIG_ENVIRONMENT="development")
    assert "salesforce.client_secret: .env" in told
    assert "your-sandbox-secret" not in told


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A directory with the files that the README has one save, but for the last, its `.env`."""
    for block in blocks_of(ROOT / "README.md"):
        if block.file and block.file != ".env":
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def exports(readme: Path) -> Iterator[dict[str, str]]:
    """What the README's dev server says to paste, while it runs."""
    command = [*COMMAND, "dev-server", "--seed", "secrets.toml", "--port", "0"]
    with subprocess.Popen(
        command, cwd=readme, env=environment(), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        lines = list(iter(server.stdout.readline, "Ctrl-C ends it.\n"))
        pasted = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
        yield dict(variable.split("=", 1) for variable in pasted)
        server.terminate()


def test_the_first_minute_of_the_readme(readme: Path, exports: dict[str, str]) -> None:
    """Its seed, its dev server and its class give the value that it says."""
    shown = next(block for block in blocks_of(ROOT / "README.md") if block.language == "console")
    told = python("app.py", readme, **exports)
    assert f"$ python app.py\n{told}" == shown.text
