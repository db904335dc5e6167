"""How long ``Settings()`` takes: the first, the second, and of many fields."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from tests.benchmarks.measuring import Result, compare, cpu, pairs, result
from tests.benchmarks.server import Loopback
from tests.benchmarks.subjects import (
    path_of,
    plain_class,
    pointed_at,
    secrets_of,
    variables,
    vault_class,
    vault_with,
)
from vaultconfig import LiveSettings, provenance
from vaultconfig.vaults.shared import close_vaults

FIELDS, PATHS = 200, 100
LATENCY = 0.02  # seconds a request
CONNECTIONS = 8


def first_load(cls: type) -> Callable[[], None]:
    def load() -> None:
        close_vaults()  # a client and connections of its own, as in a new process
        cls()

    return load


@contextmanager
def far_vault(**options: Any) -> Iterator[Loopback]:
    """Run one whose answers take a while, in a process of its own: it is not what is measured."""
    secrets = secrets_of(FIELDS, paths=PATHS)
    with Loopback(secrets, delay=LATENCY, **options) as vault, pointed_at(vault):
        yield vault


def headers(vault: Loopback) -> dict[str, str]:
    return {"Authorization": f"Bearer {vault.token}"}


def bare_post(vault: Loopback) -> Callable[[], None]:
    """Return what nothing can be faster than."""
    paths = [path_of(n) for n in range(PATHS)]
    verify = httpx.create_ssl_context()  # takes longer than all the rest

    def bare() -> None:
        with httpx.Client(headers=headers(vault), verify=verify) as client:
            client.post(f"{vault.url}/v1/secrets/batch", json={"paths": paths}).json()

    return bare


def noise() -> Result:
    with far_vault() as vault:
        bare = bare_post(vault)
        return compare("one bare POST of 100 paths : itself", None, ours=bare, theirs=bare)


def one_batch() -> Result:
    with far_vault() as vault:
        return compare(
            "200 fields on 100 paths : one bare POST of the batch",
            1.15,
            ours=first_load(vault_class(FIELDS, paths=PATHS)),
            theirs=bare_post(vault),
        )


def without_batch() -> Result:
    with far_vault(batch=False) as vault:
        shares = [range(n, PATHS, CONNECTIONS) for n in range(CONNECTIONS)]
        verify = httpx.create_ssl_context()

        def one_connection(numbers: range) -> None:
            with httpx.Client(headers=headers(vault), verify=verify) as client:
                for number in numbers:
                    client.get(f"{vault.url}/v1/secrets/{path_of(number)}").json()

        def bare() -> None:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(one_connection, shares))

        return compare(
            "the same without batch : eight bare connections",
            1.1,
            ours=first_load(vault_class(FIELDS, paths=PATHS)),
            theirs=bare,
            turns=5,
        )


def _again(fields: int, *, paths: int, repeat: int, target: float) -> Result:
    os.environ |= variables(fields)
    with vault_with(fields, paths=paths):
        compared = compare(
            f"a second load of {fields} fields : pydantic-settings from the environment",
            target,
            ours=vault_class(fields, paths=paths),
            theirs=plain_class(fields),
            turns=40,
            repeat=repeat,
        )
    for name in variables(fields):
        del os.environ[name]
    return compared


def again_3() -> Result:
    return _again(3, paths=1, repeat=50, target=1.3)


def again_200() -> Result:
    return _again(FIELDS, paths=PATHS, repeat=3, target=1.1)


again = (again_3, again_200)


class _Runs(NamedTuple):
    """The seconds of each run with a number of fields."""

    load: Sequence[float]
    of_settings: Sequence[float]
    provenance: Sequence[float]
    start: Sequence[float]


@functools.cache
def _many(fields: int) -> _Runs:
    cls, theirs = vault_class(fields, paths=PATHS), plain_class(fields)
    with vault_with(fields, paths=PATHS):
        os.environ |= variables(fields)
        settings = cls()

        def start() -> None:
            live: LiveSettings[Any] = LiveSettings(cls)
            live.load()  # `start` but for its threads

        actions = (cls, theirs, lambda: provenance(settings), start)
        return _Runs(*pairs(*actions, turns=3, clock=cpu))


def many_fields() -> Result:
    runs = _many(10_000)
    name = "10,000 fields : pydantic-settings from the environment"
    return result(name, 1.1, runs.load, runs.of_settings)


def _linear(name: str, ours: Callable[[_Runs], Sequence[float]]) -> Result:
    """Compare 10,000 fields with ten times 1,000; what grows with the square is at ten.

    Of the same fields pydantic-settings is at 1.1 to 1.3, since they leave the processor's cache.
    """
    whole, tenth = min(ours(_many(10_000))), 10 * min(ours(_many(1_000)))
    return Result(f"{name} of 10,000 fields : of 10 x 1,000", 1.5, [whole / tenth], whole, tenth)


def linear_load() -> Result:
    return _linear("load", lambda runs: runs.load)


def linear_provenance() -> Result:
    return _linear("provenance()", lambda runs: runs.provenance)


def linear_start() -> Result:
    return _linear("start()", lambda runs: runs.start)


linear = (linear_load, linear_provenance, linear_start)
