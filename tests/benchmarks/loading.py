"""How long ``Settings()`` takes: the first, the second, and of many fields."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from pydantic import create_model

from tests.benchmarks.measuring import Result, compare, fastest
from tests.benchmarks.subjects import path_of, plain_class, variables, vault_class, vault_with
from vaultconfig.devserver import DevServer
from vaultconfig.vaults.shared import close_vaults

FIELDS, PATHS = 200, 100
LATENCY = 0.02  # seconds a request
CONNECTIONS = 8


def first_load(cls: type) -> Callable[[], None]:
    def load() -> None:
        close_vaults()  # a client and connections of its own, as in a new process
        cls()

    return load


def headers(vault: DevServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {vault.token}"}


def one_batch() -> Result:
    with vault_with(FIELDS, paths=PATHS) as vault:
        vault.fault(delay=LATENCY)
        paths = [path_of(n) for n in range(PATHS)]
        verify = httpx.create_ssl_context()  # takes longer than all the rest

        def bare() -> None:
            with httpx.Client(headers=headers(vault), verify=verify) as client:
                client.post(f"{vault.url}/v1/secrets/batch", json={"paths": paths}).json()

        return compare(
            "200 fields on 100 paths : one bare POST of the batch",
            1.5,
            ours=first_load(vault_class(FIELDS, paths=PATHS)),
            theirs=bare,
        )


def without_batch() -> Result:
    with vault_with(FIELDS, paths=PATHS, quickstart_only=True) as vault:
        vault.fault(delay=LATENCY)
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
            2.0,
            ours=first_load(vault_class(FIELDS, paths=PATHS)),
            theirs=bare,
            turns=5,
        )


def _again(fields: int, *, paths: int, repeat: int) -> Result:
    os.environ |= variables(fields)
    with vault_with(fields, paths=paths):
        result = compare(
            f"a second load of {fields} fields : pydantic-settings from the environment",
            1.3,
            ours=vault_class(fields, paths=paths),
            theirs=plain_class(fields),
            turns=40,
            repeat=repeat,
        )
    for name in variables(fields):
        del os.environ[name]
    return result


def again_3() -> Result:
    return _again(3, paths=1, repeat=50)


def again_200() -> Result:
    return _again(FIELDS, paths=PATHS, repeat=3)


again = (again_3, again_200)


@functools.cache
def _many(fields: int) -> tuple[float, ...]:
    """Return seconds for a load from the cache, by pydantic-settings, and by pydantic alone."""
    values = {f"field{n}": f"value-{n}" for n in range(fields)}
    declared: dict[str, Any] = dict.fromkeys(values, (str, ...))
    model = create_model("Model", **declared)
    ours, theirs = vault_class(fields, paths=PATHS), plain_class(fields)
    with vault_with(fields, paths=PATHS):
        os.environ |= variables(fields)
        return fastest(ours, theirs, lambda: model.model_validate(values), turns=5)


def many_fields() -> Result:
    ours, _, pydantic = _many(10_000)
    name = "10,000 fields : pydantic's validation of them"
    return Result(name, 2.0, ours / pydantic, ours, pydantic)


def many_fields_by_settings() -> Result:
    ours, theirs, _ = _many(10_000)
    name = "10,000 fields : pydantic-settings from the environment"
    return Result(name, 2.0, ours / theirs, ours, theirs)


def linear() -> Result:
    """A tenth more than ten times as long is still linear."""
    tenth, whole = _many(1_000)[0], _many(10_000)[0]
    return Result("10,000 fields : 10 x 1,000 fields", 1.1, whole / tenth / 10, whole, tenth * 10)
