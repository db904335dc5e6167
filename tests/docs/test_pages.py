"""Every block of code in the README and in docs/ is run, or at least read.

CONTRIBUTING.md says what a page can ask for.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import (
    DOCS,
    PAGES,
    PAPERS,
    ROOT,
    blocks_of,
    links_of,
    name_of,
    prose_of,
    slugs_of,
)
from tests.docs.running import run


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_a_page_work(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page shows can be pasted, from its top to its end."""
    commands, directory = tmp_path / "commands", tmp_path / "page"
    commands.mkdir()
    directory.mkdir()
    monkeypatch.chdir(directory)
    run(page, directory, commands)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block with another header would not run, and a builder of sites swallows what follows."""
    unread = [f"{block}: {block.header!r}" for block in blocks_of(page) if not block.language]
    assert unread == [], 'a block begins with a language, and title="FILE" if it is to be saved'


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_program_of_a_page_runs(page: Path) -> None:
    """A file that a page has its reader save is named by something that runs further on."""
    blocks = list(blocks_of(page))
    found_by = {"conftest": "pytest", "settings": "manage", "tests": "manage"}
    unused = [
        f"{block}: {block.file}"
        for number, block in enumerate(blocks)
        if block.file
        and block.language == "python"
        and not any(
            re.search(rf"\b({re.escape(stem)}|{found_by.get(stem, stem)})\b", later.text)
            for stem in [Path(block.file).stem]
            for later in blocks[number + 1 :]
            if later.language in ("console", "python", "toml")
        )
    ]
    assert unused == []


@pytest.mark.parametrize("page", PAPERS, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A link to another page of ours names a file that is there, and a heading that it has."""
    broken = []
    for line, link in links_of(page):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in slugs_of(target)
        ):
            broken.append(f"{name_of(page)}:{line}: {link}")
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    """A reader finds only the pages that the menu has."""
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES if page.is_relative_to(DOCS)]
    assert [page for page in pages if f": {page}\n" not in menu] == []


@pytest.mark.parametrize(
    ("home", "row"),
    [
        ("docs/reference/settings.md", r"[|\d].*\bprocess environment\b"),  # precedence
        ("docs/reference/connection.md", r"\| `(SCAIVAULT|SCAIKEY|VAULTCONFIG)_\w+`(, `\w+`)* \|"),
        ("docs/explanation/security.md", r"\|.*`\*{10}`"),  # what prints what
        ("docs/how-to/dev-server.md", r"\| `--(port|seed|state|token)\b"),
    ],
)
def test_a_fact_is_told_on_one_page(home: str, row: str) -> None:
    """The row of a list or table that tells it stands nowhere else: other pages link there."""
    assert {
        name_of(page) for page in PAGES for _, text in prose_of(page) if re.match(row, text)
    } == {home}


def test_the_map_of_the_house_is_whole() -> None:
    """docs/design.md has every room in the table that says what is in it: a module or a package."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("| room | what is in it |\n|---|---|\n")[2].partition("\n\n")[0]
    named = [
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    rooms = {path.stem for path in (ROOT / "vaultconfig").iterdir() if path.stem[0] not in "_."}
    assert sorted(named) == sorted(rooms - {"py"})


def test_no_page_installs_somebody_elses_package() -> None:
    """The distribution is `scaivault-config`; its import name belongs to others on the index."""
    for page in PAPERS:
        assert not re.search(r"install\s+(-\S+\s+)*['\"]?vaultconfig", page.read_text("utf-8"))
