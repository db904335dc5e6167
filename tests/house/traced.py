"""Counts what runs for one reference, and prints it as JSON; the package is on ``PYTHONPATH``.

`sys.setprofile` sees the calls in the thread that loads. Counted are functions that stand in the
package, the dev server left out: what pydantic, httpx and Python do in between isn't counted, nor
are methods that ``dataclass`` and ``NamedTuple`` generate. Comprehensions, generator expressions
and lambdas belong to the function around them. A property or an ``__init__`` that is written out is
a function like any other; a generator is called each time that it goes on. A change of file is a
call in another file than the call before it.

The class and its first load are one field, from the annotation to the value, with one request to
the vault. The way of the reference is the same for a second class, with the secret in the cache,
and nearest to what a reader follows by hand: only functions count that receive or return the
reference or something made of it. They are found by the path of the secret in the ``repr`` of an
argument, a variable of an enclosing function, or the result.

Everything happens once before with another class and another secret, so that no import and no
first connection is counted. Calls differ by a few where the answer arrives in more pieces.
"""

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Annotated, Any, Self

import vaultconfig
from vaultconfig import LiveSettings, VaultSettings
from vaultconfig.devserver import DevServer

PACKAGE = Path(vaultconfig.__file__).parent
OURS, DEV_SERVER = f"{PACKAGE}{os.sep}", f"{PACKAGE / 'devserver'}{os.sep}"


class Trace:
    """What is called inside its ``with`` block.

    Args:
        mark: Count only functions that receive or return something whose ``repr`` has it.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._calls: list[CodeType] = []

    def __enter__(self) -> Self:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.setprofile(None)

    @property
    def functions(self) -> int:
        return len(set(self._calls))

    @property
    def files(self) -> int:
        return len({code.co_filename for code in self._calls})

    @property
    def calls(self) -> int:
        return len(self._calls)

    @property
    def changes_of_file(self) -> int:
        files = [code.co_filename for code in self._calls]
        return sum(before != after for before, after in itertools.pairwise(files))

    def _see(self, frame: FrameType, event: str, result: object) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(OURS) or code.co_filename.startswith(DEV_SERVER):
            return
        if code.co_name.startswith("<"):  # a comprehension, a lambda, a module's own code
            return
        if self._mark:
            given = {"call": frame.f_locals.values(), "return": [result]}.get(event, ())
            is_counted = any(self._is_in(value) for value in given)
        else:
            is_counted = event == "call"
        if is_counted:
            self._calls.append(code)

    def _is_in(self, value: object) -> bool:
        with contextlib.suppress(Exception):  # its `__init__` may be what is running
            return self._mark in repr(value)
        return False


def figures(vault: DevServer, path: str) -> dict[str, int]:
    """Return what was counted for a field whose secret is at *path*, by the name of the figure."""

    def new_class() -> type[Any]:
        class Settings(VaultSettings):
            key: Annotated[str, f"vault:{path}#key"]

        return Settings

    vault.put(path, {"key": "first"})
    with Trace() as asked:
        settings_cls = new_class()
        first = settings_cls()
    with Trace(path) as way:
        new_class()()
    with Trace() as again:
        second = settings_cls()
    assert first.key == second.key == "first"

    live = LiveSettings(settings_cls)
    live.load()  # unlike start() and current, it starts no thread
    vault.rotate(path, {"key": "rotated"})
    with Trace() as refresh:
        live.refresh()
    assert live.load().key == "rotated"
    return {
        **detailed("a class and its first load", asked),
        "  the way of the reference: functions": way.functions,
        "  the way of the reference: files": way.files,
        **detailed("a second load", again),
        **detailed("a refresh after a rotation", refresh),
    }


def detailed(name: str, trace: Trace) -> dict[str, int]:
    return {
        f"{name}: functions": trace.functions,
        f"{name}: files": trace.files,
        f"{name}: calls": trace.calls,
        f"{name}: changes of file": trace.changes_of_file,
    }


def main() -> None:
    """Print the figures of the package that is found first."""
    assert PACKAGE.parent == Path(os.environ["PYTHONPATH"]), "another package is measured"
    with DevServer() as vault:
        os.environ |= {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
        os.environ["VAULTCONFIG_ENVIRONMENT"] = "production"
        figures(vault, "warm/up")
        sys.stdout.write(json.dumps(figures(vault, "light/house")))


if __name__ == "__main__":
    main()
