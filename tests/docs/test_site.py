"""What is read in the built site is found wrong where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.site import faults_of

GOOD = '<p id="here">See <a href="other/#there">that</a>.</p><pre><code>```</code></pre>'
HEAD = '<link rel="canonical" href="https://docs.example/"><link rel="next" href="other/">'
OTHER = '<h2 id="there">There</h2><a href="../">back</a><a href="https://example.org">out</a>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "other").mkdir(parents=True)
    (site / "other" / "index.html").write_text(OTHER)
    (site / "index.html").write_text(HEAD + GOOD)
    (tmp_path / "beside").touch()  # what a checkout has, and a host does not
    return site


def test_a_site_in_order(site: Path) -> None:
    """Links inside and outside, and code that shows a fence, are as they should be."""
    assert list(faults_of(site)) == []


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("<p>\n```python app.py</p>", "did not understand: ```python app.py"),
        ("<p>\n=== tab</p>", "did not understand: === tab"),
        ('<script src="https://a.example/x.js"></script>', "fetches https://a.example/x.js"),
        ('<link rel="stylesheet" href="//a.example/x.css">', "fetches //a.example/x.css"),
        ("<style>@import 'https://a.example/f';</style>", "fetches https://a.example/f"),
        ('<p style="background: url(//a.example/i)">', "fetches //a.example/i"),
        ('<img src="none.png">', "leads nowhere: none.png"),
        ('<a href="other/#here">', "leads nowhere: other/#here"),
        ('<a href="gone/">', "leads nowhere: gone/"),
        ('<a href="../beside">', "leads nowhere: ../beside"),
        ('<a href="#gone">', "leads nowhere: #gone"),
    ],
)
def test_a_fault_of_a_page(site: Path, added: str, fault: str) -> None:
    """It is told with the page."""
    (site / "index.html").write_text(GOOD + added)
    (found,) = faults_of(site)
    assert found.startswith("index.html: ")
    assert found.endswith(fault)


def test_a_fault_of_a_style_sheet(site: Path) -> None:
    """A style sheet that fetches fonts is told, too."""
    (site / "x.css").write_text("@font-face{src:url(https://a.example/font.woff)}")
    assert list(faults_of(site)) == ["x.css: fetches https://a.example/font.woff"]
