"""What a newcomer runs, as a newcomer runs it: real processes in an empty directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT
from vaultconfig.devserver import DevServer

EXAMPLES = ROOT / "examples"
QUICKSTART = "environments/production/salesforce/api-credentials"


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
