"""One library does one work in this fresh process, which then prints what came of it as JSON.

Run with the name of its module in `programs`, that of the work, and how often to load once it is
warm. Nothing is imported here that a small program would not import itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from time import perf_counter
from typing import Any

from tests.benchmarks.peers.works import WORKS, Fields, Work, fields_of, path_of, value_of


def main(module: str, work: Work, turns: int) -> dict[str, Any]:
    fields, said = fields_of(work), {}
    began = perf_counter()
    program = import_module(f"tests.benchmarks.peers.programs.{module}")
    imported = perf_counter()
    try:
        load = program.loader(fields)
        loaded = dict(load())
    except Exception as error:
        if work.denied is None:
            raise
        loaded, said = {}, {"error": told(error, path_of(work, work.denied))}
    ended = perf_counter()
    wrong = wrong_of(loaded, fields)
    measured = {"import": imported - began, "first": ended - imported, "wrong": wrong, **said}
    if turns:
        measured |= warm(load, getattr(program, "forget", lambda: None), fields, turns)
        measured["wrong"] += wrong_of(dict(load()), fields)
    return {**measured, "memory": peak_memory()}


def wrong_of(loaded: Mapping[str, Any], fields: Fields) -> int:
    """Return how many of *fields* have not their value."""
    return sum(loaded.get(name) != value_of(*where) for name, where in fields.items())


def warm(load: Any, forget: Any, fields: Any, turns: int) -> dict[str, Any]:
    """Load again, as if for the first time beside one bare POST, and then with what is kept."""
    from tests.benchmarks.measuring import pairs
    from tests.benchmarks.peers.programs import limit

    def anew() -> None:
        forget()
        load()

    mine, limits = pairs(anew, limit.loader(fields), turns=turns)
    (second,) = pairs(load, turns=turns)
    return {"load": mine, "limits": limits, "second": second}


def told(error: BaseException | None, path: str) -> str:
    """Return the type of *error*, and whether it or its causes name the denied *path*."""
    name, texts = type(error).__name__, []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return f"{name}, which {'names' if path in ' '.join(texts) else 'does not name'} the path"


def peak_memory() -> float:
    """Return it in MB; of this program alone, while getrusage() counts what it was forked from."""
    with open("/proc/self/status") as status:
        (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(peak) / 1000


if __name__ == "__main__":
    found = main(sys.argv[1], WORKS[sys.argv[2]], int(sys.argv[3]))
    sys.stdout.write(json.dumps(found) + "\n")
