"""A worker that runs for weeks: PostgreSQL through a pool, while the password rotates.

Put the login where the reference says, and start it:

    pip install 'psycopg[binary,pool]'
    vaultconfig put environments/development/worker/database user=worker password=@FILE
    VAULTCONFIG_ENVIRONMENT=development WORKER_DATABASE_HOST=127.0.0.1 python examples/worker.py
"""

import logging
import signal
import threading
from typing import Annotated, Any, Self

import psycopg
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, SecretStr

from vaultconfig import Change, LiveSettings, VaultConfigDict, VaultSettings

logger = logging.getLogger("worker")


class Login(BaseModel):
    user: str
    password: SecretStr


class Settings(VaultSettings):
    model_config = VaultConfigDict(env_prefix="WORKER_")

    database: Annotated[Login, "vault:environments/{environment}/worker/database"]
    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_name: str = "postgres"
    pause: float = 1.0  # seconds between two jobs


live = LiveSettings(Settings)  # reads nothing yet


class Connection(psycopg.Connection[Any]):
    """A connection with the login of this moment; a refused one asks the vault, and tries again."""

    @classmethod
    @live.retry_once(on=psycopg.OperationalError)  # psycopg has no finer word for a refusal
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        settings = live.current
        return super().connect(
            conninfo,
            host=settings.database_host,
            port=settings.database_port,
            dbname=settings.database_name,
            user=settings.database.user,
            password=settings.database.password.get_secret_value(),
            **kwargs,
        )


def report(change: Change[Settings]) -> None:
    """Say that there was a rotation; connections that are logged in stay good, so none is ended."""
    logger.info("rotated: %s", ", ".join(sorted(change.fields)))


def work(pool: ConnectionPool[Connection]) -> None:
    """Do one job."""
    with pool.connection() as connection:
        connection.execute("SELECT 1")
    logger.info("a job is done")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "psycopg.pool"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    live.on_change(report, fields={"database"})
    pool = ConnectionPool(
        connection_class=Connection,
        min_size=1,
        max_size=4,
        open=False,
        check=ConnectionPool.check_connection,
    )
    with live, pool:
        while not stop.wait(live.current.pause):
            try:
                work(pool)
            except psycopg.Error as error:
                logger.warning("a job has failed: %s", type(error).__name__)
    logger.info("stopped")


if __name__ == "__main__":
    main()
