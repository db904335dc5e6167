"""The pytest plugin, run by pytest in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vaultconfig.connection.connection import Connection


def run(directory: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in *directory* with only our plugin."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def run_pytest(directory: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(text)
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "-p", "vaultconfig.testing")
    return run(directory, "-m", "pytest", *options, **environment)


def test_loading_it_is_cheap(tmp_path: Path) -> None:
    """Nothing that serves or asks is imported before a fixture is used."""
    code = (
        "import sys, vaultconfig.testing\n"
        "heavy = {'starlette', 'uvicorn', 'httpx', 'yaml', 'click'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr


def test_each_test_has_a_vault_of_its_own(tmp_path: Path) -> None:
    """``vault`` runs, and neither contents, tokens, faults nor holds outlive a test."""
    text = """
import json, urllib.error, urllib.request
import pytest

TOKENS = set()

def read(vault, path):
    headers = {"Authorization": f"Bearer {vault.token}"}
    request = urllib.request.Request(f"{vault.url}/v1/secrets/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)

@pytest.mark.parametrize("run", range(3))
def test_it(vault, run):
    TOKENS.add(vault.token)
    assert len(TOKENS) == run + 1
    assert not vault.requests
    assert vault.put("a", {"x": run}) == 1
    assert read(vault, "a")["data"] == {"x": run}
    vault.fault(status=500)
    vault.hold("b")
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(vault, "a")
    caught.value.close()
"""
    done = run_pytest(tmp_path, text)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_vault_env_points_the_process_at_it(tmp_path: Path) -> None:
    """The environment names this server and nothing else, until the test is over."""
    text = """
import os

def test_during(vault_env):
    assert os.environ["SCAIVAULT_URL"] == vault_env.url
    assert os.environ["SCAIVAULT_TOKEN"] == vault_env.token
    assert os.environ["VAULTCONFIG_ENVIRONMENT"] == "staging"
    assert os.environ["NO_PROXY"] == "internal,127.0.0.1"
    assert os.environ["no_proxy"].endswith("127.0.0.1")
    left = [n for n in os.environ if n.startswith(("SCAIKEY_", "SCAIVAULT_", "VAULTCONFIG_"))]
    assert sorted(left) == ["SCAIVAULT_TOKEN", "SCAIVAULT_URL", "VAULTCONFIG_ENVIRONMENT"]

def test_the_same(vault_env, vault):
    assert vault is vault_env

def test_after():
    assert os.environ["SCAIVAULT_URL"] == "https://vault.example"
    assert os.environ["SCAIKEY_CLIENT_ID"] == "x"
"""
    names = [str(field.alias) for field in Connection.model_fields.values()]
    assert {"SCAIVAULT_TOKEN", "SCAIKEY_CLIENT_ID", "VAULTCONFIG_ALLOW_HTTP"} <= set(names)
    environment = {
        **dict.fromkeys(names, "x"),
        "SCAIVAULT_URL": "https://vault.example",
        "VAULTCONFIG_ENVIRONMENT": "staging",
        "NO_PROXY": "internal",
    }
    done = run_pytest(tmp_path, text, **environment)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra(tmp_path: Path, missing: str) -> None:
    """The fixture fails with what to install, and no traceback."""
    (tmp_path / "conftest.py").write_text(
        f"import sys\nsys.modules[{missing!r}] = None\n"  # as if it were not installed
    )
    done = run_pytest(tmp_path, "def test_it(vault): ...\n")
    assert f"needs {missing}: pip install 'scaivault-config[dev-server]'" in done.stdout
    assert "Traceback" not in done.stdout
