"""A PostgreSQL role's password rotates, in the server and in the vault, while requests pour in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.django.conftest import Role
from tests.django.site import WEB, Gunicorn, eventually, gunicorn
from vaultconfig.devserver import DevServer

CROWD = 6
PATIENCE = 0.2  # seconds after which the vault is asked again, at first
WORKERS = ("-w", "2", "--threads", "4", "project.wsgi")
MODES = {
    "a login a request": {},
    "persistent": {"SITE_DATABASE_MAX_AGE": "600"},
    "pool": {"SITE_DATABASE_POOL": "1"},
}


@dataclass
class Load:
    """Requests without end, and what came of each: when it began, and its status.

    `under_way` has for each thread when its last one began.
    """

    server: Gunicorn
    told: list[tuple[float, int]] = field(default_factory=list)
    under_way: dict[int, float] = field(default_factory=dict)
    is_over: bool = False

    def pour(self) -> None:
        while not self.is_over:
            began = self.under_way[threading.get_ident()] = time.monotonic()
            self.told.append((began, self.server.status("database")))

    def good_since(self, moment: float) -> int:
        return sum(began > moment and status == 200 for began, status in list(self.told))

    def has_passed(self, moment: float) -> bool:
        """Whether no request is under way that began before: one more try means one rotation."""
        return all(began > moment for began in list(self.under_way.values()))

    def failures(self) -> list[float]:
        """Return when requests began that failed."""
        return [began for began, status in self.told if status != 200]


@contextmanager
def load_on(server: Gunicorn) -> Iterator[Load]:
    load = Load(server)
    crowd = [threading.Thread(target=load.pour) for _ in range(CROWD)]
    for thread in crowd:
        thread.start()
    try:
        yield load
    finally:
        load.is_over = True
        for thread in crowd:
            thread.join()


def open_site(server: Gunicorn) -> None:
    eventually(lambda: server.status("database") == 200)


@pytest.mark.parametrize("mode", MODES)
def test_no_request_fails_longer_than_the_switch(
    site_vault: DevServer,
    on_postgres: Callable[..., dict[str, str]],
    make_role: Callable[[DevServer], Role],
    mode: str,
) -> None:
    """What begins once vault and server agree succeeds, in the processes that there were."""
    role = make_role(site_vault)
    environment = on_postgres(site_vault, **MODES[mode])
    with gunicorn(*WORKERS, environment=environment) as server:
        open_site(server)
        with load_on(server) as load:
            eventually(lambda: load.good_since(0) > 50)
            before = time.monotonic()
            role.put()
            role.alter()
            switched = time.monotonic()
            eventually(lambda: load.good_since(switched) > 100)
        assert all(before <= began <= switched for began in load.failures())
        assert server.text.count("Booting worker") == 2
        assert "canary" not in server.text


@pytest.mark.parametrize("mode", ["persistent", "pool"])
def test_good_connections_stay_and_new_ones_log_in_anew(
    site_vault: DevServer,
    on_postgres: Callable[..., dict[str, str]],
    make_role: Callable[[DevServer], Role],
    mode: str,
) -> None:
    """A rotation ends no connection; one that has to be replaced logs in with the new password."""
    role = make_role(site_vault)
    environment = on_postgres(site_vault, **MODES[mode])
    with gunicorn("-w", "1", "project.wsgi", environment=environment) as server:
        open_site(server)
        old = role.connections()
        role.put()
        role.alter()
        assert [server.status("database") for _ in range(20)] == [200] * 20
        assert old & role.connections()
        role.drop_connections()
        eventually(lambda: not old & role.connections())
        assert [server.status("database") for _ in range(20)] == [200] * 20


def test_a_refused_login_asks_the_vault(
    on_postgres: Callable[..., dict[str, str]], make_role: Callable[[DevServer], Role]
) -> None:
    """Without announcements and long before the ttl: as soon as both agree, all is well again."""
    with DevServer(subscriptions=False) as vault:
        vault.put(WEB, {"secret_key": "k" * 50, "signing_key": "x"})
        role = make_role(vault)
        with gunicorn(*WORKERS, environment=on_postgres(vault)) as server:
            open_site(server)
            with load_on(server) as load:
                eventually(lambda: load.good_since(0) > 20)
                role.renew()
                before = time.monotonic()
                role.alter()  # the server first, so that the vault is asked in vain
                eventually(lambda: len(load.failures()) > 10)
                role.publish()
                switched = time.monotonic()
                eventually(lambda: load.good_since(switched) > 100)
            spent = switched - before
            assert all(began - switched <= spent + PATIENCE for began in load.failures())
        assert len(reads(vault)) < 2 * 12


def test_twenty_rotations_fail_no_request(
    on_postgres: Callable[..., dict[str, str]], make_role: Callable[[DevServer], Role]
) -> None:
    """None is announced, eight threads log in for each request; each costs one read or two."""
    with DevServer(subscriptions=False) as vault:
        vault.put(WEB, {"secret_key": "k" * 50, "signing_key": "x"})
        role = make_role(vault)
        options = ("-w", "1", "--threads", "8", "project.wsgi")
        with gunicorn(*options, environment=on_postgres(vault)) as server:
            open_site(server)
            with load_on(server) as load:
                for number in range(20):
                    asked = len(reads(vault))
                    if number < 10:
                        role.put()
                        role.alter()
                    else:
                        last, role = role, make_role(vault)
                        last.postgres.run("ALTER ROLE {} NOLOGIN", last.name)
                    switched = time.monotonic()
                    eventually(lambda at=switched: load.good_since(at) > 10 and load.has_passed(at))
                    assert asked < len(reads(vault)) <= asked + 2
            assert load.failures() == []


def test_a_crowd_asks_the_vault_once(
    on_postgres: Callable[..., dict[str, str]], make_role: Callable[[DevServer], Role]
) -> None:
    """Logins of one process that are refused together share one question to the vault."""
    with DevServer(subscriptions=False) as vault:
        vault.put(WEB, {"secret_key": "k" * 50, "signing_key": "x"})
        role = make_role(vault)
        options = ("-w", "1", "--threads", "8", "project.wsgi")
        with gunicorn(*options, environment=on_postgres(vault)) as server:
            open_site(server)
            asked = len(reads(vault))
            role.put()
            role.alter()
            vault.hold("/v1/secrets/**")
            with ThreadPoolExecutor(8) as crowd:
                statuses = [crowd.submit(server.status, "database") for _ in range(8)]
                vault.wait_until_asked()
                eventually(lambda: role.refused() >= 8)
                vault.release()
                assert [status.result() for status in statuses] == [200] * 8
            assert len(reads(vault)) == asked + 1


def reads(vault: DevServer) -> list[str]:
    return [r.path for r in vault.requests if r.path.startswith("/v1/secrets")]
