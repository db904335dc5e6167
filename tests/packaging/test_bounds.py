"""The lower bounds of dependencies: each has one, and `make test-oldest` tests exactly that."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned(file: str) -> dict[str, Version]:
    lines = (ROOT / ".ci" / file).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def requirements() -> Iterator[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    for text in (*PROJECT["dependencies"], *(text for extra in extras for text in extra)):
        if canonicalize_name(Requirement(text).name) != PROJECT["name"]:
            yield Requirement(text)


@pytest.mark.parametrize("requirement", sorted({*requirements()}, key=str), ids=str)
def test_a_lower_bound_is_what_is_tested_as_the_oldest(requirement: Requirement) -> None:
    """A bound in pyproject.toml and its line in oldest.txt change together; newest is newer."""
    (bound,) = [part.version for part in requirement.specifier if part.operator == ">="]
    name = canonicalize_name(requirement.name)
    assert pinned("oldest.txt")[name] == Version(bound)
    assert Version(bound) <= pinned("constraints.txt")[name]
    assert pinned("constraints.txt")[name] in requirement.specifier


def test_one_dependency_has_one_bound() -> None:
    """Two extras that need the same ask for the same."""
    texts = {*map(str, requirements())}
    assert len(texts) == len({Requirement(text).name for text in texts})
