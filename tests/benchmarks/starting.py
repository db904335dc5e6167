"""How long it takes until there is anything: imports, and the help of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tests.benchmarks.measuring import Result, compare

HELP = "import sys; sys.argv[1:] = ['--help']; from vaultconfig.cli import main; main()"


def process(code: str) -> Callable[[], None]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled

    def run() -> None:
        subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL
        )

    return run


def importing() -> Result:
    return compare(
        "import vaultconfig : import pydantic_settings",
        1.1,
        ours=process("import vaultconfig"),
        theirs=process("import pydantic_settings"),
    )


def importing_the_class() -> Result:
    return compare(
        "import VaultSettings : import BaseSettings",
        1.1,
        ours=process("from vaultconfig import VaultSettings"),
        theirs=process("from pydantic_settings import BaseSettings"),
    )


def helping() -> Result:
    return compare(
        "vaultconfig --help : import click", 1.3, ours=process(HELP), theirs=process("import click")
    )
