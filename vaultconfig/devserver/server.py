"""The dev server as an object: start, stop, contents, identities, faults and rendezvous."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from vaultconfig.devserver import operations
from vaultconfig.devserver.answers import ApiError
from vaultconfig.devserver.bodies import Draft
from vaultconfig.devserver.contents import Contents
from vaultconfig.devserver.faults import Fault, Hold, LoggedRequest
from vaultconfig.devserver.front import Front
from vaultconfig.devserver.identities import ADMIN_SCOPES, DEFAULT_TENANT, Identity, OAuthClient
from vaultconfig.devserver.instance import Instance
from vaultconfig.devserver.limits import RateLimits
from vaultconfig.devserver.listener import Listener
from vaultconfig.devserver.paths import check_path
from vaultconfig.devserver.state import load_state, save_state
from vaultconfig.errors import ConfigurationError

_BY = "dev-server"


class DevServer:
    """A local ScaiVault in a thread of this process, on a real socket.

    ``with DevServer() as vault:`` starts and stops it; `stop` and `start` make an outage, after
    which it is back on the same port with its contents.

    Args:
        host: Where it listens, for this machine alone by default.
        port: 0 for a free one.
        token: The administrator's, which allows everything; a fresh one by default.
        state: A file that keeps the contents over restarts; in memory only by default.
        limits: Requests a minute and identity by kind, such as `DOCUMENTED_LIMITS`; no limits by
            default, so that a quick test isn't slowed down.
        quickstart_only: Know only what ScaiVault's Quickstart shows; no batch, for one.
        subscriptions: Let changes be subscribed to.
        clock: Gives the time in Unix seconds.

    Raises:
        ConfigurationError: The state file is damaged.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        state: str | Path | None = None,
        limits: Mapping[str, int] | None = None,
        quickstart_only: bool = False,
        subscriptions: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host, self._port = host, port
        self._listener: Listener | None = None
        contents = Contents()
        if state is not None:
            path = Path(state).absolute()
            contents = Contents(load_state(path), keep=partial(save_state, path))
        self._instance = Instance(
            contents=contents,
            limits=RateLimits(limits or {}),
            clock=clock,
            quickstart_only=quickstart_only,
        )
        self._routes = [*operations.QUICKSTART]
        if not quickstart_only:
            self._routes += operations.DOCUMENTED
            self._routes += operations.SUBSCRIPTIONS if subscriptions else []
        self.token: str = self.add_token(token, identity_id="dev-admin", scopes=ADMIN_SCOPES)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """Where it is for this machine, once it was started: ``http://127.0.0.1:PORT``."""
        if not self._port:
            raise ConfigurationError("the dev server has no address yet: start() it first")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._port}"

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """The last 10,000 requests, oldest first, held ones included."""
        return self._instance.requests

    @property
    def subscriptions(self) -> Sequence[str]:
        """The ids of the subscriptions that were created and not ended, oldest first."""
        return self._instance.subscriptions.ids()

    def start(self) -> None:
        """Listen, on the same port as before; do nothing if it is running.

        Raises:
            ConfigurationError: The port is taken.
        """
        if self._listener is None:
            app = Front(self._instance, self._routes)
            self._listener = Listener(app, host=self._host, port=self._port)
            self._port = self._listener.port

    def stop(self) -> None:
        """Close every connection, answered or not; do nothing if it is not running."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
            self.release()

    def put(
        self,
        path: str,
        data: Mapping[str, Any],
        *,
        tenant: str = DEFAULT_TENANT,
        secret_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> int:
        """Write a secret, and return its version.

        Args:
            path: Without a leading slash.
            data: A JSON object.
            tenant: The tenant that sees it.
            secret_type: A hint, as for `VaultClient.write`.
            metadata: ``description`` and ``tags``.
            options: Those of the HTTP operation: ``max_versions``, ``expires_in``, …

        Raises:
            ConfigurationError: It is not a path, or not a JSON object.
        """
        body = {"data": data, "secret_type": secret_type, "metadata": metadata, "options": options}
        with _as_configuration_error(path, "written"):
            draft = Draft.parse(body)
            place = (tenant, check_path(path))
            return self._instance.write(place, draft, by=_BY).latest

    def rotate(self, path: str, data: Mapping[str, Any], *, tenant: str = DEFAULT_TENANT) -> int:
        """Write a version as a rotation, which subscribers hear of twice; return its number.

        Raises:
            ConfigurationError: There is nothing to rotate, or it is not a JSON object.
        """
        with _as_configuration_error(path, "rotated"):
            self._instance.contents.entry(place := (tenant, path))
            draft = Draft.parse({"data": data})
            return self._instance.write(place, draft, by=_BY, is_rotation=True).latest

    def announce_expiry(
        self, path: str, *, threshold: int = 7, tenant: str = DEFAULT_TENANT
    ) -> None:
        """Tell subscribers that the secret expires within *threshold* days.

        Raises:
            ConfigurationError: There is no such secret, or it does not expire.
        """
        with _as_configuration_error(path, "announced"):
            self._instance.announce_expiry((tenant, path), threshold=threshold)

    def seed(self, file: str | Path) -> None:
        """Write what a seed file holds, but for paths that were ever written (or deleted) here.

        Raises:
            ConfigurationError: The file is missing or malformed; nothing was written.
        """
        from vaultconfig.devserver.seed import read_seed  # most servers have none

        seed, contents = read_seed(Path(file)), self._instance.contents
        for path, draft in seed.secrets.items():
            if (place := (DEFAULT_TENANT, path)) not in contents:
                self._instance.write(place, draft, by=_BY)
        for token, identity in seed.tokens.items():
            self._instance.identities.add_token(identity, value=token)
        self._instance.identities.clients.update(seed.clients)

    def delete(self, path: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Delete the secret at *path*, softly; do nothing if there is no secret."""
        with contextlib.suppress(ApiError):
            self._instance.delete((tenant, path), by=_BY)

    def rollback(self, path: str, version: int, *, tenant: str = DEFAULT_TENANT) -> None:
        """Make *version* the newest again, as in a vault that was restored; no event tells of it.

        Raises:
            ConfigurationError: There is no such secret or version.
        """
        with _as_configuration_error(path, "rolled back"):
            self._instance.contents.roll_back((tenant, path), version)

    def lose_subscriptions(self) -> None:
        """Forget all subscriptions, so that polls are answered ``subscription_not_found``."""
        self._instance.subscriptions.lose()

    def add_token(
        self, value: str | None = None, *, expires_in: float | None = None, **identity: Any
    ) -> str:
        """Let an identity in, and return its token.

        Args:
            value: The token; a fresh one by default.
            expires_in: Seconds from now; None for never.
            identity: Fields of `Identity`: *identity_id* (a fresh one by default), *scopes*, the
                globs *read* and *write*, *tenant_id*, *other_tenants*, …

        Raises:
            ValueError: A field is unknown, or holds what it may not.
        """
        expires_at = None if expires_in is None else self._instance.clock() + expires_in
        return self._instance.identities.add_token(
            Identity(**identity), value=value, expires_at=expires_at
        )

    def add_client(
        self, client_id: str, secret: str, *, token_lifetime: float = 3600.0, **identity: Any
    ) -> None:
        """Let an OAuth client ask for tokens at ``/oauth/token``.

        Args:
            client_id: Its id, and that of its identity.
            secret: Its secret.
            token_lifetime: Seconds that its tokens live.
            identity: Further fields of `Identity`.

        Raises:
            ValueError: A field is unknown, or holds what it may not.
        """
        client = OAuthClient(secret=secret, token_lifetime=token_lifetime, **identity)
        self._instance.identities.clients[client_id] = client

    def revoke(self, token: str) -> None:
        """Answer *token* with ``token_revoked`` from now on."""
        self._instance.identities.revoke(token)

    def deny(self, glob: str) -> None:
        """Answer with ``access_denied`` for the paths that *glob* covers, for every identity."""
        self._instance.identities.denied.add(glob)

    def fault(self, **what: Any) -> None:
        """Let requests go wrong; *what* are the fields of `Fault`.

        Raises:
            ValueError: They make no sense.
        """
        self._instance.faults.add(Fault(**what))

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._instance.faults.clear()

    def hold(self, glob: str = "/**") -> Hold:
        """Let the requests that *glob* covers wait, until `release` or `stop`.

        Args:
            glob: Over URL paths if it begins with a slash, else over secret paths.

        Returns:
            This gate alone, with its own `wait_until_asked` and `release`.
        """
        self._instance.holds.append(hold := Hold(glob))
        return hold

    def wait_until_asked(self, times: int = 1, *, timeout: float = 30.0) -> None:
        """Return once *times* (more) requests are waiting at the last `hold`.

        Raises:
            TimeoutError: They did not come within *timeout* seconds.
            ConfigurationError: Nothing is held.
        """
        if not self._instance.holds:
            raise ConfigurationError("nothing is held: hold() first")
        self._instance.holds[-1].wait_until_asked(times, timeout=timeout)

    def release(self) -> None:
        """Let all that are held go on, and hold no more."""
        for hold in self._instance.holds:
            hold.release()
        self._instance.holds.clear()


@contextlib.contextmanager
def _as_configuration_error(path: str, done: str) -> Iterator[None]:
    """Turn an error of the vault into one for the Python caller."""
    try:
        yield
    except ApiError as exc:
        problem = exc
    else:
        return
    raise ConfigurationError(f"{path} can't be {done}: {problem.message}")
