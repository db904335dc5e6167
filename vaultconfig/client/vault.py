"""ScaiVault's HTTP API as methods; thin, over the modules beside it."""

from __future__ import annotations

import functools
import random as randomness
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Self, TypeAlias, TypeVar

import httpx

from vaultconfig.client import protocol
from vaultconfig.client.answer import Answer
from vaultconfig.client.attempts import Deadline, Retries, Terms
from vaultconfig.client.failures import Failure
from vaultconfig.client.reading import Reads
from vaultconfig.client.records import Identity, SecretSummary, VaultHealth, WriteResult
from vaultconfig.client.subscriptions import Subscription, created_in, creation
from vaultconfig.client.wire import Wire
from vaultconfig.connection.urls import checked_url
from vaultconfig.errors import ConfigurationError, ResponseError, SecretError, VaultUnavailableError
from vaultconfig.masking.values import mask
from vaultconfig.references.paths import path_problem
from vaultconfig.secret import Secret, SecretKey

T = TypeVar("T")
Wanted: TypeAlias = str | tuple[str, int | None]
"""A path, or ``(path, version)``."""

MOST_IDLE_PAGES = 10
"""So many pages of a listing in a row may bring nothing new."""


class VaultClient:
    """A connection to one vault as one identity, for any number of threads.

    Making one does no I/O. It keeps connections alive, so keep it, and close it in the end, or
    use it as a context manager. In a forked child it makes connections of its own.

    Args:
        url: Where the vault is; the API is below ``/v1``.
        credentials: Such as `StaticToken`, `TokenFile` or `ClientCredentials`.
        tenant: For partners' administrators, whose tokens hold no tenant.
        deadline: Seconds for a whole call: waits, retries, tokens and name resolution included.
        allow_http: Whether plain HTTP may go to other machines.
        clock: Seconds that only grow.
        sleep: Waits so many seconds.
        random: Gives a number in [0, 1).

    Raises:
        ConfigurationError: The URL is not one to send a token to, or the deadline not positive.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: httpx.Auth,
        tenant: str | None = None,
        deadline: float = 10.0,
        allow_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._url = checked_url(url, name="vault's URL", allow_http=allow_http)
        self._clock = clock
        self._deadline = deadline
        self._terms()
        if tenant is not None and not (tenant.isascii() and tenant.isprintable()):
            raise ConfigurationError("the tenant holds characters that a header can't carry")
        self._wire = Wire(self._url, credentials=credentials, tenant=tenant, clock=clock)
        self._retries = Retries(sleep=sleep, random=random)
        self._reads = Reads(self._wire, retries=self._retries)

    def __repr__(self) -> str:
        return f"VaultClient({self._url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client can't be used any more."""
        self._wire.close()

    def whoami(self) -> Identity:
        """Return the identity and scopes of the token.

        Returns:
            An object with ``identity_id``, ``identity_type``, ``tenant_id``, ``partner_id``,
            ``scopes`` and ``token_expires_at``; None where the vault does not say it.

        Raises:
            AuthenticationError: The vault rejects the credentials.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        return self._call(protocol.WHOAMI_REQUEST, protocol.identity_in)

    def health(self) -> VaultHealth:
        """Return whether the vault says that it is ready; needs no credentials.

        Returns:
            An object with ``ready`` and ``server_time``, the vault's clock.

        Raises:
            VaultUnavailableError: No answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        return self._call(protocol.HEALTH_REQUEST, protocol.health_in)

    def read(self, path: str, version: int | None = None) -> Secret:
        """Read the secret at *path*, the newest version or the one named.

        Args:
            path: Without a leading slash.
            version: From 1; None is the newest.

        Raises:
            SecretNotFoundError: There is no such secret.
            VersionNotFoundError: There is one, but not (any more) in this version.
            AccessDeniedError: The token may not read it.
            SecretError: The vault rejects the request, or *path* is not a secret's path, or what
                the vault has there can't be used, such as a number that is too large.
            AuthenticationError: The vault rejects the credentials.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        outcome = self.read_many([(path, version)])[path, version]
        if isinstance(outcome, Secret):
            return outcome
        raise outcome

    def read_many(
        self, keys: Collection[Wanted], *, deadline: float | None = None, retry: bool = True
    ) -> dict[Wanted, Secret | SecretError | VaultUnavailableError]:
        """Read *keys* in as few requests as the vault allows.

        What can be read comes back beside an error for each of the others, so that one bad path
        does not hide the rest.

        Args:
            keys: Paths without a leading slash, or ``(path, version)``. Duplicates are read once.
            deadline: Seconds for all of it, instead of the client's.
            retry: Whether a request may be sent more than once.

        Raises:
            AuthenticationError: The vault rejects the credentials, or denies the whole request.
            VaultUnavailableError: It answered for not one of *keys* before the deadline.
            ResponseError: An answer as a whole breaks the protocol.
        """
        wanted = {
            given: SecretKey(given) if isinstance(given, str) else SecretKey(*given)
            for given in keys
        }
        problems = {key: path_problem(key.path) for key in wanted.values()}
        sound = [key for key, problem in problems.items() if problem is None]
        found = self._reads.read(sound, self._terms(deadline, retry=retry))
        return {given: problems[key] or found[key] for given, key in wanted.items()}

    def write(
        self,
        path: str,
        data: Mapping[str, Any],
        *,
        secret_type: str = "kv",  # noqa: S107 - the name of a type, not a password
        description: str | None = None,
        tags: Collection[str] = (),
        max_versions: int | None = None,
        expires_in: str | None = None,
    ) -> WriteResult:
        """Write *data* at *path*, as a new secret or as the next version of one.

        It is not sent again after a connection broke that may have carried it.

        Args:
            path: Without a leading slash.
            data: A JSON object.
            secret_type: ``kv``, ``json``, ``certificate``, ``ssh_key`` or ``api_key``; a hint.
            description: For people.
            tags: For listings.
            max_versions: How many the vault keeps.
            expires_in: Such as ``90d``.

        Returns:
            An object with ``path``, ``version`` and ``created``: whether the secret is new.

        Raises:
            AccessDeniedError: The token may not write there.
            SecretError: The vault rejects the request, or *path* is not a secret's path.
            ConfigurationError: JSON cannot represent a value in *data*.
            AuthenticationError: The vault rejects the credentials.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        data = mask(dict(data))  # a traceback from here is not to show it
        _check_path(path)
        request = protocol.write_request(
            path,
            data,
            secret_type=secret_type,
            description=description,
            tags=tags,
            options={"max_versions": max_versions, "expires_in": expires_in},
        )
        return self._call(request, functools.partial(protocol.written_in, path=path))

    def list(self, prefix: str = "") -> Iterator[SecretSummary]:
        """Iterate over the secrets below *prefix*, a page at a time, each with its own deadline.

        Args:
            prefix: What the paths begin with; empty for everything that the token may list.

        Returns:
            Objects with ``path``, ``version``, ``secret_type``, ``updated_at`` and ``tags``.

        Raises:
            AuthenticationError: The vault rejects the credentials, or denies the listing.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        cursor: str | None = None
        cursors: set[str | None] = {None}
        paths: set[str] = set()
        idle = 0
        while True:
            request = protocol.list_request(prefix, cursor=cursor)
            page, cursor = self._call(request, protocol.page_in)
            yield from page
            if cursor is None:
                return
            if cursor in cursors:
                raise ResponseError("the vault's listing has no end: a cursor came again")
            cursors.add(cursor)
            new = {summary.path for summary in page} - paths
            paths |= new
            idle = 0 if new else idle + 1
            if idle == MOST_IDLE_PAGES:
                raise ResponseError(f"the vault's listing has no end: {idle} pages without news")

    def delete(self, path: str) -> None:
        """Delete the secret at *path*; the vault keeps it for a while.

        Raises:
            SecretNotFoundError: There is no such secret.
            AccessDeniedError: The token may not delete it.
            SecretError: The vault rejects the request, or *path* is not a secret's path.
            AuthenticationError: The vault rejects the credentials.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The answer breaks the protocol.
        """
        _check_path(path)
        self._call(protocol.delete_request(path), functools.partial(protocol.deleted_in, path=path))

    def subscribe(self, paths: Collection[str], *, name: str = "vaultconfig") -> Subscription:
        """Have the vault keep events about the secrets that match *paths*.

        The subscription has connections of its own, and is closed on its own. It is one attempt:
        the vault allows 20 a minute.

        Args:
            paths: Globs: ``**`` is any number of levels, ``*`` one, ``?`` one character.
            name: For people, in listings.

        Returns:
            An object with ``poll``, ``ack``, ``delete`` and ``close``; a context manager, too.

        Raises:
            AccessDeniedError: The token does not have ``subscriptions:write``.
            AuthenticationError: The vault rejects the credentials.
            VaultUnavailableError: No usable answer before the deadline.
            ResponseError: The vault has no subscriptions, or breaks its protocol.
        """
        decode = functools.partial(created_in, name=name)
        return self.subscription(
            self._call(creation(paths, name=name), decode, retry=False), name=name
        )

    def subscription(self, subscription_id: str, *, name: str = "vaultconfig") -> Subscription:
        """Go on with a subscription that was made before; no request tells whether it is there.

        Args:
            subscription_id: As `Subscription` has it.
            name: For error messages.
        """
        return Subscription(
            self._wire.twin(),
            subscription_id=subscription_id,
            name=name,
            deadline=lambda seconds: self._terms(seconds).deadline,
        )

    def _call(
        self,
        request: protocol.Request,
        decode: Callable[[Answer], T | Failure],
        *,
        retry: bool = True,
    ) -> T:
        terms = self._terms(retry=retry)
        outcome = self._retries.once(
            lambda: self._wire.send(request, decode, terms.deadline), terms=terms
        )
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    def _terms(self, seconds: float | None = None, *, retry: bool = True) -> Terms:
        seconds = self._deadline if seconds is None else seconds
        if not seconds > 0:
            raise ConfigurationError(f"a deadline is a positive number of seconds, not {seconds}")
        return Terms(Deadline(seconds, clock=self._clock), retry=retry)


def _check_path(path: str) -> None:
    problem = path_problem(path)
    if problem is not None:
        raise problem
