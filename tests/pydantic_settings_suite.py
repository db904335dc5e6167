"""pydantic-settings' own tests, on `VaultSettings`. Run by ``make test-pydantic-settings``.

They are in the source distribution of the installed version, which is fetched for each run. A test
that passes with BaseSettings has to pass with VaultSettings in its place, except for what
docs/reference/settings.md lists as different. It exits with 1 where one fails for another reason,
or where nothing shows a listed difference any more.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/reference/settings.md"
IGNORED = "Keys that match no field are ignored"
NO_INPUT = "Validation errors hold no input"
ONLY_INPUTS = "these errors differ in inputs and contexts only"
EXPECTED = {
    r"::test_other_setting\n.*DID NOT RAISE": IGNORED,
    r"::test_env_file_with_env_prefix_invalid\n.*DID NOT RAISE": IGNORED,
    r"::test_dotenv_with_alias_and_env_prefix\n.*DID NOT RAISE": IGNORED,
    ONLY_INPUTS: NO_INPUT,
    r"::test_docs_examples.*\n +- +Field required \[type=missing, input_value=": NO_INPUT,
    r"::test_env_file_custom_encoding\n.*ConfigurationError: .* is not utf-8 at byte": (
        "A file that cannot be decoded is a `ConfigurationError`"
    ),
    r"::test_protected_namespace_defaults\n.*<class 'vaultconfig\.settings\.VaultSettings'>": (
        "Messages name the base class"
    ),
}
"""What a failure looks like, its test's name before it, and what the page calls it."""


class Outcomes:
    """A plugin of pytest: gives the tests *base* as BaseSettings, and notes what becomes of them.

    Attributes:
        failures: By the name of each test that ran, what pytest says of its failure, if it failed.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self.failures: dict[str, str | None] = {}

    def pytest_configure(self) -> None:
        import pydantic_settings
        from pytest_examples import EvalExample, run_code

        import vaultconfig

        if self._base == "VaultSettings":  # which has the real one by now; the tests import later
            pydantic_settings.BaseSettings = vaultconfig.VaultSettings
        EvalExample.lint = lambda *_: None  # the format of examples is not what is compared
        run_code.create_example_traceback = lambda *_: None  # pytest can't print them in 3.11

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.replace(self._base, "BaseSettings")  # classes are parameters, too
        if report.failed:
            self.failures[name] = report.longreprtext
        elif report.when == "call" and report.passed:
            self.failures[name] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        only_inputs = op == "==" and _without_inputs(left) == _without_inputs(right)
        return [ONLY_INPUTS] if only_inputs else None


def _without_inputs(errors: object) -> object:
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        return errors
    return [{key: error[key] for key in error.keys() - {"input", "ctx"}} for error in errors]


def failures_of(base: str, tests: Path) -> dict[str, str | None]:
    """Run the folder *tests* in this process; see `Outcomes`."""
    os.environ.pop("VAULTCONFIG_ENVIRONMENT", None)
    os.chdir(tests.parent)  # the options are those of its pyproject.toml, not of ours
    sys.path.append(str(tests.parent))  # behind the installed package, which lies there as well
    seen, output = Outcomes(base), io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(["--tb=short", "-p", "no:cacheprovider", tests.name], plugins=[seen])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(output.getvalue())
    return seen.failures


def fetch(directory: Path) -> Path:
    """Return pydantic-settings' folder of tests, unpacked in *directory*."""
    what = f"pydantic-settings=={version('pydantic-settings')}"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    # pip asks the build backend for metadata; without isolation it takes the one installed here.
    options = ["--no-deps", "--no-binary=pydantic-settings", "--no-build-isolation"]
    subprocess.run([*pip, *options, "--dest", str(directory), what], check=True)
    (archive,) = directory.iterdir()
    shutil.unpack_archive(archive, directory)
    return next(directory.glob("*/tests"))


def main() -> int:
    """Run the tests with each class, say what differs, and return the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        tests = fetch(Path(directory).resolve())
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
            bases = ("BaseSettings", "VaultSettings")
            theirs, ours = processes.map(failures_of, bases, (tests, tests))
    passed = [name for name, failure in theirs.items() if failure is None]
    failures = {name: ours.get(name, "it did not run") for name in passed}
    unlisted = {name: failure for name, failure in failures.items() if failure is not None}
    told = [
        f"pydantic-settings {version('pydantic-settings')}: {len(passed)} of its tests pass with"
        f" BaseSettings, {len(passed) - len(unlisted)} of these with VaultSettings"
    ]
    problems = []
    page = PAGE.read_text(encoding="utf-8")
    for pattern, difference in EXPECTED.items():
        shown = [n for n, said in unlisted.items() if re.search(pattern, f"{n}\n{said}", re.DOTALL)]
        for name in shown:
            told.append(f"{difference}: {name}")
            del unlisted[name]
        if not shown:
            problems.append(f"no test shows this any more: {difference} ({pattern})")
        if f"\n- **{difference}" not in page:
            problems.append(f"{PAGE.name} does not list this: {difference}")
    problems += [f"{name} fails for another reason:\n{said}" for name, said in unlisted.items()]
    sys.stdout.writelines(f"{line}\n" for line in told + problems)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
