"""``ENGINE = "vaultconfig.django.postgresql"``: the newest login, and a second try.

It changes only how connections are opened; everything else is Django's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.backends.postgresql import base

from vaultconfig.django.databases import follow, is_followed
from vaultconfig.django.installation import require_application
from vaultconfig.django.loading import current_live
from vaultconfig.drivers.login import Login, Values


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which asks the vault when a login is rejected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a wrapper, without a connection.

        Raises:
            django.core.exceptions.ImproperlyConfigured: Our application is not installed.
        """
        require_application()
        super().__init__(*args, **kwargs)

    @property
    def pool(self) -> Any:
        """The pool of connections, if there is one; it logs in as we do."""
        pool = super().pool
        if pool is None or isinstance(pool.connection_class, _Logins):
            return pool
        if is_followed(self.settings_dict):
            # It has not been opened yet.
            pool.connection_class = _Logins(self, pool.connection_class)
        return pool

    def get_connection_params(self) -> dict[str, Any]:
        """Return what the next connection is opened with: the newest that there is."""
        require_application()  # once more: this may have been made before Django was set up
        follow(self.settings_dict)
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection, or take one from the pool."""
        inherited = super().get_new_connection
        if self.pool is not None or not is_followed(self.settings_dict):
            return inherited(conn_params)
        login = Login(current_live(), self.get_connection_params)
        return login.log_in(lambda values: inherited(dict(values)))


@dataclass(frozen=True, slots=True)
class _Logins:
    """Stands in for the class of a pool's connections; the pool only calls its `connect`."""

    wrapper: DatabaseWrapper
    connection_class: Any

    def connect(self, conninfo: str = "", **parameters: Any) -> Any:
        """Open a connection, in a thread of the pool."""

        def latest() -> Values:
            return {**parameters, **self.wrapper.get_connection_params()}

        login = Login(current_live(), latest)
        return login.log_in(lambda values: self.connection_class.connect(conninfo, **values))
