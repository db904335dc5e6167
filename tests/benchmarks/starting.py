"""How long it takes until there is anything: a whole process, imports, the command line's help."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measuring import Result, compare
from tests.benchmarks.subjects import path_of, vault_with

FIELDS, PATHS = 200, 100
HELP = "import sys; sys.argv[1:] = ['--help']; from vaultconfig.cli import main; main()"

OURS = """\
from typing import Annotated
from vaultconfig import VaultSettings
class Settings(VaultSettings):
{fields}
Settings()
"""

BY_HAND = """\
import os
import ssl
import httpx
from pydantic_settings import BaseSettings
class Settings(BaseSettings):
{fields}
where = {where}
headers = {{"Authorization": "Bearer " + os.environ["SCAIVAULT_TOKEN"]}}
url = os.environ["SCAIVAULT_URL"] + "/v1/secrets/batch"
verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
with httpx.Client(headers=headers, verify=verify) as client:
    answer = client.post(url, json={{"paths": sorted({{path for path, _ in where.values()}})}})
secrets = answer.raise_for_status().json()["secrets"]
Settings(**{{name: secrets[path]["data"][key] for name, (path, key) in where.items()}})
"""


@contextmanager
def by_hand_too() -> Iterator[None]:
    """Have modules called `ours` and `by_hand`, and a vault on loopback with what they need."""
    where = {f"field{n}": (path_of(n % PATHS), f"key{n}") for n in range(FIELDS)}
    annotated = [
        f"    {name}: Annotated[str, 'vault:{path}#{key}']" for name, (path, key) in where.items()
    ]
    plain = [f"    {name}: str" for name in where]
    # From files, which Python has compiled: what is measured is not the parser.
    Path("ours.py").write_text(OURS.format(fields="\n".join(annotated)))
    Path("by_hand.py").write_text(BY_HAND.format(fields="\n".join(plain), where=where))
    with vault_with(FIELDS, paths=PATHS):
        yield


def cold_process() -> Result:
    """Both with the same libraries; the URL is http, so that neither loads certificates."""
    with by_hand_too():
        return compare(
            f"a whole cold process, {FIELDS} fields : by hand with pydantic-settings and httpx",
            1.1,
            ours=process("import ours"),
            theirs=process("import by_hand"),
            turns=9,
        )


def cold_process_counted() -> Result:
    with by_hand_too():
        return counted("the same, instructions", 1.1, "import ours", "import by_hand")


def importing() -> Result:
    ours, theirs = (
        "import vaultconfig; vaultconfig.VaultSettings",
        "from pydantic_settings import BaseSettings",
    )
    return counted(
        "import vaultconfig; VaultSettings : import BaseSettings, instructions", 1.1, ours, theirs
    )


def helping() -> Result:
    return counted("vaultconfig --help : import click, instructions", 1.2, HELP, "import click")


def counted(name: str, target: float, ours: str, theirs: str) -> Result:
    """Compare in instructions, which do not depend on what else the machine does."""
    if shutil.which("valgrind") is None:
        return Result(name, target, [])
    mine, others = instructions(ours), instructions(theirs)
    return Result(name, target, [mine / others], mine, others, counted="M")


def process(code: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run(
            [sys.executable, "-c", code], env=_environment(), check=True, stdout=subprocess.DEVNULL
        )

    return run


def instructions(code: str) -> float:
    """Return how many million instructions a Python that runs *code* takes, by callgrind."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    # The first one compiles what is imported, and does not count.
    for tool in ([], command):
        done = subprocess.run(
            [*tool, sys.executable, "-c", code],
            env={**_environment(), "PYTHONHASHSEED": "0"},
            check=True,
            capture_output=True,
            text=True,
        )
    (collected,) = re.findall(r"Collected : (\d+)", done.stderr)
    return int(collected) / 1e6


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [".", *sys.path]))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled
    return environment
