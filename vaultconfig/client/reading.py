"""Reads many secrets in as few requests as the vault allows."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias, TypeGuard, TypeVar

from vaultconfig.client.answer import Answer
from vaultconfig.client.failures import BatchMissing, Failure
from vaultconfig.client.protocol import (
    MOST_PATHS,
    batch_request,
    read_request,
    secret_in,
    secrets_in,
)
from vaultconfig.client.retry import Retries, Terms
from vaultconfig.client.transport import MOST_CONNECTIONS
from vaultconfig.client.wire import Wire
from vaultconfig.errors import ResponseError, SecretError, VaultUnavailableError
from vaultconfig.secret import Secret, SecretKey

T = TypeVar("T")
Outcome: TypeAlias = Secret | Failure
Result: TypeAlias = Secret | SecretError | VaultUnavailableError
Found: TypeAlias = Collection[tuple[SecretKey, Outcome]]
Job: TypeAlias = Callable[[], Found]


class Reader:
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
        outcomes = _done(self._jobs(keys, terms))
        missing = {key: o for key, o in outcomes.items() if isinstance(o, BatchMissing)}
        if missing:
            found = _done([self._single_job(key, terms) for key in missing])
            outcomes |= found
            # A proxy's page may say the same: only beside a single read that works is it true.
            if any(isinstance(outcome, Secret) for outcome in found.values()):
                self._has_batch = not any(failure.for_good for failure in missing.values())
        return _settled(outcomes)

    def _jobs(self, keys: Collection[SecretKey], terms: Terms) -> list[Job]:
        newest = [key for key in keys if key.version is None]
        # One path alone: the budget for single reads is ten times that for batches.
        batched = newest if self._has_batch and len(newest) > 1 else []
        singles = [key for key in keys if not (batched and key.version is None)]
        batches = [batched[i : i + MOST_PATHS] for i in range(0, len(batched), MOST_PATHS)]
        return [
            *(self._batch_job(batch, terms) for batch in batches),
            *(self._single_job(key, terms) for key in singles),
        ]

    def _single_job(self, key: SecretKey, terms: Terms) -> Job:
        def attempt(_keys: Collection[SecretKey]) -> Mapping[SecretKey, Outcome]:
            answer = self._wire.send(read_request(key), terms.deadline)
            return {key: decoded(answer, functools.partial(secret_in, key=key))}

        return lambda: self._retries.run(attempt, keys=[key], terms=terms).items()

    def _batch_job(self, keys: Sequence[SecretKey], terms: Terms) -> Job:
        def attempt(keys: Collection[SecretKey]) -> Mapping[SecretKey, Outcome]:
            answer = self._wire.send(batch_request(keys), terms.deadline)
            found = decoded(answer, functools.partial(secrets_in, keys=keys))
            return dict.fromkeys(keys, found) if isinstance(found, Failure) else found

        return lambda: self._retries.run(attempt, keys=keys, terms=terms).items()


def decoded(answer: Answer | Failure, decode: Callable[[Answer], T | Failure]) -> T | Failure:
    """Return what *decode* finds in *answer*; a breach of the protocol is a failure as well."""
    if isinstance(answer, Failure):
        return answer
    try:
        return decode(answer)
    except ResponseError as exc:
        return Failure(exc.with_traceback(None))


def _done(jobs: Sequence[Job]) -> dict[SecretKey, Outcome]:
    """Do *jobs* side by side, until one fails for all of them."""
    if len(jobs) == 1:  # in this thread
        return _unless_fatal(jobs[0]())
    outcomes: dict[SecretKey, Outcome] = {}
    waiting, results = deque(jobs), SimpleQueue[Found | BaseException]()
    # No executor: its threads hold up the end of the process for as long as the vault is silent,
    # and take no work once the main thread has ended, though others go on.
    try:
        try:
            for _ in range(min(len(jobs), MOST_CONNECTIONS)):
                threading.Thread(
                    target=_do, args=(waiting, results), name="vaultconfig-read", daemon=True
                ).start()
        except RuntimeError:  # the system has no more threads
            _do(waiting, results)
        for _ in jobs:
            found = results.get()
            if isinstance(found, BaseException):
                raise found
            outcomes |= _unless_fatal(found)
    finally:
        waiting.clear()
    return outcomes


def _do(waiting: deque[Job], results: SimpleQueue[Found | BaseException]) -> None:
    """Do what is *waiting* until nothing is; what a job raises is for whoever gave it."""
    with suppress(IndexError):
        while True:
            job = waiting.popleft()
            try:
                results.put(job())
            except BaseException as exc:
                results.put(exc)


def _unless_fatal(found: Found) -> dict[SecretKey, Outcome]:
    for _, outcome in found:
        if _is_fatal(outcome):
            raise outcome.error
    return dict(found)


def _is_fatal(outcome: Outcome) -> TypeGuard[Failure]:
    """Whether *outcome* is about the request as a whole, rather than about one secret."""
    return (
        isinstance(outcome, Failure)
        and not isinstance(outcome, BatchMissing)
        and not isinstance(outcome.error, (SecretError, VaultUnavailableError))
    )


def _settled(outcomes: Mapping[SecretKey, Outcome]) -> dict[SecretKey, Result]:
    settled: dict[SecretKey, Result] = {}
    for key, outcome in outcomes.items():
        if isinstance(outcome, Secret):
            settled[key] = outcome
        elif isinstance(outcome.error, (SecretError, VaultUnavailableError)):
            settled[key] = outcome.error
        else:
            raise outcome.error
    unavailable = [found for found in settled.values() if isinstance(found, VaultUnavailableError)]
    if len(unavailable) == len(settled):
        raise unavailable[0]
    return settled
