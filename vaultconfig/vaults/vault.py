"""References to values: from the cache, else in one request for all that is missing.

A `Vault` is one vault as one connection sees it. Those of the process are in `shared`.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from vaultconfig.connection.connection import Connection
from vaultconfig.errors import (
    ConfigurationError,
    SecretError,
    VaultConfigError,
    VaultUnavailableError,
)
from vaultconfig.log import say
from vaultconfig.references import Resolved, VaultRef, picked
from vaultconfig.secret import Secret, SecretKey, SecretOrError
from vaultconfig.vaults.cache import Reading, SecretCache, now
from vaultconfig.vaults.flights import Flights
from vaultconfig.vaults.lifetime import Lifetime
from vaultconfig.vaults.sharing import IsEnough, Sharing, is_newer

if TYPE_CHECKING:
    from vaultconfig.client import Subscription, VaultClient
    from vaultconfig.client.vault import Wanted
    from vaultconfig.store.store import Store

Readings: TypeAlias = Mapping[SecretKey, Reading]


class Vault:
    """A vault, its cache, and the requests to it that are under way. Thread-safe.

    Without a lock, as `SecretCache`: each change of a dictionary here is one step.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connect: Callable[[Connection], VaultClient],
        clock: Callable[[], float] = now,
        store: Store | None = None,
    ) -> None:
        self.connection = connection
        self.cache = SecretCache(clock=clock)
        self.store = store
        self.flights = Flights()
        self._connect = connect
        self._clients: dict[None, VaultClient] = {}  # one at most
        self._older_since: dict[SecretKey, float] = {}  # when a version first went back
        self._shared = None if store is None else Sharing(store, self.cache, self._older_since)

    def in_child(self) -> Vault:
        """Return the same vault for a forked child, in which nothing has been read yet.

        It keeps the client, which makes connections of its own there: so the CA bundle and the
        proxies stay those of the parent, whatever the environment says by now.
        """
        store = None if self.store is None else self.store.in_child()
        child = Vault(self.connection, connect=self._connect, clock=self.cache.clock, store=store)
        child._clients = self._clients.copy()
        return child

    def resolve(
        self, references: Collection[VaultRef], *, deadline: float, vault_first: bool = False
    ) -> dict[VaultRef, Resolved | VaultConfigError]:
        """Return the value of each of *references*, or what stands in its way.

        Args:
            references: Without placeholders.
            deadline: Seconds for all of it.
            vault_first: See `read`.

        Raises:
            VaultConfigError: The vault gave nothing at all: see `VaultClient.read_many`.
        """
        lifetimes = self.lifetimes(references)
        readings = self.read(lifetimes, deadline=deadline, vault_first=vault_first)
        return {ref: picked(readings[ref.key].answer, ref) for ref in references}

    def read(
        self, lifetimes: Mapping[SecretKey, Lifetime], *, deadline: float, vault_first: bool = False
    ) -> Readings:
        """Return what is known of secrets: from the cache, the store, or the vault, in that order.

        Args:
            lifetimes: How long each may be served.
            deadline: Seconds for all of it.
            vault_first: Whether the others only serve what the vault can't give.

        Raises:
            VaultConfigError: The vault gave nothing at all: see `VaultClient.read_many`.
        """

        def is_enough(key: SecretKey, reading: Reading) -> bool:
            return not vault_first and lifetimes[key].is_kept_by(reading, self.cache.clock())

        def look_up(key: SecretKey) -> Reading | None:
            reading = self.cache.get(key, max_age=lifetimes[key].ttl)
            return reading if reading is not None and is_enough(key, reading) else None

        def ask(keys: Collection[SecretKey], *, seconds: float, retry: bool) -> Readings:
            asked_at = self.cache.clock()
            answers = self._read(keys, seconds, retry=retry)
            return self._taken(answers, {key: lifetimes[key] for key in keys}, asked_at, newest={})

        def fetch(keys: Collection[SecretKey]) -> Readings:
            sharing = self._sharing()
            if sharing is None:
                return ask(keys, seconds=deadline, retry=True)
            wanted = {key: lifetimes[key] for key in keys}
            return sharing.bring(wanted, is_enough=is_enough, ask=ask, deadline=deadline)

        found = {key: look_up(key) for key in lifetimes}
        readings = {key: reading for key, reading in found.items() if reading is not None}
        failure: VaultConfigError | None = None
        if len(readings) < len(lifetimes):
            missing = [key for key in lifetimes if key not in readings]
            brought, failure = self.flights.bring(
                missing, look_up=look_up, fetch=fetch, deadline=deadline
            )
            readings |= brought
        self._add_stale(readings, lifetimes, copy.copy(failure), is_enough)
        # An outage that the cache makes up for is not a failure; a rejected token always is one.
        if failure is not None and (
            not isinstance(failure, VaultUnavailableError) or readings.keys() != lifetimes.keys()
        ):
            failure = copy.copy(failure)  # other threads may be raising the same one
            store = self.store  # one that can't be read has had its warning
            if isinstance(failure, VaultUnavailableError) and store and not store.is_unreadable:
                has = f"the store has {len(readings)} of {len(lifetimes)} secret(s)"
                failure.args = (f"{failure}; {has}",)
            raise failure
        return readings

    def close(self) -> None:
        """Close the connections; the next request makes new ones."""
        client = self._clients.pop(None, None)
        if client is not None:
            client.close()
        if self.store is not None:
            self.store.close()

    def lifetimes(self, references: Iterable[VaultRef]) -> dict[SecretKey, Lifetime]:
        """Return how long each secret may be served: the shortest that a reference asks for."""
        usual = Lifetime(self.connection.ttl, self.connection.max_stale)
        lifetimes: dict[SecretKey, Lifetime] = {}
        for ref in references:
            key, asked = ref.key, usual.with_options_of(ref)
            lifetimes[key] = asked.shorter(lifetimes[key]) if key in lifetimes else asked
        return lifetimes

    def reread(
        self,
        lifetimes: Mapping[SecretKey, Lifetime],
        *,
        deadline: float,
        newest: Mapping[SecretKey, int],
        held: Mapping[SecretKey, Reading] | None = None,
        since: Mapping[SecretKey, float] | None = None,
        insists: bool = False,
    ) -> Readings:
        """Read secrets whether or not they are in the cache, in one attempt.

        Args:
            lifetimes: Of the secrets to read.
            deadline: Seconds for all of it.
            newest: The newest version of each that the caller knows of, if any: an older one is
                a `VaultUnavailableError`, until the vault has kept to it for a ttl.
            held: What the caller has: of a newer version the store is believed.
            since: Of the same version it is, if that was read later, by the cache's clock.
            insists: Whether to ask although the vault was away a moment ago.

        Raises:
            VaultConfigError: The vault gave nothing at all: see `VaultClient.read_many`.
        """

        def ask(keys: Collection[SecretKey], *, seconds: float, retry: bool) -> Readings:
            asked_at = self.cache.clock()
            # Not by `_read`: live settings close the client to end their refresh.
            answers = self._client().read_many(keys, deadline=seconds, retry=retry)
            return self._taken(answers, {k: lifetimes[k] for k in keys}, asked_at, newest=newest)

        def is_enough(key: SecretKey, reading: Reading) -> bool:
            known = (held or {}).get(key)
            if reading.goes_back(newest.get(key, 0)):
                return False
            if known is not None and reading.version > known.version > 0:
                return is_newer(reading, known)
            slack = 0.0 if self.store is None else self.store.slack
            return reading.read_at > (since or {}).get(key, math.inf) + slack

        sharing = self._sharing()
        if sharing is None:
            return ask(lifetimes.keys(), seconds=deadline, retry=False)
        return sharing.bring(
            lifetimes,
            is_enough=is_enough,
            ask=ask,
            deadline=deadline,
            is_refresh=True,
            insists=insists,
        )

    def news(
        self,
        held: Mapping[SecretKey, Reading],
        lifetimes: Mapping[SecretKey, Lifetime],
        mark: bytes | None,
    ) -> tuple[bytes | None, Readings]:
        """Return what other processes have stored since *mark* that is newer than *held*.

        Args:
            held: What the caller has.
            lifetimes: How long each may be served.
            mark: What was returned beside the readings the last time; None the first time.
        """
        sharing = self._sharing()
        latest = None if sharing is None else sharing.store.mark()
        if sharing is None or latest in (None, mark):
            return mark, {}
        found = sharing.find(lifetimes)
        if sharing.store.is_unreadable:  # since it was asked for the mark
            return mark, {}
        return latest, {k: reading for k, reading in found.items() if is_newer(reading, held[k])}

    def subscribe(self, paths: Collection[str]) -> Subscription:
        """Have the vault keep events about *paths*; see `VaultClient.subscribe`.

        Raises:
            VaultConfigError: It has no subscriptions, or denies this one.
        """
        return self._client().subscribe(paths)

    def subscription(self, subscription_id: str) -> Subscription:
        """Go on with a subscription, which another process may have made.

        Raises:
            ConfigurationError: There are no credentials.
        """
        return self._client().subscription(subscription_id)

    def _sharing(self) -> Sharing | None:
        """Return the way to the store, where it may be used."""
        return None if self._shared is None or self._shared.store.is_barred else self._shared

    def _read(
        self, keys: Collection[SecretKey], deadline: float, *, retry: bool
    ) -> Mapping[Wanted, SecretOrError]:
        while True:
            client = self._client()
            try:
                return client.read_many(keys, deadline=deadline, retry=retry)
            except ConfigurationError:
                if self._clients.get(None) is client:
                    raise
            # Another thread that shares the vault has closed the client meanwhile.

    def _client(self) -> VaultClient:
        client = self._clients.get(None)
        if client is None:  # of two that are made at once one stays; making one opens nothing
            client = self._clients.setdefault(None, self._connect(self.connection))
        return client

    def _taken(
        self,
        answers: Mapping[Wanted, SecretOrError],
        lifetimes: Mapping[SecretKey, Lifetime],
        asked_at: float,
        *,
        newest: Mapping[SecretKey, int],
    ) -> Readings:
        """Remember *answers*; return them with an error for each that goes back in time."""
        taken: dict[SecretKey, Reading] = {}
        for key, life in lifetimes.items():
            answer = answers[key]
            if isinstance(answer, Secret):
                answer = self._lag(key, answer, newest.get(key, 0), life.ttl, asked_at) or answer
            reading = taken[key] = Reading(answer, asked_at)
            if isinstance(answer, Secret):
                keep = max(life.longest, self.connection.max_stale)
                self.cache.put(key, reading, keep=keep)
            elif isinstance(answer, SecretError):
                self.cache.forget(key)  # an outage must not bring back what was taken away
        if self._shared is not None:
            self._shared.tell(taken, lifetimes, max_stale=self.connection.max_stale)
        return taken

    def _lag(
        self, key: SecretKey, secret: Secret, newest: int, ttl: float, asked_at: float
    ) -> VaultUnavailableError | None:
        """Return why *secret* is not taken: a replica of the vault may lag behind another one.

        A vault that was restored from a backup goes back for good, so after a ttl it is believed.
        """
        held = self.cache.get(key, max_age=math.inf)
        newest = max(newest, 0 if held is None else held.version)
        if secret.version >= newest:
            self._older_since.pop(key, None)
            return None
        told = f"version {secret.version} of {secret.path}, though there has been version {newest}"
        if asked_at - self._older_since.setdefault(key, asked_at) < ttl:
            return VaultUnavailableError(f"the vault answered with {told}: a replica may lag")
        self._older_since.pop(key, None)  # another thread may have come first
        say(logging.WARNING, "for a whole ttl the vault has answered with %s: it is used", told)
        return None

    def _add_stale(
        self,
        readings: dict[SecretKey, Reading],
        lifetimes: Mapping[SecretKey, Lifetime],
        failure: VaultConfigError | None,
        is_enough: IsEnough,
    ) -> None:
        """Serve what the vault can't give right now from the cache, if young enough."""
        now, oldest, served = self.cache.clock(), 0.0, 0
        for key, life in lifetimes.items():
            outage = readings[key].answer if key in readings else failure
            if outage is None or isinstance(outage, VaultUnavailableError):
                held = self.cache.get(key, max_age=life.max_stale)
                if held is not None and is_enough(key, held):  # the store brought it
                    readings[key] = held
                elif held is not None:
                    readings[key] = held._replace(outage=outage)
                    oldest, served = max(oldest, now - held.read_at), served + 1
        if served:
            say(
                logging.WARNING,
                "the vault is unavailable: serving %d secret(s) read up to %.0f s ago%s",
                served,
                oldest,
                "" if failure is None else f": {failure}",
            )
