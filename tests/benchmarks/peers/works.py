"""The work: which fields to load from which secrets, and what the right values are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

Fields: TypeAlias = Mapping[str, tuple[str, str]]
"""By name, the path and the key of each."""


MOUNT: Final = "secret"
WRAPPED: Final = "dynaconf"
"""A second mount, with the same secrets in the shape in which dynaconf's own writer stores them."""


class Work(NamedTuple):
    """So many *fields* whose secrets are in so many *paths*.

    Attributes:
        name: The folder of its paths, too.
        same_keys: Whether each path has the same keys.
        denied: The number of a path that may not be read.
    """

    name: str
    fields: int
    paths: int
    same_keys: bool = False
    denied: int | None = None


WIDE: Final = Work("wide", 200, 100)
SMALL: Final = Work("small", 50, 10)
SAME: Final = Work("same", 200, 100, same_keys=True)
DENIED: Final = Work("denied", 50, 10, denied=7)
WORKS: Final = {work.name: work for work in (WIDE, SMALL, SAME, DENIED)}


def path_of(work: Work, number: int) -> str:
    return f"{work.name}/app{number}"


def fields_of(work: Work) -> Fields:
    """Return all fields; those of one path are spread over the class."""
    return {
        f"field{n}": (
            path_of(work, n % work.paths),
            f"key{n // work.paths if work.same_keys else n}",
        )
        for n in range(work.fields)
    }


def value_of(path: str, key: str) -> str:
    return f"{path}:{key}"


def secrets_of(work: Work) -> dict[str, dict[str, str] | None]:
    """Return what the vault holds; None is a secret that may not be read."""
    held: dict[str, dict[str, str]] = {path_of(work, number): {} for number in range(work.paths)}
    for path, key in fields_of(work).values():
        held[path][key] = value_of(path, key)
    denied = None if work.denied is None else path_of(work, work.denied)
    return {path: None if path == denied else data for path, data in held.items()}
