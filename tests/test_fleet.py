"""The benchmark of a fleet, made small; and the page shows what it has measured last."""

from __future__ import annotations

import json
import re

import pytest

from tests.benchmarks.fleet import phases
from tests.benchmarks.fleet.picture import svg_of
from tests.benchmarks.fleet.report import NUMBERS, PAGE, PICTURE, Numbers, page_with, table_of
from tests.benchmarks.fleet.stores import Store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "WORKERS", 6)
    monkeypatch.setattr(phases, "FOLLOWERS", 6)
    monkeypatch.setattr(phases, "PATIENCE", phases.LONG)  # a busy machine takes its time


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("store", "batches"), [("none", 6), ("file", 1), ("redis", 1)])
def test_one_reads_for_all(store: Store, batches: int) -> None:
    """Six processes that start at once read six times, and with a store once."""
    assert phases.one_host(store).rows == {"batches of one host": [batches]}


@pytest.mark.usefixtures("small")
def test_another_leads_after_a_killed_master() -> None:
    """A gunicorn with ``--preload`` leads; after its master has gone, a rotation reaches all."""
    (took,) = phases.preloaded("redis").rows["master killed"]
    assert took is not None


@pytest.fixture
def numbers() -> Numbers:
    found: Numbers = json.loads(NUMBERS.read_text("utf-8"))
    return found


def test_the_page_shows_the_numbers(numbers: Numbers) -> None:
    """Its table, and what it says of the picture, are made of them."""
    page = PAGE.read_text("utf-8")
    assert page == page_with(numbers, page)


def test_the_picture_shows_the_numbers(numbers: Numbers) -> None:
    """Each bar; and there is no script, style or file from anywhere else in it."""
    picture = PICTURE.read_text("utf-8")
    assert picture == svg_of(numbers["courses"])
    assert set(re.findall(r"https?://[\w.]+", picture)) == {"http://www.w3.org"}
    assert not re.search(r"<(script|image|style|use|a)\b|href|url\(", picture)


def test_what_did_not_happen_in_time() -> None:
    """One time that it did not is not hidden behind the median of the others."""
    rows = {"rotation": [1.0, None, 0.5], "leader killed": [7.0, 1.25, 2.5], "not up": [161]}
    table = table_of({"without": rows, "with": {}})
    assert "| a rotation reaches all, in s | 2 | not all | – |" in table
    assert "a rotation reaches all, in s | 12 | 2.50 | – |" in table
    assert "| 200 hosts start together: not up after 10 s | 0 | 161 | – |" in table
