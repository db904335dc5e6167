"""Completion, help texts, and what the page says about them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Project
from vaultconfig.cli import _COMMANDS
from vaultconfig.render.dialects import FORMATS

PAGE = Path(__file__).parents[2] / "docs/reference/command-line.md"


def completed(project: Project, *words: str) -> list[str]:
    """Return what bash would offer for the last of *words*."""
    ended = project.run(
        env={
            "_VAULTCONFIG_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["vaultconfig", *words]),
            "COMP_CWORD": str(len(words)),
        }
    )
    assert ended.code == 0
    return [line.partition(",")[2] for line in ended.out.splitlines()]


def test_completion(project: Project) -> None:
    """Commands, targets, formats and options are completed, and no code of the project runs."""
    project.declare(head="raise SystemExit('run')")
    project.write(
        "shop/settings.py", "class Base:\n    pass\nclass Shop(VaultSettings):\n    pass\n"
    )
    project.write("shop/__init__.py", "class Own(BaseSettings):\n    pass\n")
    project.write(".venv/lib.py", "class Foreign(VaultSettings):\n    pass\n")
    project.write("broken.py", "\0").write_bytes(b"\xff")
    assert completed(project, "r") == ["render", "run", "refs", "rm"]
    assert completed(project, "check", "") == ["app:Settings", "shop.settings:Shop", "shop:Own"]
    assert completed(project, "render", "shop.") == ["shop.settings:Shop"]
    assert completed(project, "render", "-f", "") == list(FORMATS)
    assert "--offline" in completed(project, "check", "--")
    assert completed(project, "--v") == ["--version"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(project: Project, shell: str) -> None:
    """Each shell gets its script."""
    ended = project.run(env={"_VAULTCONFIG_COMPLETE": f"{shell}_source"})
    assert ended.code == 0
    assert "_VAULTCONFIG_COMPLETE" in ended.out


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_help_has_an_example_and_is_on_the_page(project: Project, name: str) -> None:
    """A command's help shows how to use it, and the page shows that very text."""
    ended = project.run(name, "--help")
    assert ended.code == 0
    assert re.search(rf"Examples?:\n +vaultconfig {name}", ended.out)
    assert f"$ vaultconfig {name} --help\n{ended.out}```" in PAGE.read_text(encoding="utf-8")


def test_as_a_module(project: Project) -> None:
    """``python -m vaultconfig`` is the command, and calls itself so; it ends with its code."""
    ended = project.run_apart("--help")
    assert ended.out.startswith("Usage: python -m vaultconfig [OPTIONS] COMMAND")
    ended = project.run_apart("refs", "--nonsense")
    assert (ended.code, ended.err.splitlines()[0]) == (
        2,
        "Usage: python -m vaultconfig refs [OPTIONS] [TARGET]",
    )


def test_by_the_module_of_its_script(project: Project) -> None:
    """``python -m vaultconfig.cli`` is the command, as its script is: name, output and code."""
    as_module = [sys.executable, "-W", "error", "-m", "vaultconfig.cli"]
    script = str(Path(sys.executable).with_name("vaultconfig"))
    for arguments in (["--help"], ["refs", "--nonsense"]):
        ended = [
            subprocess.run(
                [*command, *arguments], capture_output=True, cwd=project.path, check=False
            )
            for command in (as_module, [script])
        ]
        assert len({(one.returncode, one.stdout, one.stderr) for one in ended}) == 1
        assert b"Usage: vaultconfig " in ended[0].stdout + ended[0].stderr
