"""Trouble on request: which requests go wrong, how, and how often; and which ones wait.

Pure but for its locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from vaultconfig.devserver.answers import STATUS
from vaultconfig.devserver.bodies import Body, Count
from vaultconfig.devserver.paths import matches

Seconds = Annotated[float, Field(ge=0, lt=86400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that came in, as the log keeps it: names and paths, no values.

    Attributes:
        method: The HTTP method.
        path: The URL's path.
        query: The URL's parameters.
        secrets: The secret paths it is about: the URL's, or a batch's in its order.
        event_ids: The events that it acknowledges.
        header_names: In lower case.
        connection: The client's port, which tells connections apart.
        is_reuse: Whether the connection has carried a request before.
        at: When it came, in Unix seconds.
    """

    method: str
    path: str
    query: Mapping[str, str]
    secrets: tuple[str, ...]
    event_ids: tuple[str, ...]
    header_names: frozenset[str]
    connection: int
    is_reuse: bool
    at: float

    def is_about(self, glob: str) -> bool:
        """Whether *glob* covers the URL's path (it begins with a slash) or one of the secrets."""
        if glob.startswith("/"):
            return matches(glob, self.path)
        return any(matches(glob, secret) for secret in self.secrets)


class Fault(Body, extra="forbid"):
    """What goes wrong, and for which requests.

    One of *status*, *code*, *garbage*, *drop* and *reset* takes the place of the answer; the
    others can go with any answer.

    Attributes:
        method: The HTTP method, or ``*``.
        path: A glob over URL paths if it begins with a slash, else over secret paths.
        reused: Only requests on a connection that has carried one before.
        times: For how many requests; None until cleared.
        delay: Seconds before anything is sent.
        status: An HTTP status, with *body* as its text.
        code: One of ScaiVault's error codes, in its envelope.
        retry_after: The ``Retry-After`` header, in seconds or as a date.
        headers: More headers.
        body: A text to send in place of the true body.
        garbage: A 200 that is not JSON.
        drop: Close the connection without an answer.
        reset: Reset it without an answer (RST in place of FIN).
        truncate: Close it after half the body.
        drip: Seconds between single bytes of the body.
        lag: Read like a replica that doesn't know the last so many versions of *path* yet.
        repeat: Acknowledge nothing, and take no notice of ``since_event_id``.
    """

    method: str = "*"
    path: str = "/**"
    reused: bool = False
    times: Count | None = None
    delay: Seconds = 0.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    code: str | None = None
    retry_after: int | str | None = None
    headers: Mapping[str, str] = {}
    body: str | None = None
    garbage: bool = False
    drop: bool = False
    reset: bool = False
    truncate: bool = False
    drip: Seconds = 0.0
    lag: Annotated[int, Field(ge=0)] = 0
    repeat: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.code is not None and self.code not in STATUS:
            raise PydanticCustomError("fault", f"code should be one of {' '.join(STATUS)}")
        named = (self.status is not None, self.code is not None)
        if sum((*named, self.garbage, self.drop, self.reset)) > 1:
            raise PydanticCustomError("fault", "at most one of status, code, garbage, drop, reset")
        return self

    def concerns(self, request: LoggedRequest) -> bool:
        """Whether *request* is one that this fault is for."""
        return (
            self.method in ("*", request.method)
            and request.is_about(self.path)
            and (request.is_reuse or not self.reused)
        )

    def lag_of(self, secret: str) -> int:
        """Return how many of the last versions of *secret* a read doesn't know of."""
        return self.lag if self.path.startswith("/") or matches(self.path, secret) else 0


NO_FAULT = Fault()
"""What happens to a request that no fault concerns."""


class Faults:
    """The faults that are waiting for their requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let *fault* happen."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: LoggedRequest) -> Fault:
        """Return the first fault for *request*, counted as used once; or `NO_FAULT`."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if fault.concerns(request):
                    if fault.times == 1:
                        del self._waiting[index]
                    elif fault.times is not None:
                        left = fault.model_copy(update={"times": fault.times - 1})
                        self._waiting[index] = left
                    return fault
        return NO_FAULT

    def waiting(self) -> list[dict[str, Any]]:
        """Return what is still to happen, with ``times`` counted down."""
        with self._lock:
            return [fault.model_dump() for fault in self._waiting]


class Hold:
    """A gate for the requests that *glob* covers, closed until `release`.

    So a race has a known winner.
    """

    def __init__(self, glob: str) -> None:
        self._glob = glob
        self._opened: Future[None] = Future()
        self._asked = threading.Semaphore(0)

    async def pass_through(self, request: LoggedRequest) -> None:
        """Wait, if *request* is one of those held, until the gate opens."""
        if not self._opened.done() and request.is_about(self._glob):
            self._asked.release()
            await asyncio.wrap_future(self._opened)

    def wait_until_asked(self, times: int = 1, *, timeout: float = 30.0) -> None:
        """Return once *times* requests have arrived here; see `DevServer.wait_until_asked`."""
        for arrived in range(times):
            if not self._asked.acquire(timeout=timeout):
                raise TimeoutError(f"{arrived} of {times} requests for {self._glob} have arrived")

    def release(self) -> None:
        """Open the gate for good."""
        with contextlib.suppress(InvalidStateError):  # open already, or given up with its server
            self._opened.set_result(None)
