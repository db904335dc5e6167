"""Writes docs/reference/fault-matrix.md from the table of cells. Run by ``make matrix``."""

from __future__ import annotations

from tests.matrix.page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
