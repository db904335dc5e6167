"""Whether a test notices a mutant: each has a forked process, which ends when a test fails.

A process that has collected the tests forks for each mutant of a function, and the child puts the
changed code into it. For one of the rest of a module, all is imported anew. Of the tests those run
that come by at the changed line, the quickest first.
"""

from __future__ import annotations

import ast
import faulthandler
import gc
import importlib
import inspect
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import islice
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, Protocol, TypeAlias, TypeVar

import pytest
from coverage import Coverage

from tests.mutants.mutating import Mutant

T = TypeVar("T")

PACKAGE: Final = Path(__file__).parents[2] / "vaultconfig"
PROCESSES: Final = 2
PATIENCE: Final = 10.0  # seconds for a test, and as many times what it took before
MEMORY: Final = 4 << 30  # bytes; what grows without end has to stop somewhere
SLOW_TO_IMPORT: Final = ("pydantic_settings", "httpx", "starlette", "uvicorn", "redis")
QUIET: Final = ("-qq", "-s", "-p", "no:cacheprovider", "-p", "no:xdist")


class Tell(Protocol):
    """Is told of a mutant what became of it."""

    def __call__(self, mutant: Mutant, *, has_survived: bool) -> None: ...


Swap: TypeAlias = tuple[FunctionType, CodeType]


def judge(mutants: list[Mutant], tests: tuple[str, ...], tell: Tell) -> None:
    """Call *tell* for each of *mutants*; no module of the package may be imported yet."""
    with tempfile.TemporaryDirectory() as directory:
        left = Path(directory, "left")
        child = os.fork()
        if not child:
            together = _Together(mutants, tell, left)
            os._exit(pytest.main([*QUIET, *tests], [together]))
        os.waitpid(child, 0)
        if not left.exists():
            sys.exit(1)
        alone = [mutants[number] for number in json.loads(left.read_text())]
    for name in SLOW_TO_IMPORT if alone else ():
        importlib.import_module(name)
    work = ((mutant, partial(_import_and_try, mutant, tests)) for mutant in alone)
    for mutant, has_survived in _in_processes(work):
        tell(mutant, has_survived=has_survived)


class _Plugin:
    """Has Hypothesis draw the same each time, and ends a test that hangs."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](lambda: PATIENCE)

    def pytest_configure(self) -> None:
        import hypothesis

        hypothesis.settings.register_profile(
            "mutants", deadline=None, derandomize=True, database=None, max_examples=50
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        patience = PATIENCE * (1 + self.seconds[item.nodeid])
        faulthandler.dump_traceback_later(patience, exit=True, file=sys.__stderr__)


class _Together(_Plugin):
    """Runs the tests not once, but for each mutant of a function; notes which are *left*."""

    def __init__(self, mutants: list[Mutant], tell: Tell, left: Path) -> None:
        super().__init__()
        self.mutants, self.tell, self.left = mutants, tell, left

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        files = sorted({mutant.file for mutant in self.mutants})
        for file in files:
            importlib.import_module(_module(file))
        with tempfile.TemporaryDirectory() as directory:
            notes = Path(directory, "notes")
            [_] = _in_processes([(None, partial(_watch, session, files, notes))])
            seconds, reached, failed = json.loads(notes.read_text())
            if failed:
                raise pytest.UsageError(f"{failed} fails without a change")
            self.seconds.update(seconds)
            functions = _functions()
            swaps = [_swaps(mutant, functions) for mutant in self.mutants]
            self.left.write_text(json.dumps([n for n, swap in enumerate(swaps) if not swap]))
            trials = self._trials(session, reached, swaps, Path(directory, "noticed"))
            for mutant, has_survived in _in_processes(trials):
                self.tell(mutant, has_survived=has_survived)
        return True

    def _trials(
        self,
        session: pytest.Session,
        reached: dict[str, dict[str, list[str]]],
        swaps: list[list[Swap]],
        noticed: Path,
    ) -> Iterator[tuple[Mutant, Callable[[], int]]]:
        """Give what tries each mutant, first with the tests that have noticed others close by."""
        noticed.touch()
        items = sorted(session.items, key=lambda item: self.seconds[item.nodeid])
        for mutant, swap in zip(self.mutants, swaps, strict=True):
            if not swap:
                continue
            near = mutant.name.partition(":")[0]
            rows = [line.partition(" ") for line in noticed.read_text().splitlines()]
            good = {name for function, _, name in rows if function == near}
            names = {name for n in mutant.lines for name in reached[mutant.file].get(str(n), ())}
            chosen = [item for item in items if item.nodeid in names]
            chosen.sort(key=lambda item: item.nodeid not in good)
            yield mutant, partial(_swap_and_try, session, chosen, swap, (noticed, near))


def _watch(session: pytest.Session, files: list[str], notes: Path) -> int:
    """Note how long each test takes, and which of them come by at each line of *files*."""
    paths = [str(PACKAGE / file) for file in files]
    lines = Coverage(data_file=None, config_file=False, include=paths)
    lines.set_option("run:disable_warnings", ["no-data-collected"])  # a table has no functions
    seconds: dict[str, float] = {}
    lines.start()
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        lines.switch_context(item.nodeid)
        began = time.monotonic()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds[item.nodeid] = time.monotonic() - began
        if session.testsfailed:
            break
    lines.stop()
    contexts = lines.get_data().contexts_by_lineno
    reached = dict(zip(files, map(contexts, paths), strict=True))
    notes.write_text(json.dumps([seconds, reached, session.testsfailed and item.nodeid]))
    return 0


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return the functions of the package, by where they stand."""
    found = defaultdict(list)
    for function in gc.get_objects():
        if isinstance(function, FunctionType):
            found[_place(function.__code__)].append(function)
    return found


