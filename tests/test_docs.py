"""Every block of code in the README and in docs/ is run, or at least read.

CONTRIBUTING.md says what a page can ask for.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from vaultconfig.devserver import DevServer

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAPERS = [*sorted(ROOT.glob("*.md")), *PAGES[1:]]
OURS = ("VAULTCONFIG_", "SCAIVAULT_", "SCAIKEY_")
QUICKSTART = "environments/production/salesforce/api-credentials"
FENCE = re.compile(r"^( *)```(?!`)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
READERS: dict[str, Callable[[str], object]] = {
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": yaml.safe_load,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; *file* is where it is to be saved, if it says so."""

    page: Path
    line: int
    language: str
    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    content = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(content):
        language, _, file = found[2].partition(" ")
        line = content.count("\n", 0, found.start()) + 1
        yield Block(page, line, language, file, textwrap.dedent(found[3]))


def run_python(block: Block, module: ModuleType) -> None:
    padding = "\n" * block.line  # so that a traceback shows the page's line
    exec(compile(padding + block.text, block.page, "exec", dont_inherit=True), vars(module))


def run_console(block: Block) -> None:
    """Run the commands, and compare what is shown of their output; an ellipsis is anything."""
    lines = block.text.replace("\\\n", "").splitlines()
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    shown = [line for line in lines if not line.startswith("$ ")]
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", "\n".join(commands)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{block}: {done.stdout}"
    if shown:
        pattern = re.sub(r"[\[\]?*]", r"[\g<0>]", "\n".join(shown)).replace("…", "*")
        assert fnmatch.fnmatchcase(done.stdout.strip(), pattern.strip()), f"{block}: {done.stdout}"


def run(page: Path, directory: Path) -> None:
    module = sys.modules["page"] = ModuleType("page")
    for block in blocks_of(page):
        if block.language in READERS:
            READERS[block.language](block.text)
        if block.file:
            (directory / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            run_python(block, module)
        elif block.language == "console":
            run_console(block)


@contextmanager
def clean_environment(directory: Path) -> Iterator[None]:
    """Have nothing of ours set, and the command `vaultconfig` of this very package."""
    command = directory / "vaultconfig"
    code = "from vaultconfig.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -W error -c "{code}" "$@"\n')
    command.chmod(0o755)
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith((*OURS, "PYTHONSAFEPATH"))]:
        del os.environ[name]
    path = f"{directory}{os.pathsep}{Path(sys.executable).parent}"
    os.environ["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.modules.pop("page", None)


@contextmanager
def quickstart() -> Iterator[None]:
    """Run a ScaiVault that holds the credential of its Quickstart, and point at it."""
    with DevServer() as vault:
        vault.put(QUICKSTART, {"client_id": "dev-client", "client_secret": "not-a-secret"})
        os.environ |= {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
        os.environ["NO_PROXY"] = "127.0.0.1"
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_work(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page shows can be pasted, from its top to its end."""
    commands, directory = tmp_path / "commands", tmp_path / "page"
    commands.mkdir()
    directory.mkdir()
    monkeypatch.chdir(directory)
    needs_vault = "<!-- needs: vault -->" in page.read_text(encoding="utf-8")
    with clean_environment(commands), quickstart() if needs_vault else nullcontext():
        run(page, directory)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block without a language would never be run, and nobody would notice."""
    assert [str(block) for block in blocks_of(page) if not block.language] == []


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A link to another page of ours names a file that is there."""
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_of_the_modules_is_whole() -> None:
    """docs/design.md says of every module what it is for."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "vaultconfig").iterdir() if path.stem[0] not in "_."}
    assert {name for name in modules - {"py"} if f"`{name}`" not in text} == set()


def test_no_page_installs_somebody_elses_package() -> None:
    """The distribution is `scaivault-config`; its import name belongs to others on the index."""
    for page in PAPERS:
        assert not re.search(r"install\s+(-\S+\s+)*['\"]?vaultconfig", page.read_text("utf-8"))
