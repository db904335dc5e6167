"""Nested input: looking into it, and changed copies of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultconfig.loading.places import (
    ABSENT,
    get_at,
    merged,
    own_copy,
    parts_of,
    remove_at,
    set_at,
)

TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((), {"a": [1, {"b": None}], "s": "text"}),
        (("a", 1, "b"), None),
        (("a", 0), 1),
        (("a", 2), ABSENT),
        (("x",), ABSENT),
        (("a", "x"), ABSENT),
        (("a", 0, "x"), ABSENT),
        (("s", "x"), ABSENT),
    ],
)
def test_get_at(place: Any, value: Any) -> None:
    """What stands at a place, or `ABSENT` if nothing can."""
    assert get_at({"a": [1, {"b": None}], "s": "text"}, place) == value


@pytest.mark.parametrize(
    ("data", "place", "result"),
    [
        ({}, ("a",), {"a": 9}),
        ({}, ("a", "b"), {"a": {"b": 9}}),
        ({}, ("a", 1), {"a": [None, 9]}),
        ({}, ("a", 0, "b"), {"a": [{"b": 9}]}),
        ({"a": [1]}, ("a", 0), {"a": [9]}),
        ({"a": "text"}, ("a", "b"), {"a": {"b": 9}}),
        ({"a": {"b": 1, "c": 2}}, ("a", "b"), {"a": {"b": 9, "c": 2}}),
    ],
)
def test_set_at(data: Any, place: Any, result: Any) -> None:
    """Mappings and lists on the way are made; what is beside it stays."""
    set_at(data, place, 9)
    assert data == result


@given(TREES)
def test_an_own_copy_is_equal_and_shares_nothing(data: Any) -> None:
    """A copy can be changed without the original."""
    copied = own_copy(data)
    assert copied == data
    for _, item in parts_of(copied):
        assert not isinstance(item, (dict, list)) or all(
            item is not other for _, other in parts_of(data)
        )


def test_an_own_copy_keeps_other_objects() -> None:
    """Tuples become lists; everything else is the same object."""
    thing = object()
    assert own_copy({"a": (thing,)}) == {"a": [thing]}


@pytest.mark.parametrize(
    ("layers", "result"),
    [
        ([], ABSENT),
        ([ABSENT, ABSENT], ABSENT),
        ([{"a": 1}, ABSENT], {"a": 1}),
        ([{"a": 1, "b": 1}, {"b": 2}], {"a": 1, "b": 2}),
        ([{"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"x": 1, "y": 2}}),
        ([{"a": {"x": 1}}, {"a": 2}], {"a": 2}),
        ([{"a": [1, 2]}, {"a": [3]}], {"a": [3]}),
        ([{"a": 1}, {"a": None}], {"a": None}),
    ],
)
def test_merged(layers: Any, result: Any) -> None:
    """Later layers win, key by key; lists are replaced."""
    assert merged(layers) == result


def test_remove_at() -> None:
    """What is there goes, the rest stays where it was; what is not there is no matter."""
    data: Any = {"a": {"b": 1, "c": 2}, "l": ["x", "y"]}
    remove_at(data, ("a", "b"))
    remove_at(data, ("a", "x"))
    remove_at(data, ("x", "y"))
    remove_at(data, ("l", 0))
    assert data == {"a": {"c": 2}, "l": {1: "y"}}
