"""Rows as every command prints them."""

from __future__ import annotations

import io

from vaultconfig.cli.tables import print_lines, row_lines


def test_characters_of_two_columns() -> None:
    """What is wider on a terminal than one column is padded by its width there."""
    rows = [("秘密", "new"), ("a", "there")]
    lines = row_lines(rows, header=("KEY", "STATE"), aligned=True)
    assert list(lines) == ["KEY   STATE", "秘密  new", "a     there"]


def test_a_stream_that_has_few_characters() -> None:
    """What its encoding cannot write stands there in other characters."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    print_lines(["2 ok · ü…"], stream)
    stream.seek(0)
    assert stream.read() == "2 ok | \\xfc...\n"
