"""``ENGINE = "vaultconfig.django.postgresql"``: a refused login is tried once more.

Only how connections are opened is ours; everything else is Django's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.backends.postgresql import base

from vaultconfig.django.logins import Parameters, log_in


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which asks the vault when a login is refused."""

    @property
    def pool(self) -> Any:
        """The pool of connections, if there is one; it logs in as we do."""
        pool = super().pool
        if pool is not None and not isinstance(pool.connection_class, _Logins):
            pool.connection_class = _Logins(pool, pool.connection_class)  # nobody has opened it yet
        return pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection, or take one from the pool."""
        inherited = super().get_new_connection
        if self.pool is not None:
            return inherited(conn_params)
        return log_in(
            lambda parameters: inherited(dict(parameters)),
            conn_params,
            renewed=self.get_connection_params,
        )


@dataclass(frozen=True, slots=True)
class _Logins:
    """Stands for the class of a pool's connections, of which the pool only wants `connect`."""

    pool: Any
    connection_class: Any

    def connect(self, conninfo: str = "", **parameters: Any) -> Any:
        """Open a connection, in a thread of the pool."""

        def connect(given: Parameters) -> Any:
            return self.connection_class.connect(conninfo, **given)

        return log_in(connect, parameters, renewed=lambda: {**parameters, **self.pool.kwargs})
