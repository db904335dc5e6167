"""One login of each driver: rejected, rejected for good, and with the vault away or silent."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import asyncpg
import psycopg
import pytest

from tests.drivers.clients import CLIENTS, Errors, LogIn, with_psycopg
from tests.drivers.rig import FIELDS, Database, Live, Role, threads
from tests.leaks import Shown, failure_of
from tests.live.rig import LONG, eventually, reads
from tests.postgres import Postgres
from tests.valkey import Valkey
from vaultconfig.devserver import DevServer
from vaultconfig.drivers.asyncpg import connector
from vaultconfig.drivers.psycopg import following
from vaultconfig.errors import ConfigurationError


@dataclass
class Client:
    """An account, a way to log in to it, and the error when that is rejected."""

    account: Database
    log_in: LogIn
    rejection: Errors

    def rejected(self) -> Exception:
        """Log in, which fails; nothing in the error shows a password."""
        error = failure_of(self.log_in)
        shown = Shown()
        shown.error(error)
        told = [where for where, text in shown._texts if "canary" in text]
        assert told == []
        assert isinstance(error, self.rejection), error
        return error


@pytest.fixture(params=CLIENTS)
def client(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    valkey: Valkey,
    vault: DevServer,
    live: Live,
) -> Client:
    kind, make, rejection = CLIENTS[request.param]
    account = kind(postgres if kind is Role else valkey, vault)
    account.begin()
    live.start()
    return Client(account, make(account.dsn, live), rejection)


def test_a_rejected_login_is_tried_again(vault: DevServer, client: Client) -> None:
    """The vault is asked once, and the newest login works; then it is not asked any more."""
    client.log_in()
    client.account.rotate_password()
    client.log_in()
    client.log_in()
    client.account.rotate_user()
    client.log_in()
    assert len(reads(vault)) == 3


def test_the_second_rejection_is_the_last(vault: DevServer, client: Client) -> None:
    """The caller gets the driver's own error, whose frames show neither password."""
    client.account.rotate_password()
    client.account.spoil()
    client.rejected()
    assert len(reads(vault)) == 2


def test_with_the_vault_down_the_driver_says_why(vault: DevServer, client: Client) -> None:
    """Its own error, at once and each time; the vault has no part in it."""
    client.account.spoil()
    vault.stop()
    before = time.monotonic()
    for _ in range(3):
        error = client.rejected()
        assert "vault" not in str(error)
    assert time.monotonic() - before < 8  # nothing waited for the deadline of 10 s


def test_while_the_vault_is_known_to_be_away_nothing_waits_for_it(
    vault: DevServer, role: Role, live: Live
) -> None:
    """The refresh in the background goes on asking, and a login that is rejected does not join."""
    live.start()
    log_in = with_psycopg(role.dsn, live)
    role.spoil()
    vault.fault(code="service_unavailable", times=1)
    with pytest.raises(psycopg.OperationalError):
        log_in()
    vault.hold("/v1/secrets/**")
    vault.wait_until_asked()  # by the thread in the background
    with pytest.raises(psycopg.OperationalError):
        log_in()
    assert live.health().state == "stale"  # it has not got its answer yet
    vault.release()


def test_a_login_refused_for_good_costs_few_requests(
    vault: DevServer, role: Role, live: Live
) -> None:
    """Eight threads try for four seconds: the vault is asked less and less often."""
    live.start()
    log_in = with_psycopg(role.dsn, live)
    role.spoil()
    with threads(log_in) as crowd:
        time.sleep(4)
    assert crowd.by_member.total() == 0
    assert len(crowd.failures) == len(crowd.refused()) > 20
    assert len(reads(vault)) < 10


def test_a_silent_vault_blocks_no_event_loop(vault: DevServer, role: Role, live: Live) -> None:
    """Fifty rejected tasks wait in one thread: the loop goes on, and so does its executor."""
    live.start()
    role.rotate_password()
    vault.hold("/v1/secrets/**")
    connect = connector(live, **FIELDS)

    async def main() -> None:
        before = {*threading.enumerate()}
        tasks = [asyncio.create_task(connect(role.dsn)) for _ in range(50)]
        while len(reads(vault)) < 2:
            await asyncio.sleep(0.001)
        beats = 0
        until = time.monotonic() + 0.5
        while time.monotonic() < until or beats < 10:
            await asyncio.sleep(0.001)
            beats += 1
        assert beats > 20  # with a pause of 100 ms between two there would have been five
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, socket.gethostname)
        catching_up = [t for t in {*threading.enumerate()} - before if "(run)" in t.name]
        assert len(catching_up) <= 1
        vault.release()
        for connection in await asyncio.gather(*tasks):
            await connection.close()

    asyncio.run(asyncio.wait_for(main(), LONG))
    assert len(reads(vault)) == 2


def test_a_cancelled_task_takes_no_other_with_it(vault: DevServer, role: Role, live: Live) -> None:
    """The first one, which had the vault asked, goes at once; the others get their connection."""
    live.start()
    role.rotate_password()
    vault.hold("/v1/secrets/**")
    connect = connector(live, **FIELDS)

    async def main() -> None:
        tasks = [asyncio.create_task(connect(role.dsn)) for _ in range(3)]
        while len(reads(vault)) < 2:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await tasks[0]
        frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
        ours = [f.f_locals for f in frames if f.f_code.co_filename != __file__]
        assert "canary" not in repr(ours)
        vault.release()
        for connection in await asyncio.gather(*tasks[1:]):
            await connection.close()

    asyncio.run(asyncio.wait_for(main(), LONG))
    assert len(reads(vault)) == 2


def test_event_loops_and_threads_share_one_request(
    vault: DevServer, role: Role, live: Live
) -> None:
    """Two loops in threads of their own, and two threads without one."""
    live.start()
    role.rotate_password()
    vault.hold("/v1/secrets/**")
    connection_class = following(live, **FIELDS)
    connect = connector(live, **FIELDS)

    async def later() -> None:
        connection: asyncpg.Connection = await connect(role.dsn)
        await connection.close()

    ways: list[Callable[[], object]] = [
        lambda: asyncio.run(later()),
        lambda: connection_class.connect(role.dsn).close(),
    ]
    with ThreadPoolExecutor(4) as pool:
        logins = [pool.submit(way) for way in ways * 2]
        vault.wait_until_asked()
        word = f'password authentication failed for user "{role.user}"'
        eventually(lambda: role.server.log.count(word) >= 4)
        vault.release()
        for login in logins:
            login.result(LONG)
    assert len(reads(vault)) == 2


def test_before_the_start_the_error_says_so(live: Live) -> None:
    """Not a rejected login, which it would look like without a password."""
    with pytest.raises(ConfigurationError, match=r"call start\(\) first"):
        following(live, **FIELDS).connect("postgresql://127.0.0.1:1/x")


def test_after_the_end_the_last_login_goes_on(vault: DevServer, client: Client, live: Live) -> None:
    """An application that is ending still connects; the vault is not asked any more."""
    live.close()
    client.log_in()
    client.account.spoil()
    client.rejected()
    assert len(reads(vault)) == 1
