"""One request for all threads that ask at the same time: who makes it, who waits, what they get."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import pytest

from vaultconfig.errors import AccessDeniedError, VaultConfigError, VaultUnavailableError
from vaultconfig.secret import Secret, SecretKey
from vaultconfig.vaults.cache import Reading
from vaultconfig.vaults.flights import Flight, Flights

A, B = SecretKey("a"), SecretKey("b")
READINGS = {key: Reading(Secret(key.path, 1, {}), 0.0) for key in (A, B)}
LONG = 60.0
Brought = tuple[dict[SecretKey, Reading], VaultConfigError | None]


def nothing(_key: SecretKey) -> None:
    """Look up a secret that is not there."""


class Fetch:
    """A request that notes what it is about; with *hold* it waits for `release`."""

    def __init__(
        self, *, hold: bool = False, gives: Mapping[SecretKey, Reading] = READINGS
    ) -> None:
        self.asked: list[list[SecretKey]] = []
        self.gives = gives
        self.begun, self.release = threading.Event(), threading.Event()
        if not hold:
            self.release.set()

    def __call__(self, keys: Collection[SecretKey]) -> Mapping[SecretKey, Reading]:
        self.asked.append(list(keys))
        self.begun.set()
        assert self.release.wait(LONG)
        return {key: self.gives[key] for key in keys if key in self.gives}


class Thread(threading.Thread):
    """Asks for *keys* in a thread of its own, and has what came of it."""

    def __init__(self, flights: Flights, fetch: Fetch, keys: Collection[SecretKey]) -> None:
        super().__init__(daemon=True)
        self.flights, self.fetch, self.keys = flights, fetch, keys
        self.start()
        assert fetch.begun.wait(LONG)

    def run(self) -> None:
        self.brought = bring(self.flights, self.fetch, self.keys)

    def end(self) -> Brought:
        self.fetch.release.set()
        self.join(LONG)
        return self.brought


def bring(
    flights: Flights, fetch: Fetch, keys: Collection[SecretKey] = (A,), *, deadline: float = LONG
) -> Brought:
    return flights.bring(keys, look_up=nothing, fetch=fetch, deadline=deadline)


def test_one_request_brings_all() -> None:
    """What one thread asks for at once is one request, and nothing is under way afterwards."""
    flights, fetch = Flights(), Fetch()
    assert bring(flights, fetch, [A, B]) == (READINGS, None)
    assert fetch.asked == [[A, B]]
    assert not flights.under_way


def test_what_is_there_by_now_is_not_fetched() -> None:
    """The flight before may have landed since the caller looked."""
    flights, fetch = Flights(), Fetch()
    brought = flights.bring(
        [A, B], look_up=lambda key: READINGS[A] if key == A else None, fetch=fetch, deadline=LONG
    )
    assert brought == (READINGS, None)
    assert fetch.asked == [[B]]
    brought = flights.bring([A], look_up=READINGS.get, fetch=fetch, deadline=LONG)
    assert brought == ({A: READINGS[A]}, None)
    assert fetch.asked == [[B]]


def test_another_thread_waits_and_gets_the_same() -> None:
    """It makes a request only for what is not under way."""
    flights, slow, fetch = Flights(), Fetch(hold=True), Fetch()
    thread = Thread(flights, slow, [A])
    assert flights.under_way[A].thread == thread.ident
    flights.under_way[A].landed.open()  # so that the wait is not waited for in this test
    flights.under_way[A].readings = {A: READINGS[A]}
    assert bring(flights, fetch, [A, B]) == (READINGS, None)
    assert fetch.asked == [[B]]
    assert thread.end() == ({A: READINGS[A]}, None)


def test_a_wait_ends_at_the_deadline() -> None:
    """Then the flight is given up, so that the next load makes a request of its own."""
    flights, slow, fetch = Flights(), Fetch(hold=True), Fetch()
    thread = Thread(flights, slow, [A])
    readings, failure = bring(flights, fetch, deadline=0.01)
    assert (readings, fetch.asked) == ({}, [])
    assert isinstance(failure, VaultUnavailableError)
    assert "before the deadline" in str(failure)
    assert not flights.under_way
    assert bring(flights, fetch) == ({A: READINGS[A]}, None)
    thread.end()


def test_time_that_is_up_is_no_time_to_wait() -> None:
    """A wait that begins after the deadline is a look."""
    flights, waited = Flights(), []
    other = Flight()
    other.thread = -1
    other.landed.wait = lambda seconds: waited.append(seconds) or False  # type: ignore[method-assign, func-returns-value]
    flights.under_way[A] = other
    bring(flights, Fetch(), deadline=-1.0)
    assert waited == [0.0]


def test_a_failure_is_that_of_all() -> None:
    """Threads that waited get the same error, and what the request did bring."""
    flights = Flights()
    denied = AccessDeniedError("a")

    def fetch(_keys: Collection[SecretKey]) -> Mapping[SecretKey, Reading]:
        raise denied

    readings, failure = flights.bring([A], look_up=nothing, fetch=fetch, deadline=LONG)
    assert (readings, failure) == ({}, denied)
    assert not flights.under_way
    other = Flight()
    other.thread, other.failure = -1, denied
    other.readings = {A: READINGS[A]}
    other.landed.open()
    flights.under_way |= {A: other, B: other}
    assert bring(flights, Fetch(), [A, B]) == ({A: READINGS[A]}, denied)


def test_what_a_request_does_not_bring_is_missing_without_an_error() -> None:
    """Whether that matters is for the caller to say."""
    flights = Flights()
    assert bring(flights, Fetch(gives={A: READINGS[A]}), [A, B]) == ({A: READINGS[A]}, None)


def test_an_error_of_another_flight_stays_when_a_later_one_has_none() -> None:
    """One failure stands for all that is missing."""
    flights, denied = Flights(), AccessDeniedError("a")
    failed, silent = Flight(), Flight()
    for key, flight, failure in ((A, failed, denied), (B, silent, None)):
        flight.thread, flight.failure = -1, failure
        flight.landed.open()
        flights.under_way[key] = flight
    assert bring(flights, Fetch(), [A, B]) == ({}, denied)


def test_a_signal_handler_does_not_wait_for_the_load_that_it_interrupts() -> None:
    """It makes a request of its own in the same thread."""
    flights, inner = Flights(), Fetch()

    def fetch(keys: Collection[SecretKey]) -> Mapping[SecretKey, Reading]:
        assert bring(flights, inner) == ({A: READINGS[A]}, None)
        return {key: READINGS[key] for key in keys}

    assert flights.bring([A], look_up=nothing, fetch=fetch, deadline=LONG)[1] is None
    assert inner.asked == [[A]]


def test_a_load_that_is_torn_apart_leaves_nothing_to_wait_for() -> None:
    """Whatever interrupts it, the flight lands, and says so to those that have joined."""
    flights = Flights()
    seen: list[Flight] = []

    def fetch(_keys: Collection[SecretKey]) -> Mapping[SecretKey, Reading]:
        seen.append(flights.under_way[A])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flights.bring([A], look_up=nothing, fetch=fetch, deadline=LONG)
    assert not flights.under_way
    assert seen[0].landed.wait(0)
    assert "interrupted" in str(seen[0].failure)
