"""``examples/worker.py`` as a process: a pool of connections through a rotation."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.django.conftest import Role
from tests.django.site import eventually, variables
from tests.postgres import Postgres
from vaultconfig.devserver import DevServer

WORKER = Path(__file__).parents[2] / "examples" / "worker.py"
LOGIN = "environments/production/worker/database"


class Worker:
    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self._log = directory / "worker.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", str(WORKER)],
                cwd=directory,
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def text(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def jobs(self) -> int:
        assert self.process.poll() is None, self.text
        return self.text.count("a job is done")

    def does_more_jobs(self) -> None:
        done = self.jobs()
        eventually(lambda: self.jobs() > done + 5)


@contextmanager
def running(environment: dict[str, str], directory: Path) -> Iterator[Worker]:
    worker = Worker(environment, directory)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait(10)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "refused first"])
def test_the_worker_goes_on_through_a_rotation(
    make_role: Callable[..., Role], postgres: Postgres, tmp_path: Path, announced: bool
) -> None:
    """Connections that are good stay, with their jobs, and new ones have the new password."""
    with DevServer(subscriptions=announced) as vault:
        role = make_role(vault, LOGIN)
        environment = variables(
            vault,
            tmp_path,
            WORKER_DATABASE_PORT=str(postgres.port),
            WORKER_PAUSE="0.005",
        )
        with running(environment, tmp_path) as worker:
            eventually(lambda: worker.jobs() > 5)
            old = role.connections()
            role.put()
            role.alter()
            if announced:
                eventually(lambda: "rotated: database.password" in worker.text)
            worker.does_more_jobs()
            assert old & role.connections()
            assert "a job has failed" not in worker.text
            cut_off = role.drop_connections()
            eventually(lambda: role.connections() and not old & role.connections())
            worker.does_more_jobs()
            assert "rotated: database.password" in worker.text
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait(10) == 0
            assert worker.text.splitlines()[-1] == "stopped"
    assert "canary" not in worker.text
    assert worker.text.count("a job has failed") <= cut_off  # each may take one job with it


def test_the_worker_does_not_start_without_the_vault(tmp_path: Path, vault: DevServer) -> None:
    """It ends with what is wrong, and not with 0."""
    environment = variables(vault, tmp_path)
    with running(environment, tmp_path) as worker:
        assert worker.process.wait(20) == 1
        assert "there is no secret at environments/production/worker/database" in worker.text
