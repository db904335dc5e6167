"""The tests that docs/how-to/fastapi.md shows, run by pytest as a user would run them."""

from __future__ import annotations

from pathlib import Path

from tests.devserver.test_testing import run_pytest
from tests.docs.blocks import ROOT, blocks_of


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """Pasted into one file, the page's application passes the page's tests."""
    blocks = blocks_of(ROOT / "docs/how-to/fastapi.md")
    text = "\n".join(block.text for block in blocks if block.language == "python")
    done = run_pytest(tmp_path, text)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
