"""What the package promises to export, and what importing it must not cost."""

import subprocess
import sys
from pathlib import Path

import pytest

import vaultconfig

HEAVY = ("httpx", "click", "starlette", "uvicorn", "yaml", "vaultconfig.masking.printing")


def modules_after(code: str, *, directory: Path, **environment: str) -> set[str]:
    """Return which of the heavy modules a fresh Python has loaded after *code*."""
    told = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", told],
        cwd=directory,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_public_names_are_exact() -> None:
    """``vaultconfig.__all__`` changes on purpose only."""
    assert vaultconfig.__all__ == [
        "Change",
        "ClientCredentials",
        "Health",
        "LiveSettings",
        "Provenance",
        "Secret",
        "StaticToken",
        "TokenFile",
        "VaultClient",
        "VaultConfigDict",
        "VaultRef",
        "VaultSettings",
        "VaultSettingsSource",
        "provenance",
    ]
    assert all(hasattr(vaultconfig, name) for name in vaultconfig.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Loading names late hides no misspelling."""
    with pytest.raises(AttributeError, match="VaultSetings"):
        _ = vaultconfig.VaultSetings


def test_a_mistake_of_a_dependency_shows(tmp_path: Path) -> None:
    """An AttributeError inside of a module that is loaded late is not taken for a missing name."""
    (tmp_path / "httpx.py").write_text("import os\nos.nothing_like_that()\n")
    done = subprocess.run(
        [sys.executable, "-c", "from vaultconfig import VaultClient"],
        env={"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "httpx.py" in done.stderr
    assert "has no attribute 'nothing_like_that'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    ["import vaultconfig", "from vaultconfig import VaultSettings, VaultSettingsSource, VaultRef"],
)
def test_importing_is_light(tmp_path: Path, code: str) -> None:
    """Importing it, and what a settings class is made of, loads only what every program needs."""
    assert modules_after(code, directory=tmp_path) == set()


def test_a_development_start_on_dotenv_alone_loads_no_http_library(tmp_path: Path) -> None:
    """With no credentials in development nothing is sent, nor is httpx imported."""
    (tmp_path / ".env").write_text("TOKEN=from-dotenv\n")
    code = """
from typing import Annotated
from vaultconfig import VaultSettings

class Settings(VaultSettings):
    token: Annotated[str, "vault:environments/{environment}/app#token"]

assert Settings().token == "from-dotenv"
"""
    loaded = modules_after(code, directory=tmp_path, VAULTCONFIG_ENVIRONMENT="development")
    assert loaded == set()
