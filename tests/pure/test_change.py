"""What counts as a change of settings: whatever an application could see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from vaultconfig.live.change import changed_fields


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Outer(BaseModel):
    inner: Open


@dataclass
class Login:
    user: str
    password: str = field(repr=False, compare=False)


class Holder(BaseModel):
    value: Any


def test_extras() -> None:
    """What is no field is compared, too, in the settings and in models inside."""
    assert changed_fields(Open(a="1", b="2"), Open(a="1", b="3", c="4")) == {"b", "c"}
    assert changed_fields(Open(a="1"), Open()) == {"a"}
    old, new = (Outer.model_validate({"inner": {"password": each}}) for each in ("1", "2"))
    assert changed_fields(old, new) == {"inner.password"}
    assert changed_fields(old, old.model_copy(deep=True)) == set()


@pytest.mark.parametrize(
    ("before", "after"), [(Login("u", "1"), Login("u", "2")), (1, True), (1, 1.0), (Open(), Login)]
)
def test_what_python_calls_equal(before: object, after: object) -> None:
    """A value of another type is another value, and so is a field that does not compare."""
    assert changed_fields(Holder(value=before), Holder(value=after)) == {"value"}
    assert changed_fields(Holder(value=before), Holder(value=before)) == set()
