"""A user's type checker: what the public names say to it, without pydantic's plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks_of

BIN = Path(sys.executable).parent
# `make check` has mypy with pydantic's plugin look at the same uses.
CHECKERS = {
    "pyright": ["pyright"],
    "basedpyright": ["basedpyright"],
    "mypy": ["mypy", "--strict", "--config-file="],
}
PUBLIC_MODULES = (
    *("vaultconfig", "vaultconfig.errors", "vaultconfig.testing", "vaultconfig.devserver"),
    *("vaultconfig.fastapi", "vaultconfig.asgi", "vaultconfig.django", "vaultconfig.redaction"),
    *(f"vaultconfig.drivers.{name}" for name in ("asyncpg", "psycopg", "redis", "sqlalchemy")),
)


def run(*command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # where pyright looks for python
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def check(checker: str, directory: Path) -> None:
    (directory / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    files = sorted(file.name for file in directory.glob("*.py"))
    done = run(*CHECKERS[checker], *files, directory=directory)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_a_user_writes(checker: str, tmp_path: Path) -> None:
    """README's first program, and a use of each public name, are clean and of the asserted types.

    Both in one run: most of the time goes into reading pydantic.
    """
    blocks = blocks_of(ROOT / "README.md")
    (program,) = (block.text for block in blocks if block.file == "app.py")
    (tmp_path / "app.py").write_text(program)
    shutil.copy(ROOT / "tests" / "typing_uses.py", tmp_path)
    check(checker, tmp_path)


def test_a_missing_argument_is_told_of_the_class_alone(tmp_path: Path) -> None:
    """The check can fail: pyright reports ``Settings()`` where a field has no default."""
    (tmp_path / "app.py").write_text(
        "from vaultconfig import VaultSettings\n\n\n"
        "class Settings(VaultSettings):\n    name: str\n\n\nSettings()\n"
    )
    with pytest.raises(AssertionError, match="reportCallIssue"):
        check("pyright", tmp_path)


def public_names() -> Iterator[str]:
    for module in map(import_module, PUBLIC_MODULES):
        for name in getattr(module, "__all__", vars(module)):
            if not name.startswith("_"):
                yield f"{module.__name__}.{name}"


def test_every_public_type_is_known(tmp_path: Path) -> None:
    """Pyright infers nothing: of what is public, and of what that is made of, types are written."""
    done = run(
        *("pyright", "--verifytypes", "vaultconfig", "--ignoreexternal", "--outputjson"),
        directory=tmp_path,
    )
    symbols: dict[str, Any] = {
        symbol["name"]: symbol for symbol in json.loads(done.stdout)["typeCompleteness"]["symbols"]
    }
    known = {
        name
        for name, symbol in symbols.items()
        if symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]
    }
    assert {"vaultconfig.VaultSettings", "vaultconfig.drivers.redis.Credentials"} <= known
    unknown = {*public_names()} & symbols.keys() - known
    assert not unknown, done.stdout