def _place(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _swaps(mutant: Mutant, functions: dict[tuple[str, str, int], list[FunctionType]]) -> list[Swap]:
    """Return which functions the mutant gives another code; none where it is not about one."""
    return [
        (function, new)
        for old, new in _different(_compiled(PACKAGE / mutant.file), mutant.code)
        if old.co_freevars == new.co_freevars
        for function in functions.get(_place(old), ())
    ]


@cache
def _compiled(file: Path) -> CodeType:
    return compile(ast.parse(file.read_bytes()), str(file), "exec", dont_inherit=True)


def _different(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Give the code of each outermost function that differs, before and after."""
    codes = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
    for before, after in zip(*codes, strict=False):
        if before != after and _place(before) == _place(after):  # else one of them is left out
            is_class = not before.co_flags & inspect.CO_OPTIMIZED
            yield from _different(before, after) if is_class else [(before, after)]


def _swap_and_try(
    session: pytest.Session, items: list[pytest.Item], swaps: list[Swap], note: tuple[Path, str]
) -> int:
    for function, code in swaps:
        function.__code__ = code
    for item, following in zip(items, [*items[1:], None], strict=False):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            with note[0].open("a") as file:
                file.write(f"{note[1]} {item.nodeid}\n")
            break
    return session.testsfailed


class _Alone(_Plugin):
    """Has the changed module imported in the place of the one in the file."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__()
        self.mutant = mutant

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        sys.meta_path.insert(0, self)  # before what pytest has there, which reads files itself

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Return how to import the module *name*, as `sys.meta_path` wants it."""
        if name != _module(self.mutant.file):
            return None
        loader = SourceFileLoader(name, str(PACKAGE / self.mutant.file))
        loader.get_code = lambda _: self.mutant.code  # type: ignore[method-assign, assignment]
        return spec_from_file_location(name, loader=loader)


def _import_and_try(mutant: Mutant, tests: tuple[str, ...]) -> int:
    return pytest.main([*QUIET, "-x", *tests], [_Alone(mutant)])


def _module(file: str) -> str:
    return f"vaultconfig.{file.removesuffix('.py').replace('/', '.')}"


def _in_processes(work: Iterable[tuple[T, Callable[[], int]]]) -> Iterator[tuple[T, bool]]:
    """Call each of *work* in a child, two at a time, and give what has ended with 0."""
    waiting = iter(work)
    running: dict[int, T] = {}
    try:
        while True:
            for what, call in islice(waiting, PROCESSES - len(running)):
                running[_fork(call)] = what
            if not running:
                return
            child, status = os.wait()
            _kill(child)
            yield running.pop(child), status == 0
    finally:
        for child in running:
            _kill(child)


def _kill(child: int) -> None:
    """End *child* and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _fork(call: Callable[[], int]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        status = int(bool(call()))
    finally:
        os._exit(status)
