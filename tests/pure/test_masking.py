"""Masked values: equal to the plain ones in everything but print."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from vaultconfig.masking.values import MASK, flaw_in, is_masked, mask, masked_json, unmask

SCALARS = st.text() | st.integers() | st.floats(allow_nan=False)
JSON = st.recursive(
    SCALARS | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_a_masked_value_is_equal_and_comes_back_plain(value: Any) -> None:
    """Masking and unmasking give the value again, and change nothing on the way."""
    masked = mask(value, keys=True)
    assert masked == value
    assert json.dumps(masked) == json.dumps(value)
    plain = unmask(masked)
    assert plain == value
    assert repr(plain) == repr(value)


@given(SCALARS)
def test_a_masked_scalar_works_as_the_plain_one(value: Any) -> None:
    """Text, hash, order and format are those of the value; `repr` is not."""
    masked = mask(value)
    assert (str(masked), f"{masked}", hash(masked)) == (str(value), f"{value}", hash(value))
    assert not masked < value
    assert MASK in repr(masked)
    assert is_masked(masked)
    assert not is_masked(value)


@pytest.mark.parametrize("value", ["secret-text", 987654321, 98765.4321])
def test_nothing_of_it_prints(value: Any) -> None:
    """Inside containers, in formats that ask for `repr`, nothing shows."""
    masked = mask(value)
    for text in (repr([masked]), f"{masked!r}", f"{ {'k': masked} }", "%r" % masked):  # noqa: UP031
        assert str(value) not in text


def test_what_is_made_of_a_text_does_not_print() -> None:
    """What strips it, takes it apart or adds to it gives masked texts, equal to plain ones."""
    text = " Secret Text "
    masked = mask(text)
    for make in (
        *(str.lower, str.strip, str.split, str.upper, str.splitlines, str.title, str.casefold),
        *(lambda x: x[1:4], lambda x: x[0], lambda x: x + "s", lambda x: "s" + x, lambda x: 2 * x),
        *(lambda x: x.partition("t"), lambda x: x.replace("S", "s"), lambda x: x.rsplit(" ", 2)),
        *(lambda x: x.removeprefix(" "), lambda x: x.center(99), lambda x: x.strip().lower()[1:]),
    ):
        # A method of `str` itself knows nothing of masks.
        name = getattr(make, "__name__", "")
        made = getattr(masked, name)() if hasattr(str, name) else make(masked)
        assert made == make(text)
        assert set(repr(made)) <= set(repr([MASK]) + repr((MASK, MASK))), make
    with pytest.raises(TypeError):
        1 + masked


@pytest.mark.parametrize("value", [True, False, None])
def test_what_is_no_secret_is_left_alone(value: Any) -> None:
    """Booleans and null stay what they are."""
    assert mask(value) is value


@pytest.mark.parametrize("value", ["text", 7, 1.5])
def test_copies_and_pickles_are_plain(value: Any) -> None:
    """What leaves the process does not need this module to be read."""
    masked = mask(value)
    for other in (copy.copy(masked), copy.deepcopy(masked), pickle.loads(pickle.dumps(masked))):
        assert other == value
        assert type(other) is type(value)


def test_keys_are_plain_unless_asked() -> None:
    """The keys of a secret are names; those of a JSON text are part of a value."""
    assert "name" in repr(mask({"name": "x"}))
    assert "name" not in repr(mask({"name": "x"}, keys=True))


def test_what_holds_nothing_masked_stays_as_it_is() -> None:
    """It is the caller's: the same object, whose parts are the same, and may have no copy."""

    class Frozen(dict[str, Any]):
        def clear(self) -> None:
            raise TypeError("frozen")

    @dataclass
    class Pool:
        connections: list[Any]

    connections = [Frozen(a=1), {2}, (3, [4])]
    pool = Pool(connections)
    assert unmask({"pool": pool, "secret": mask("x")})["pool"] is pool
    assert pool.connections is connections
    assert unmask(connections) is connections


def test_objects_may_refer_to_each_other() -> None:
    """What contains itself is unmasked, too."""

    @dataclass
    class Node:
        value: Any
        others: list[Any]

    node = Node(mask("x"), [mask("y")])
    node.others.append(node)
    assert unmask(node) is node
    assert repr(node.value) == repr("x")
    assert repr(node.others[0]) == repr("y")
    assert node.others[1] is node


def test_objects_are_unmasked_in_place() -> None:
    """Models, frozen or not, their extras, and dataclasses hold plain values afterwards."""

    class Model(BaseModel):
        model_config = ConfigDict(extra="allow", frozen=True)
        anything: Any

    @dataclass(frozen=True, slots=True)
    class Legacy:
        anything: Any

    model = Model(anything=[mask("x")], more=(mask(1),))
    legacy = Legacy({"k": mask(1.5)})
    assert unmask({"a": [model, legacy]}) == {"a": [model, legacy]}
    found = [model.anything[0], model.__pydantic_extra__["more"][0], legacy.anything["k"]]
    assert found == ["x", 1, 1.5]
    assert not any(map(is_masked, found))


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("1e400", "a number that is too large"),
        ("-1e400", "a number that is too large"),
        ("7" * 4301, "an integer of too many digits"),
        ("NaN", "NaN or Infinity, which is not a JSON number"),
        ("-Infinity", "NaN or Infinity, which is not a JSON number"),
        ("[" * 99 + "[]" + "]" * 99, "what is nested too deeply"),
    ],
)
def test_what_json_can_write_and_nothing_can_hold(text: str, flaw: str) -> None:
    """It is marked where it stands, and what stands beside it is there."""
    found = masked_json(f'{{"good": "x", "bad": {text}}}'.encode())
    assert found["good"] == "x"
    assert flaw_in(found["bad"]) == flaw_in([1, {"a": [found]}]) == flaw
    assert flaw_in({"good": [found["good"], None, 1.5, {}]}) is None


def test_what_just_fits() -> None:
    """Long numbers and deep lists are values as any other."""
    text = f"[{'7' * 4300}, 1e308, {'[' * 99}{']' * 99}]"
    assert unmask(masked_json(text.encode())) == json.loads(text)


def test_what_no_parser_gets_through() -> None:
    """It is too deep as a whole; what is not JSON is nothing."""
    assert flaw_in(masked_json(b"[" * 99_999 + b"]" * 99_999)) == "what is nested too deeply"
    assert masked_json(b'{"a": 1e400') is None
