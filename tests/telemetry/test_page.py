"""The page about metrics says of each what is measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from tests.docs.blocks import blocks_of
from vaultconfig.client.codes import CODES
from vaultconfig.client.protocol import Operation
from vaultconfig.live.schedule import State
from vaultconfig.telemetry import INSTRUMENTS, MOST_COUNTS

PAGE = Path(__file__).parents[2] / "docs/reference/telemetry.md"


def test_the_table() -> None:
    """It has the names, kinds, units, attributes and meanings of the code, in its order."""
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(vaultconfig\.[\w.]+)` \|(.+)\|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == [each.name for each in INSTRUMENTS]
    for (_, rest), each in zip(rows, INSTRUMENTS, strict=True):
        kind, attributes, meaning = (cell.strip() for cell in rest.split("|"))
        assert kind == f"{each.kind}, `{each.unit}`"
        assert attributes == ", ".join(f"`{name}`" for name in each.attributes)
        assert meaning.startswith(each.description)


def test_the_words() -> None:
    """It has each operation, and how many counts are kept."""
    page = PAGE.read_text(encoding="utf-8")
    (listed,) = re.findall(r"^- `operation` is ([^.]+)\.", page, re.MULTILINE)
    assert re.findall(r"`(\w+)`", listed) == [*get_args(Operation), "token"]
    assert f"newest {MOST_COUNTS:,} each time" in page


def test_the_alerts() -> None:
    """They name metrics that there are, as Prometheus calls them, and states and codes likewise."""
    endings = {"counter": "_total", "gauge": "", "histogram": "_count"}
    names = {
        each.name.replace(".", "_") + "_seconds" * (each.unit == "s") + endings[each.kind]
        for each in INSTRUMENTS
    }
    (block,) = (block for block in blocks_of(PAGE) if block.language == "yaml")
    for rule in yaml.safe_load(block.text)["groups"][0]["rules"]:
        (name,) = re.findall(r"vaultconfig_\w+", rule["expr"])
        assert name in names
        for attribute, values in re.findall(r'(\w+)=~?"([\w|]+)"', rule["expr"]):
            known = {"state": get_args(State), "code": CODES}[attribute]
            assert set(values.split("|")) <= set(known)
