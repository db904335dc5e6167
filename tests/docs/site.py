"""Reads the documentation site as it was built. Run by ``make docs``, which says what is wrong.

A builder that does not understand a fence shows it as text and reports no error; a theme may ask
other hosts for what it needs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ASSETS: Final = {
    *(("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("source", "src")),
    *(("source", "srcset"), ("object", "data"), ("video", "src"), ("audio", "src")),
    *(("embed", "src"), ("use", "href")),
}
"""What a browser fetches by itself; by the tag and its attribute."""

FETCHED_LINKS: Final = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}
"""A `<link>` of another kind only says something, as where the page stands."""

OF_STYLES: Final = re.compile(r"(?:@import\s*|url\()[\"']?((?:https?:)?//[^\"')\s]+)")
CODE: Final = {"pre", "code", "script", "style"}


class _Page(HTMLParser):
    """What a page of the site shows, fetches and leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.prose: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: Mapping[str, str] = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.assets += [found[name] for each, name in ASSETS if each == tag and name in found]
        if tag == "link" and FETCHED_LINKS.intersection(found.get("rel", "").split()):
            self.assets.append(found.get("href", ""))
        self.assets += OF_STYLES.findall(found.get("style", ""))
        if tag in CODE:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.assets += OF_STYLES.findall(data)
        elif not self._open:
            self.prose.append(data)


def faults_of(site: Path) -> Iterator[str]:
    """Yield what is wrong with the pages and style sheets below *site*, a line each."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for line in "".join(page.prose).splitlines():
            if "```" in line or "~~~" in line or line.startswith(("=== ", "!!! ", "??? ")):
                yield f"{name}: a block that the builder did not understand: {line}"
        for asset in filter(_is_foreign, page.assets):
            yield f"{name}: fetches {asset}"
        if name != "404.html":  # its links begin at the root of a host
            yield from (
                f"{name}: leads nowhere: {each}" for each in _broken(path, page, pages, site)
            )
    for path in sorted(site.rglob("*.css")):
        for asset in OF_STYLES.findall(path.read_text("utf-8")):
            yield f"{path.relative_to(site).as_posix()}: fetches {asset}"


def _broken(path: Path, page: _Page, pages: Mapping[Path, _Page], site: Path) -> Iterator[str]:
    for link in [*page.links, *page.assets]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        anchors = pages[target].anchors if target in pages else set()
        is_there = target.exists() and target.is_relative_to(site.resolve())
        if not is_there or (parts.fragment and unquote(parts.fragment) not in anchors):
            yield link


def _is_foreign(link: str) -> bool:
    return bool(urlsplit(link).netloc)


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    faults, pages = list(faults_of(site)), len(list(site.rglob("*.html")))
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.write(f"{pages} pages, {len(faults)} faults\n")
    return 1 if faults or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
