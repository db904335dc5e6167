"""Reads many secrets in as few requests as the vault allows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from vaultconfig.client.attempts import Retries, Terms
from vaultconfig.client.failures import BatchMissing, Failure
from vaultconfig.client.protocol import (
    MOST_PATHS,
    batch_request,
    read_request,
    secret_in,
    secrets_in,
)
from vaultconfig.client.transport import MOST_CONNECTIONS
from vaultconfig.client.wire import Wire
from vaultconfig.errors import RateLimitedError, SecretError, VaultUnavailableError
from vaultconfig.secret import Secret, SecretKey

Result: TypeAlias = Secret | SecretError | VaultUnavailableError
Outcomes: TypeAlias = Mapping[SecretKey, Secret | Failure]
Job: TypeAlias = Callable[[], Outcomes]


class Reads:
    """Plans the reads, runs them side by side, and remembers whether there is a batch read."""

    def __init__(self, wire: Wire, *, retries: Retries) -> None:
        self._wire = wire
        self._retries = retries
        self._has_batch = True

    def read(self, keys: Collection[SecretKey], terms: Terms) -> dict[SecretKey, Result]:
        """Read *keys*, whose paths are well-formed.

        Raises:
            VaultConfigError: Something failed for the request as a whole.
        """
        if not keys:
            return {}
        try:
            return self._read(keys, terms)
        except BaseException:
            terms.deadline.end()  # for the requests that are still under way
            raise

    def _read(self, keys: Collection[SecretKey], terms: Terms) -> dict[SecretKey, Result]:
        turned_away: list[Failure] = []
        newest = [key for key in keys if key.version is None]
        # One path alone: the budget for single reads is ten times that for batches.
        batched = newest if self._has_batch and len(newest) > 1 else []
        batches = [batched[i : i + MOST_PATHS] for i in range(0, len(batched), MOST_PATHS)]
        found = _done(
            [
                *(partial(self._read_batch, batch, terms) for batch in batches),
                *(
                    partial(self._read_one, key, terms, turned_away)
                    for key in keys
                    if not (batched and key.version is None)
                ),
            ]
        )
        missing = {key: result for key, result in found.items() if isinstance(result, BatchMissing)}
        if missing:
            alone = _done([partial(self._read_one, key, terms, turned_away) for key in missing])
            found |= alone
            # A proxy's page may say the same: only beside a single read that works is it true.
            works = [isinstance(result, Secret) for result in alone.values()]
            proofs = {failure.proof for failure in missing.values() if failure.proof}
            if any(proof(works) for proof in proofs):
                self._has_batch = False
        results = {key: r for key, r in found.items() if not isinstance(r, BatchMissing)}
        unavailable = [r for r in results.values() if isinstance(r, VaultUnavailableError)]
        if len(unavailable) == len(results):
            raise unavailable[0]
        return results

    def _read_one(self, key: SecretKey, terms: Terms, turned_away: list[Failure]) -> Outcomes:
        """Read *key*, unless the vault has *turned_away* another one: the limit is for all."""
        if turned_away:
            return {key: turned_away[0]}
        request, decode = read_request(key), partial(secret_in, key=key)
        outcome = self._retries.once(
            lambda: self._wire.send(request, decode, terms.deadline), terms=terms
        )
        if isinstance(outcome, Failure) and isinstance(outcome.error, RateLimitedError):
            turned_away.append(outcome)
        return {key: outcome}

    def _read_batch(self, keys: Sequence[SecretKey], terms: Terms) -> Outcomes:
        def attempt(keys: Collection[SecretKey]) -> Outcomes:
            decode = partial(secrets_in, keys=keys)
            found = self._wire.send(batch_request(keys), decode, terms.deadline)
            return dict.fromkeys(keys, found) if isinstance(found, Failure) else found

        return self._retries.many(attempt, keys=keys, terms=terms)


def _done(jobs: Sequence[Job]) -> dict[SecretKey, Result | BatchMissing]:
    """Do *jobs* side by side, until one fails for all of them."""
    if len(jobs) == 1:  # in this thread
        return _results(jobs[0]())
    results: dict[SecretKey, Result | BatchMissing] = {}
    waiting, done = deque(jobs), SimpleQueue[Outcomes | BaseException]()
    # No executor: its threads hold up the end of the process for as long as the vault is silent,
    # and take no work once the main thread has ended, though others go on.
    try:
        try:
            for _ in range(min(len(jobs), MOST_CONNECTIONS)):
                threading.Thread(
                    target=_work, args=(waiting, done), name="vaultconfig-read", daemon=True
                ).start()
        except RuntimeError:  # the system has no more threads
            _work(waiting, done)
        for _ in jobs:
            outcomes = done.get()
            if isinstance(outcomes, BaseException):
                raise outcomes
            results |= _results(outcomes)
    finally:
        waiting.clear()
    return results


def _work(waiting: deque[Job], done: SimpleQueue[Outcomes | BaseException]) -> None:
    """Do what is *waiting* until nothing is; what a job raises is for the thread that gave it."""
    with suppress(IndexError):
        while True:
            job = waiting.popleft()
            try:
                done.put(job())
            except BaseException as exc:
                done.put(exc)


def _results(outcomes: Outcomes) -> dict[SecretKey, Result | BatchMissing]:
    """Return what became of each secret, unless one of *outcomes* is about all of the request."""
    results: dict[SecretKey, Result | BatchMissing] = {}
    for key, outcome in outcomes.items():
        if isinstance(outcome, (Secret, BatchMissing)):
            results[key] = outcome
        elif isinstance(outcome.error, (SecretError, VaultUnavailableError)):
            results[key] = outcome.error
        else:
            raise outcome.error
    return results
