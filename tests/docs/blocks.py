"""The pages of the documentation, and the fenced blocks in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PAPERS: Final = [*sorted(ROOT.glob("*.md")), *PAGES[1:]]
"""All that is written for people; those that are no page are not run."""

FENCE: Final = re.compile(r"^( *)```(?!`)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HEADER: Final = re.compile(r'(?P<language>[a-z]+)(?: title="(?P<file>[^"]+)")?')
"""What a block may begin with; a builder of sites reads anything else as text."""

MARKS: Final = re.compile(r"<!-- ([\w ,]+) -->\s*\Z")
"""Of a console block, on the line before it: such as ``on a terminal, exits with 1``."""

NEEDS: Final = re.compile(r"^<!-- needs: ([\w, ]+) -->$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        line: Of its fence, from 1.
        header: What stands behind the fence.
        language: Its first word; empty where a builder does not read the header.
        file: Where it is to be saved, if it says so.
        keeps_running: Its last command goes on until the page ends.
        on_a_terminal: Its commands print to a terminal, as a reader's do.
        exits_with: The exit code of its last command.
        text: What is in it.
    """

    page: Path
    line: int
    header: str
    language: str
    file: str | None
    keeps_running: bool
    on_a_terminal: bool
    exits_with: int
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def needs_of(page: Path) -> list[str]:
    """Return what has to run beside the page."""
    found = NEEDS.search(page.read_text(encoding="utf-8"))
    return found[1].split(", ") if found else []


def blocks_of(page: Path) -> Iterator[Block]:
    content = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(content):
        before = content[: found.start()]
        header = HEADER.fullmatch(found[2])
        marked = MARKS.search(before)
        marks = marked[1] if marked else ""
        exits_with = re.search(r"exits with (\d+)", marks)
        yield Block(
            page,
            line=before.count("\n") + 1,
            header=found[2],
            language=header["language"] if header else "",
            file=header["file"] if header else None,
            keeps_running="keeps running" in marks,
            on_a_terminal="on a terminal" in marks,
            exits_with=int(exits_with[1]) if exits_with else 0,
            text=textwrap.dedent(found[3]),
        )


def links_of(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the target of each link to something of ours."""
    for line, text in prose_of(page):
        for link in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text):
            if not re.match(r"[a-z]+:", link):
                yield line, link


def slugs_of(page: Path) -> set[str]:
    """Return what follows a ``#`` in links to the headings of *page*."""
    headings = (re.match(r"#{1,6} +(.*)", text) for _, text in prose_of(page))
    return {
        re.sub(
            r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[1]).strip().lower()
        ).replace(" ", "-")
        for found in headings
        if found
    }


def prose_of(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of blocks, numbered from 1."""
    content = page.read_text(encoding="utf-8")
    prose = FENCE.sub(lambda found: "\n" * found[0].count("\n"), content)
    yield from enumerate(prose.splitlines(), 1)
