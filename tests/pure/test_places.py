"""Nested input: looking into it, and changed copies of it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultconfig.errors import ConfigurationError
from vaultconfig.loading.places import (
    ABSENT,
    get_at,
    merged,
    not_too_deep,
    own_containers,
    own_copy,
    parts_of,
    remove_at,
    set_at,
    with_value_at,
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
        (("s", 0), ABSENT),
    ],
)
def test_get_at(place: Any, value: Any) -> None:
    """What stands at a place, or `ABSENT` if nothing can."""
    assert get_at({"a": [1, {"b": None}], "s": "text"}, place) == value


def test_looking_makes_nothing() -> None:
    """A mapping that makes what it is asked for is not asked for it."""
    data = defaultdict[str, int](int)
    assert get_at(data, ("a",)) is ABSENT
    assert not data


@pytest.mark.parametrize(
    ("data", "place", "result"),
    [
        ({}, ("a",), {"a": 9}),
        ({}, (1,), {1: 9}),
        ({}, ("a", "b"), {"a": {"b": 9}}),
        ({}, ("a", 1), {"a": [None, 9]}),
        ({}, ("a", 0, "b"), {"a": [{"b": 9}]}),
        ({"a": [1]}, ("a", 0), {"a": [9]}),
        ({"a": [1, 2, 3]}, ("a", 1), {"a": [1, 9, 3]}),
        ({"a": [{"b": 1}]}, ("a", 0, "c"), {"a": [{"b": 1, "c": 9}]}),
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
        ([{"a": 1}, {"b": ABSENT}], {"a": 1, "b": ABSENT}),
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


def test_what_was_taken_away_from_may_be_in_a_list() -> None:
    """A list becomes a mapping of its indexes, wherever it is."""
    data: Any = {"a": {"l": ["x", "y"]}}
    remove_at(data, ("a", "l", 1))
    assert data == {"a": {"l": {0: "x"}}}


def test_a_changed_copy_shares_what_did_not_change() -> None:
    """Only what is on the way to the place is copied."""
    data: Any = {"a": [{"b": 1}, {"c": 2}], "d": {}}
    changed = with_value_at(data, ("a", 0, "b"), 9)
    assert changed == {"a": [{"b": 9}, {"c": 2}], "d": {}}
    assert data == {"a": [{"b": 1}, {"c": 2}], "d": {}}
    assert changed["d"] is data["d"]
    assert changed["a"][1] is data["a"][1]
    assert with_value_at(data, (), 9) == 9
    assert with_value_at({"a": (1, [2])}, ("a", 1, 0), 9) == {"a": (1, [9])}


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"a": 1}, [("a", 1)]),
        ([3], [(0, 3)]),
        ((3,), [(0, 3)]),
        ("ab", []),
        (None, []),
        (range(2), []),
    ],
)
def test_parts_of(data: Any, parts: list[Any]) -> None:
    """Mappings, lists and tuples have parts."""
    assert list(parts_of(data)) == parts


def test_own_containers_keep_tuples_and_classes() -> None:
    """Mappings and lists are new all the way down; a tuple, and what is in it, is the same."""

    class Special(dict[str, Any]):
        pass

    data: Any = {"a": [[1], ({},)], "b": Special(x=[]), "c": {"d": {}}}
    copied = own_containers(data)
    assert copied == data
    assert copied["a"][0] is not data["a"][0]
    assert copied["c"]["d"] is not data["c"]["d"]
    assert copied["a"][1] is data["a"][1]
    assert copied["b"] is data["b"]
    assert own_containers(data["b"]) is data["b"]


@pytest.mark.parametrize("copier", [own_copy, own_containers])
def test_copies_of_mappings_are_plain_and_new(copier: Any) -> None:
    """Neither the mapping nor a list in it is shared."""
    data: Any = {"a": [1], "b": {"c": [2]}}
    copied = copier(data)
    copied["a"].append(9)
    copied["b"]["c"].append(9)
    assert data == {"a": [1], "b": {"c": [2]}}


def test_what_is_too_deep_is_an_error() -> None:
    """Not a RecursionError, whose frames hold values; other errors and results pass."""

    def down(data: Any) -> Any:
        return down([data])

    with pytest.raises(ConfigurationError, match="nested too deeply") as caught:
        not_too_deep(down)("canary")
    assert caught.value.__context__ is None
    assert not_too_deep(lambda x, *, y: (x, y))(1, y=2) == (1, 2)
    with pytest.raises(ZeroDivisionError):
        not_too_deep(lambda: 1 / 0)()
