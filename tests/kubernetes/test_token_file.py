"""A token file in a mounted Secret, while the kubelet replaces it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.kubernetes.manifests import EXAMPLES, MountedSecret
from vaultconfig.client.auth import TokenFile
from vaultconfig.errors import ConfigurationError

SWAPS = 600  # of a hundred about one hits a read
KUBELET = """
import sys
from pathlib import Path
from tests.kubernetes.manifests import MountedSecret

secret = MountedSecret(Path(sys.argv[1]), {"token": "token-0"})
print("mounted", flush=True)
for number in range(1, int(sys.argv[2]) + 1):
    secret.replace({"token": f"token-{number}"})
"""


def token_of(file: TokenFile) -> int:
    """Return the number of the token with which a request is signed now."""
    signed = next(file.auth_flow(httpx.Request("GET", "http://127.0.0.1")))
    return int(signed.headers["Authorization"].removeprefix("Bearer token-"))


def test_every_read_finds_a_token(tmp_path: Path) -> None:
    """A read in the middle of a swap gives the old or the new token, and never goes back."""
    command = [sys.executable, "-W", "error", "-c", KUBELET, str(tmp_path / "token"), str(SWAPS)]
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLES.parents[1])}
    file = TokenFile(tmp_path / "token" / "token")
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as kubelet:
        assert kubelet.stdout is not None
        assert kubelet.stdout.readline() == b"mounted\n"
        found = [token_of(file)]
        while kubelet.poll() is None:
            found.append(token_of(file))
    assert kubelet.returncode == 0
    assert found == sorted(found)
    assert token_of(file) == SWAPS


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """A key that the Secret has no more is an error that names the file."""
    secret = MountedSecret(tmp_path / "token", {"token": "token-1"})
    file = TokenFile(secret.path / "token")
    secret.replace({"other": "token-2"})
    with pytest.raises(ConfigurationError, match=r"token/token can't be read \(No such file"):
        token_of(file)
