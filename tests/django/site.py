"""Django projects as real processes: the example under ``manage.py`` or gunicorn, or one's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vaultconfig.devserver import DevServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "django_project"
WEB = "environments/production/site/web"
DATABASE = "environments/production/site/database"
Answer = dict[str, Any]


def eventually(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Return what *condition* returns once that is true; fail when it is not in time."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return found


def variables(vault: DevServer | None, directory: Path, **more: str) -> dict[str, str]:
    """Return an environment with nothing of the tests' own but where to import from."""
    where = {} if vault is None else {"SCAIVAULT_URL": vault.url, "SCAIVAULT_TOKEN": vault.token}
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(directory), *filter(None, sys.path)]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "127.0.0.1",
        "VAULTCONFIG_ENVIRONMENT": "production",
        **where,
        **more,
    }


def python(
    *arguments: str, environment: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the example's ``manage.py``; *environment* is that of `variables`."""
    return python("manage.py", *arguments, environment=environment, directory=EXAMPLE)


class Gunicorn:
    """The example (or another project) under gunicorn, on a free port."""

    def __init__(self, *options: str, environment: Mapping[str, str], directory: Path) -> None:
        self.log = Path(environment["HOME"]) / "gunicorn.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *options],
                cwd=directory,
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_until_up(self) -> None:
        def address() -> re.Match[str] | None:
            assert self.process.poll() is None, self.text
            return re.search(r"Listening at: (http://\S+)", self.text)

        self.url = eventually(address)[1]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def get(self, path: str = "") -> Answer:
        return json.loads(self.page(path))

    def page(self, path: str, **headers: str) -> str:
        """Return a page, that of an error too."""
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def status(self, path: str) -> int:
        """Return the status of a page; 0 where the connection breaks."""
        try:
            with urllib.request.urlopen(f"{self.url}/{path}", timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def keys(self) -> dict[int, str]:
        """Return the key that each process shows, of those that happened to answer."""
        with ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(lambda _: self.get(), range(24)))
        return {answer["pid"]: answer["key"] for answer in answers}


@contextmanager
def gunicorn(
    *options: str, environment: Mapping[str, str], directory: Path = EXAMPLE
) -> Iterator[Gunicorn]:
    server = Gunicorn(*options, environment=environment, directory=directory)
    try:
        server.wait_until_up()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def own_site(directory: Path, settings: str, **files: str) -> Path:
    """Write a project of one's own, whose settings are *settings*, into *directory*."""
    shutil.copy(EXAMPLE / "manage.py", directory)
    package = directory / "project"
    package.mkdir()
    for name, text in {"__init__": "", "settings": settings, **files}.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return directory
