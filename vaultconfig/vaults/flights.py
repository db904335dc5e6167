"""One request for all threads that ask for the same secret at the same time. Knows no vault."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import get_ident
from typing import TypeAlias

from vaultconfig.errors import VaultConfigError, VaultUnavailableError
from vaultconfig.latch import Latch
from vaultconfig.secret import SecretKey
from vaultconfig.vaults.cache import Reading

LookUp: TypeAlias = Callable[[SecretKey], Reading | None]
Fetch: TypeAlias = Callable[[Collection[SecretKey]], Mapping[SecretKey, Reading]]


class Flight:
    """A request under way, and what came of it."""

    def __init__(self) -> None:
        self.landed = Latch()
        self.thread = get_ident()
        self.readings: dict[SecretKey, Reading] = {}
        self.failure: VaultConfigError | None = VaultUnavailableError("the load was interrupted")


class Flights:
    """The requests under way, each under the keys that it brings.

    Thread-safe without a lock, as `SecretCache`: each change of the dictionary is one step.
    """

    def __init__(self) -> None:
        self.under_way: dict[SecretKey, Flight] = {}

    def bring(
        self, keys: Iterable[SecretKey], *, look_up: LookUp, fetch: Fetch, deadline: float
    ) -> tuple[dict[SecretKey, Reading], VaultConfigError | None]:
        """Fetch *keys*, or wait for the threads that are doing so.

        Args:
            keys: What is wanted, and was not there when the caller looked.
            look_up: Returns what need not be fetched any more.
            fetch: Makes one request, for this thread and for all that join it.
            deadline: Seconds to wait for other threads.

        Returns:
            What became of each key, and the error that stands for those that are missing.
        """
        until = time.monotonic() + deadline
        own = Flight()
        readings: dict[SecretKey, Reading] = {}
        flights: dict[SecretKey, Flight] = {}
        try:
            for key in keys:
                flights[key] = self._join(key, own)
                # The flight before it may have landed since the caller looked.
                reading = look_up(key)
                if reading is not None:
                    readings[key] = own.readings[key] = reading  # for threads that have joined, too
                    flights.pop(key)
            mine = [key for key, flight in flights.items() if flight is own]
            if mine:
                own.readings |= fetch(mine)
            own.failure = None
        except VaultConfigError as error:
            own.failure = error
        finally:  # also when a signal interrupts us: the others would wait for ever
            self._land(own)
        failure: VaultConfigError | None = None
        for key, flight in flights.items():
            if not flight.landed.wait(max(0.0, until - time.monotonic())):
                self._land(flight)  # a signal may have ended the load that it was part of
                failure = VaultUnavailableError("no answer from the vault before the deadline")
            elif key in flight.readings:
                readings[key] = flight.readings[key]
            else:
                failure = flight.failure or failure
        return readings, failure

    def _join(self, key: SecretKey, own: Flight) -> Flight:
        """Return the flight that brings *key*, which is *own* if no other one does."""
        flight = self.under_way.setdefault(key, own)
        if flight.thread == own.thread:
            # A signal handler can't wait for the load that it has interrupted.
            flight = self.under_way[key] = own
        return flight

    def _land(self, flight: Flight) -> None:
        for key, other in list(self.under_way.items()):
            if other is flight:
                self.under_way.pop(key, None)
        flight.landed.open()
